"""The shortest sequence that replaces the module under one machine, with
nothing of Baton's: what Baton's blackout is compared with."""

import os
import time

from tests.vm import kernel
from tests.vm.clock import Deadline
from tests.vm.qmp import Qmp, QmpError

_PLENTY = 10 ** 12  # bytes a second: the kernel gives no hint of a size


def _carry(qmp):
    qmp.call("migrate-set-capabilities",
             capabilities=[{"capability": "x-ignore-shared", "state": True}])


def _limits(qmp):
    qmp.call("migrate-set-parameters", max_bandwidth=_PLENTY, downtime_limit=2000000,
             avail_switchover_bandwidth=_PLENTY)


def _migrated(qmp):
    deadline = Deadline(120, "the machine's state was not saved")
    while (state := qmp.call("query-migrate")["status"]) != "completed":
        if state in ("failed", "cancelled"):
            raise QmpError(f"migrate: {state}")
        deadline.pause(0.002)


def _loaded(qmp):
    deadline = Deadline(120, "the machine's state was not loaded")
    while qmp.status() == "inmigrate":
        deadline.pause(0.002)


class Steps:
    """How long each step took, in milliseconds."""

    def __init__(self):
        self.took, self._at = {}, time.monotonic()

    def done(self, name):
        now = time.monotonic()
        self.took[name] = round((now - self._at) * 1e3, 1)
        self._at = now


def swap(rig, machine, module):
    """Replaces the loaded module by the file `module`. Returns the process that
    runs the machine now, and the Steps."""
    state = f"/dev/shm/{machine.name}.state"
    qmp = Qmp(machine.qmp_path)
    _carry(qmp)
    _limits(qmp)
    # Never one that was used before: a QEMU unlinks in the end where it listened first.
    machine.swaps += 1
    socket = f"{machine.qmp_path}.{machine.swaps}"
    process = machine.launch(socket, incoming=True)
    rig.adopt(process)
    following = Qmp(socket)
    _carry(following)
    steps = Steps()
    qmp.call("stop")
    steps.done("stop")
    qmp.call("migrate", uri=f"file:{state}")
    _migrated(qmp)
    steps.done("save")
    qmp.call("quit")
    qmp.close()
    machine.process.wait()
    steps.done("quit")
    kernel.unload()
    kernel.load(module)
    kernel.create(machine.uuid)
    steps.done("module")
    following.call("device_add", **machine.device())
    steps.done("device_add")
    following.call("migrate-incoming", uri=f"file:{state}")
    _loaded(following)
    steps.done("load")
    following.call("cont")
    steps.done("cont")
    following.close()
    os.rename(socket, machine.qmp_path)
    os.unlink(state)
    machine.process = process
    return steps
