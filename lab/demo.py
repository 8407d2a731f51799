"""./dev demo: replaces a GPU driver on a fleet of hosts whose virtual GPUs keep
computing, and asks the guests what they lost."""

import argparse
import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lab import summary  # noqa: E402
from lab.fleet import FAULTS, Failed, Fleet  # noqa: E402
from lab.process import die_with_parent  # noqa: E402

ROLLOUT = """\
driver: softgpu/2.0
selector: lab=demo
waves:
  - {{name: canary, size: 1, bake: 3s}}
  - {{name: half, size: 50%, bake: 3s}}
  - {{name: rest, size: rest}}
limits: {{max_unavailable: 2}}
failure_tolerance: {{hosts: {tolerance}}}
"""

WATCH_HELD = 11  # exit code of `baton rollout watch --exit-on-hold`


def arguments():
    parser = argparse.ArgumentParser(
        prog="./dev demo", formatter_class=argparse.RawDescriptionHelpFormatter,
        description=__doc__, epilog="KIND is one of " + ", ".join(FAULTS) + ".")
    parser.add_argument("--hosts", type=int, default=8, help="1 to 32 (8)")
    parser.add_argument("--vgpus", type=int, default=4, help="per host, 1 to 64 (4)")
    parser.add_argument("--vram-mib", type=int, default=64, help="per vGPU (64)")
    parser.add_argument("--fail", action="append", default=[], metavar="KIND@HOST",
                        help="let a driver misbehave on one host, e.g. start-crashes@host-3")
    parser.add_argument("--tolerance", type=int, default=0, metavar="N",
                        help="hosts that may fail before the rollout holds (0)")
    parser.add_argument("--json", action="store_true",
                        help="end with one JSON object on stdout")
    parser.add_argument("--keep", action="store_true", help="leave everything running")
    parser.add_argument("--stop", action="store_true", help="end what --keep left running")
    parser.add_argument("--binaries", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not 1 <= options.hosts <= 32:
        parser.error(f"--hosts is {options.hosts}, want 1 to 32")
    if not 1 <= options.vgpus <= 64:
        parser.error(f"--vgpus is {options.vgpus}, want 1 to 64")
    if not 1 <= options.vram_mib <= 1024:
        parser.error(f"--vram-mib is {options.vram_mib}, want 1 to 1024")
    if options.tolerance < 0:
        parser.error(f"--tolerance is {options.tolerance}, want at least 0")
    options.faults = {}
    names = {f"host-{n + 1}" for n in range(options.hosts)}
    for fault in options.fail:
        kind, _, host = fault.partition("@")
        if kind not in FAULTS:
            parser.error(f"--fail {fault}: kind '{kind}' is unknown, want one of "
                         + ", ".join(FAULTS))
        if host not in names:
            parser.error(f"--fail {fault}: host '{host}' is unknown, want host-1 to "
                         f"host-{options.hosts}")
        if host in options.faults:
            parser.error(f"--fail {fault}: '{host}' fails already")
        options.faults[host] = kind
    return options


def say(line):
    print(f"==> {line}", file=sys.stderr, flush=True)


def watch(fleet, quiet):
    """Shows the rollout until it ends or holds."""
    command = fleet.command("rollout", "watch", "demo", "--exit-on-hold")
    out = subprocess.DEVNULL if quiet else None
    code = subprocess.run(command, stdout=out, check=False,
                          preexec_fn=die_with_parent).returncode
    if code not in (0, 10, WATCH_HELD):
        raise Failed(f"the watch ended with {code}")


def roll_out(fleet, options):
    """Pushes 2.0 and rolls it out; returns the rollout and its updates."""
    path = f"{fleet.disk}/demo.yaml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(ROLLOUT.format(tolerance=options.tolerance))
    fleet.baton("driver", "push", fleet.package("2.0"))
    fleet.baton("rollout", "create", "demo", "-f", path)
    planned = fleet.baton("rollout", "plan", "demo")
    if not options.json:
        print(planned, file=sys.stderr)
    plan = fleet.baton_json("rollout", "get", "demo")["plan"]
    say("starting the rollout")
    fleet.baton("rollout", "start", "demo", f"--digest={plan['digest']}")
    watch(fleet, options.json)


def run(options, fleet):
    """Returns the summary."""
    started = time.monotonic()
    say(f"starting a service and {options.hosts} hosts with {options.vgpus} vGPUs of "
        f"{options.vram_mib} MiB each, driver 1.0")
    fleet.start_service()
    fleet.start_hosts()
    fleet.start_guests()
    say(f"{options.hosts * options.vgpus} guests compute; pushing driver 2.0")
    for host, kind in options.faults.items():
        say(f"on {host} the driver misbehaves: {kind}")
    roll_out(fleet, options)
    # What was carried over must also be good for something afterwards.
    time.sleep(3)
    result = summary.of_rollout(fleet)
    if result["rollout"]["state"] != "SUCCEEDED" or options.faults:
        print(fleet.baton("why", "rollouts/demo"), file=sys.stderr)
    if options.keep:
        return result
    say("stopping the guests, and asking what they lost")
    result["guests"] = summary.of_guests(fleet.stop_guests())
    result["seconds"] = round(time.monotonic() - started, 1)
    return result


def show_kept(fleet):
    fleet.mark_kept()
    print(f"""
Everything still runs. Try:

  export BATON_SERVER={fleet.address}
  {fleet.bin['baton']} host list
  {fleet.bin['baton']} rollout get demo --updates
  {fleet.bin['baton']} why hosts/host-1
  {fleet.bin['baton']} audit list

Logs are in {fleet.disk}. End it with: ./dev demo --stop""")


def command_line(pid):
    """Returns a process's arguments; nothing when it has ended."""
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def stop_kept():
    """Ends every fleet that --keep left running."""
    import shutil
    found = False
    for name in os.listdir("/dev/shm"):
        path = f"/dev/shm/{name}"
        if not name.startswith("baton-lab-") or not os.path.exists(f"{path}/kept"):
            continue
        found = True
        with open(f"{path}/kept", encoding="utf-8") as kept:
            state = json.load(kept)
        for pid in state["pids"]:
            # Its number may be somebody else's by now.
            if name in command_line(pid):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(path, ignore_errors=True)
        shutil.rmtree(state["disk"], ignore_errors=True)
    say("stopped" if found else "nothing was kept running")


def main():
    options = arguments()
    if options.stop:
        stop_kept()
        return 0
    # A terminal that is closed must not leave a fleet behind either.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    try:
        with Fleet(options.binaries, options.hosts, options.vgpus, options.faults,
                   options.vram_mib, keep=options.keep) as fleet:
            result = run(options, fleet)
            if options.keep:
                show_kept(fleet)
    except KeyboardInterrupt:
        say("stopped; nothing is left behind")
        return 130
    except Failed as error:
        say(f"failed: {error}")
        return 1
    if not options.keep:
        summary.show(result)
    if options.json:
        print(json.dumps(result))
    return summary.verdict(result, options.faults)


sys.exit(main())
