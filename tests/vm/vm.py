"""./dev vm: replaces a real kernel module under real machines, in a machine."""

import argparse
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, ROOT)
from lab.process import die_with_parent  # noqa: E402
from tests.vm import builds, outer  # noqa: E402
from tests.vm.packages import Unavailable, packages  # noqa: E402
from tests.vm.scenarios import DEFAULT, SCENARIOS  # noqa: E402

SKIPPED = 75  # exit code where QEMU or its packages are not to be had
LONGEST = 210  # seconds that a scenario may take: thrice what the longest does

PROGRAMS = {
    "batond": "service/batond",
    "agent": "agent/baton-agent",
    "shim": "driver-shim/baton-shim",
    "baton": "cli/baton",
    "client": "tests/vm/client/vfio_client",
}


def say(line):
    print(f"==> {line}", file=sys.stderr, flush=True)


def arguments():
    parser = argparse.ArgumentParser(
        prog="./dev vm", description=__doc__, formatter_class=argparse.RawTextHelpFormatter,
        epilog="scenarios:\n" + "\n".join(
            f"  {name:20} {'' if name in DEFAULT else '(by name) '}{function.__doc__}"
            for name, function in SCENARIOS.items()))
    parser.add_argument("scenarios", nargs="*", metavar="NAME", help="what to run (those that run by default)")
    parser.add_argument("--all", action="store_true", help="run every scenario")
    parser.add_argument("--accel", choices=("kvm", "tcg"), help="how to run the outer machine")
    parser.add_argument("--minutes", type=float, default=9.5,
                        help="end it after so long, preparations included (9.5)")
    parser.add_argument("--as-time-allows", action="store_true",
                        help="leave out what might not end in that time, which is no failure")
    parser.add_argument("--out", metavar="FOLDER", help="where logs go (in the cache)")
    parser.add_argument("--json", action="store_true", help="end with the results on stdout")
    parser.add_argument("--binaries", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--cache", required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    for name in options.scenarios:
        if name not in SCENARIOS:
            parser.error(f"no scenario '{name}'; ./dev vm --help lists them")
    options.scenarios = (list(SCENARIOS) if options.all else options.scenarios or DEFAULT)
    return options


def alone(options):
    """Ends this process where another uses the cache, which holds the logs, too.
    Returns a file that is to stay open for as long as we do."""
    os.makedirs(options.cache, exist_ok=True)
    lock = open(f"{options.cache}/lock", "w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit("vm: another machine runs already: wait until it has ended")
    return lock


def prepare(options, end):
    """Returns the machine's command line, its environment, and its folder.
    `end`: when it will be ended, monotonic."""
    fetched = packages(f"{options.cache}/packages", say)
    modules = builds.modules(ROOT, options.cache, fetched, say)
    out = os.path.abspath(options.out or f"{options.cache}/out")
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    left = end - time.monotonic()
    if options.as_time_allows and left < LONGEST:
        raise Unavailable("preparations took too long")
    plan = {
        "scenarios": options.scenarios, "modules": modules,
        # No scenario is begun later, by the machine's own clock.
        "begin_within": left - LONGEST if options.as_time_allows else None,
        "guest": builds.guest(ROOT, options.cache),
        "qemu": fetched.qemu, "qemu_data": fetched.qemu_data, "libraries": fetched.libraries,
        **{name: os.path.realpath(f"{options.binaries}/{path}")
           for name, path in PROGRAMS.items()},
    }
    with open(f"{out}/plan.json", "w", encoding="utf-8") as file:
        file.write(json.dumps(plan).replace(options.cache, outer.CACHE))
    accel = options.accel or outer.accelerator()
    say(f"booting {fetched.release} under QEMU {fetched.qemu_version()} ({accel})")
    image = outer.initrd(fetched, options.cache, f"{ROOT}/tests/vm/init.sh")
    main = os.path.join(ROOT, "tests/vm/inside.py")
    return (outer.command(fetched, image, main, options.cache, out, accel),
            fetched.environment(), out)


def boot(command, environment, seconds):
    """Runs the machine to its end. Returns whether it ended in time."""
    process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL,
                               preexec_fn=die_with_parent)
    try:
        process.wait(seconds)
        return True
    except subprocess.TimeoutExpired:
        return False
    finally:
        process.kill()
        process.wait()


def table(results, missing):
    for result in results:
        if "held" not in result:
            print(f"  {result['name']:22} left out: there is no time left")
            continue
        word = "held" if result["held"] else "DID NOT HOLD"
        print(f"  {result['name']:22} {word:13} {result['seconds']:6.1f} s  "
              f"{result.get('why') or json.dumps(result['measured'])}")
    for name in missing:
        print(f"  {name:22} DID NOT RUN")


def main():
    options = arguments()
    started, lock = time.monotonic(), alone(options)
    try:
        command, environment, out = prepare(options, started + options.minutes * 60)
    except Unavailable as why:
        say(f"vm: skipped: {why}")
        return SKIPPED
    ended = boot(command, environment, started + options.minutes * 60 - time.monotonic())
    try:
        with open(f"{out}/result.json", encoding="utf-8") as file:
            results = json.load(file)
    except OSError:
        results = []
    held = sum(result.get("held", False) for result in results)
    left_out = sum("held" not in result for result in results)
    lock.close()
    table(results, options.scenarios[len(results):])
    if options.json:
        print(json.dumps(results))
    if not ended:
        say(f"the machine was ended after {options.minutes} minutes")
    failed = len(options.scenarios) - held - left_out
    say(f"{time.monotonic() - started:.0f} s; logs in {out}")
    print(f"{held} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
