"""What ./dev vm shows, each by name. A scenario gets a Rig, returns what it
measured, and raises when something is not as it must be."""

import time

from tests.vm import byhand, kernel

SCENARIOS = {}
DEFAULT = []


def on_request(function):
    """A scenario that is run when it is asked for."""
    SCENARIOS[function.__name__.replace("_", "-")] = function
    return function


def scenario(function):
    """A scenario that CI runs, too."""
    DEFAULT.append(function.__name__.replace("_", "-"))
    return on_request(function)


@scenario
def by_hand(rig):
    """The rig itself: a module replaced with nothing of Baton's."""
    kernel.load(rig.module("1.0"))
    machine = rig.machine("vm-a")
    client = rig.client("plain")
    for user in rig.users:
        kernel.create(user.uuid)
    rig.start_users()
    rig.check_users(driver=1)
    client.process.kill()
    client.process.wait()
    rig.users.remove(client)
    client.end()
    since = time.monotonic()
    steps = byhand.swap(rig, machine, rig.module("2.0"))
    rig.check_users(driver=2)
    return {"silence_ms": round(machine.turns.silence(since) * 1e3), "steps_ms": steps.took}
