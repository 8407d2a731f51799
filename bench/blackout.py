"""Where does the blackout go? Rolls 2.0 out over a lab fleet a few times, and
prints each step's median share of the blackout, with and without other load.

usage: blackout.py BINARIES [--hosts N] [--vgpus N] [--json]
"""

import argparse
import json
import os
import statistics
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lab.fleet import Fleet  # noqa: E402

# The steps between the engines' stop and their start.
STEPS = ["PAUSE", "SAVE", "UNLOAD", "SWITCH", "RESTORE", "VERIFY", "RESUME"]
ROLLOUT = "driver: softgpu/2.0\nselector: lab=demo\nwaves: [{name: all, size: rest}]\n"


def milliseconds(duration):
    return float(duration.rstrip("s")) * 1000


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
    taken = {"blackout": [milliseconds(vgpu["blackout"]) for update in updates
                          for vgpu in update["vgpus"]]}
    for update in updates:
        for step in update["steps"]:
            taken.setdefault(step["step"].replace("STEP_", ""), []).append(
                milliseconds(step["elapsed"]))
    return {name: round(statistics.median(values), 3) for name, values in taken.items()
            if name == "blackout" or name in STEPS}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binaries")
    parser.add_argument("--hosts", type=int, default=4)
    parser.add_argument("--vgpus", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = {name: measure(options.binaries, options.hosts, options.vgpus, rate)
               for name, rate in (("quiet guests", 100), ("busy guests", 8000))}
    if options.json:
        print(json.dumps(results))
        return
    print(f"{'ms, median':14}" + "".join(f"{name:>10}" for name in ["blackout", *STEPS]))
    for name, taken in results.items():
        print(f"{name:14}" + "".join(f"{taken.get(key, 0):10.2f}"
                                     for key in ["blackout", *STEPS]))


main()
