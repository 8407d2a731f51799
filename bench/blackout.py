"""Where does the blackout go? Rolls 2.0 out over a lab fleet a few times, and
prints each step's median, with and without other load, and what of the blackout
was spent outside of the driver's own entry points; for several numbers of vGPUs.

usage: blackout.py BINARIES [--hosts N] [--vgpus N[,N]...] [--json]
"""

import argparse
import json
import os
import re
import statistics
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lab.fleet import Fleet  # noqa: E402

# The steps between the engines' stop and their start.
STEPS = ["PAUSE", "SAVE", "UNLOAD", "SWITCH", "RESTORE", "VERIFY", "RESUME"]
# What is spent outside of the driver: of the blackout at most this share, or this
# many milliseconds, whichever is more.
OUTSIDE_SHARE, OUTSIDE_MS = 0.2, 1.0
UNITS = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3}
STEP = re.compile(r"(PAUSE|SAVE|UNLOAD|RESTORE|VERIFY|RESUME) succeeded in (\S+), "
                  r"(\S+) of it in the driver")
ROLLOUT = "driver: softgpu/2.0\nselector: lab=demo\nwaves: [{name: all, size: rest}]\n"


def milliseconds(duration):
    return float(duration.rstrip("s")) * 1000


def span(text):
    """Returns the milliseconds of a duration as the logs have it, e.g. "1.2ms"."""
    return sum(float(number) * UNITS[unit]
               for number, unit in re.findall(r"([0-9.]+)([a-z]+)", text))


def in_driver(fleet):
    """Returns the milliseconds that each host's driver took in the blackout."""
    taken = []
    for host in fleet.hosts:
        with open(f"{fleet.disk}/{host.name}.shim.log", encoding="utf-8") as log:
            taken.append(sum(span(inside) for _, _, inside in STEP.findall(log.read())))
    return taken


def measure(binaries, hosts, vgpus, rate):
    """Returns {"blackout": median ms, step: median ms} of one rollout."""
    with Fleet(binaries, hosts, vgpus, guest_rate=rate) as fleet:
        fleet.start_service()
        fleet.start_hosts()
        fleet.start_guests()
        path = f"{fleet.disk}/bench.yaml"
        with open(path, "w", encoding="utf-8") as file:
            file.write(ROLLOUT)
        fleet.baton("driver", "push", fleet.package("2.0"))
        fleet.baton("rollout", "create", "bench", "-f", path)
        fleet.baton("rollout", "plan", "bench")
        plan = fleet.baton_json("rollout", "get", "bench")["plan"]
        fleet.baton("rollout", "start", "bench", f"--digest={plan['digest']}")
        fleet.baton("rollout", "watch", "bench", "--exit-on-hold")
        updates = fleet.baton_json("rollout", "get", "bench", "--updates")["updates"]
        fleet.stop_guests()
        driver = statistics.median(in_driver(fleet))
    taken = {"blackout": [milliseconds(vgpu["blackout"]) for update in updates
                          for vgpu in update["vgpus"]]}
    for update in updates:
        for step in update["steps"]:
            taken.setdefault(step["step"].replace("STEP_", ""), []).append(
                milliseconds(step["elapsed"]))
    result = {name: round(statistics.median(values), 3) for name, values in taken.items()
              if name == "blackout" or name in STEPS}
    result["outside"] = round(result["blackout"] - driver, 3)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binaries")
    parser.add_argument("--hosts", type=int, default=4)
    parser.add_argument("--vgpus", default="1,4,16", help="numbers of vGPUs a host")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = {}
    for vgpus in [int(number) for number in options.vgpus.split(",")]:
        for name, rate in (("quiet", 100), ("busy", 8000)):
            results[f"{vgpus} vGPUs, {name}"] = measure(
                options.binaries, options.hosts, vgpus, rate)
    if options.json:
        print(json.dumps(results))
        return
    columns = ["blackout", "outside", *STEPS]
    print(f"{'ms, median':16}" + "".join(f"{name:>10}" for name in columns))
    for name, taken in results.items():
        allowed = max(OUTSIDE_MS, OUTSIDE_SHARE * taken["blackout"])
        verdict = "" if taken["outside"] <= allowed else f"  outside > {allowed:.2f}"
        print(f"{name:16}" + "".join(f"{taken.get(key, 0):10.2f}" for key in columns)
              + verdict)


main()
