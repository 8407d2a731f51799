"""Runs in the outer machine as its only user of Python: the scenarios of
plan.json, one after the other. Results go to result.json in the same folder;
one without "held" was left out because there was no time left."""

import json
import os
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__)))))
from tests.vm.rig import OUT, Rig  # noqa: E402
from tests.vm.scenarios import ON_A_HOST, SCENARIOS, Stage  # noqa: E402


def show(plan, stage, name):
    """Returns what the scenario measured."""
    if name in ON_A_HOST:
        return SCENARIOS[name](stage.host(name))
    stage.clear()
    with Rig(plan, name) as rig:
        return SCENARIOS[name](rig)


def run(plan, stage, name):
    """Returns {"name", "held", "seconds", …} of one scenario."""
    started = time.monotonic()
    result = {"name": name, "held": True}
    print(f"vm: {name}", flush=True)
    try:
        result["measured"] = show(plan, stage, name)
    except Exception as error:  # pylint: disable=broad-except
        result.update(held=False, why=f"{type(error).__name__}: {error}",
                      trace=traceback.format_exc())
    result["seconds"] = round(time.monotonic() - started, 1)
    word = "held" if result["held"] else f"DID NOT HOLD: {result['why']}"
    print(f"vm: {name} {word} ({result['seconds']} s) "
          f"{json.dumps(result.get('measured', {}))}", flush=True)
    return result


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        plan = json.load(file)
    print(f"vm: kernel {os.uname().release} after {time.monotonic():.0f} s", flush=True)
    results, stage = [], Stage(plan)
    for name in plan["scenarios"]:
        if plan["begin_within"] is not None and time.monotonic() > plan["begin_within"]:
            results.append({"name": name})
        else:
            results.append(run(plan, stage, name))
        with open(f"{OUT}/result.json", "w", encoding="utf-8") as file:
            json.dump(results, file)
        if not results[-1].get("held", True):
            stage.clear()
    stage.clear()


main()
