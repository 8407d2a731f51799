"""Disks that fill up, and disks that refuse (libfiu)."""

import glob
import os
import shutil
import signal
import subprocess

from lab.process import Failed
from tests.faults import mounts
from tests.faults.judge import Judge
from tests.faults.matrix import points
from tests.faults.stand import Stand

NAME = "disk"
_FIU = "/usr/lib/fiu"


def fiu_lacks():
    for program, package in (("fiu-ctrl", "fiu-utils"),):
        if shutil.which(program) is None or not glob.glob(f"{_FIU}/fiu_posix_preload.so"):
            return f"it needs the package {package}"
    return ""


class DiskStand(Stand):
    """A stand of which host-1's agent, or the service, has a disk that can fail."""

    def __init__(self, binaries, small=None, mib=64, refusing=None, **options):
        """small     name of the process whose directory is a disk of `mib` MiB
        refusing  name of the process whose calls can be made to fail"""
        super().__init__(binaries, **options)
        self.small = None
        if small is not None:
            folder = f"{self.disk}/batond" if small == "batond" else (
                f"{self.host(small.split('.')[0]).disk}/agent")
            self.small = mounts.SmallDisk(folder, mib)
        if small == "batond":
            # Its disk is smaller than what it would keep free.
            self.service_flags.append("--disk-reserve-mib=8")
        self._refusing = refusing
        if refusing is not None:
            self.environments[refusing] = {
                "LD_PRELOAD": f"{_FIU}/fiu_run_preload.so {_FIU}/fiu_posix_preload.so",
                "FIU_CTRL_FIFO": f"{self.disk}/fiu"}

    def refuse(self, kinds):
        """From now on calls of these kinds fail in the process that runs. It may
        end of the first: there is no time for a second word to it."""
        pid = self.supervised[self._refusing].popen.pid
        try:
            done = subprocess.run(["fiu-ctrl", "-f", f"{self.disk}/fiu", "-c",
                                   f"enable name={kinds}", str(pid)], capture_output=True,
                                  text=True, timeout=30, check=False)
        except subprocess.TimeoutExpired as error:
            raise Failed(str(error)) from error
        if done.returncode != 0:
            raise Failed(f"fiu-ctrl: {done.stdout}{done.stderr}")

    def deaths_of(self, name):
        return [death for death in self.supervisor.deaths if death.name == name]

    def close(self):
        small, self.small = self.small, None
        if small is not None:
            small.empty()
        super().close()
        if small is not None:
            small.close()
            shutil.rmtree(self.disk, ignore_errors=True)


def _begun(stand):
    stand.start()
    judge = Judge(stand)
    stand.start_guests()
    return judge


def _finish(stand, judge, rollout, version, want=None):
    """Waits for the end; returns what is wrong and how hosts ended."""
    state = stand.watch(rollout, seconds=180)
    wrong, ends = judge.after(rollout, version)
    if state != "SUCCEEDED":
        wrong.append(f"{rollout} ended {state}")
    if want is not None and ends.get("host-1") not in want:
        wrong.append(f"host-1 ended {ends.get('host-1')}, want one of {want}")
    return wrong, ends


def _judge_all(judge, wrong, said):
    lost, commands = judge.guests()
    return wrong + lost + judge.audit(), f"{said}; {commands:,} commands of guests"


def _hold_at(stand, binaries, part):
    """Starts host-1's agent so that it stops at the first fail point with `part`
    in its name; returns that point."""
    names = [name for name in points(f"{binaries}/agent/baton-agent") if part in name]
    if not names:
        raise Failed(f"the agent has no fail point with '{part}' in its name")
    stand.arm("host-1.agent", names[0], "stop")
    stand.wait_ready()
    return names[0]


def agent_full_before(binaries, say):
    """No room on host-1's disk: refused before anything is touched, and well
    again once there is room."""
    with DiskStand(binaries, small="host-1.agent") as stand:
        judge = _begun(stand)
        stand.small.fill()
        version = stand.push(2)
        wrong, ends = _finish(stand, judge, stand.begin(version), version, {"CANCELLED"})
        if wrong:
            return wrong, ""
        stand.small.empty()
        version = stand.push(2)
        wrong, again = _finish(stand, judge, stand.begin(version), version, {"DONE"})
        return _judge_all(judge, wrong, f"hosts ended {ends}, with room {again}")


def _agent_full_at(part):
    def case(binaries, say):
        with DiskStand(binaries, small="host-1.agent", watchdog_s=3600) as stand:
            judge = _begun(stand)
            version = stand.push(2)
            point = _hold_at(stand, binaries, part)
            rollout = stand.begin(version)
            stand.until(f"{point} reached", 60, lambda: not stand.fired("host-1.agent"))
            stand.small.fill()
            stand.kill("host-1.agent", signal.SIGCONT)
            stand.pause(3)
            stand.small.empty()
            wrong, ends = _finish(stand, judge, rollout, version)
            return _judge_all(judge, wrong, f"full at {point}: hosts ended {ends}")
    return case


def service_full(binaries, say):
    """No room on the service's disk in mid-rollout, for some seconds."""
    with DiskStand(binaries, small="batond", hosts=4) as stand:
        judge = _begun(stand)
        version = stand.push(2)
        rollout = stand.begin(version, at_once=1)
        stand.until("a host is updated", 60, lambda: not any(
            update["state"].endswith("RUNNING") for update in stand.updates(rollout).values()))
        stand.small.fill()
        stand.pause(3)
        deaths = len(stand.deaths_of("batond"))
        stand.small.empty()
        wrong, ends = _finish(stand, judge, rollout, version, {"DONE"})
        return _judge_all(judge, wrong, f"the service ended {deaths} times meanwhile; "
                                        f"hosts ended {ends}")


def _service_refused(kinds):
    """The service's disk refuses in mid-rollout: it stops rather than go on, and
    the next one goes on from what is durable."""
    def case(binaries, say):
        with DiskStand(binaries, refusing="batond", hosts=4) as stand:
            judge = _begun(stand)
            version = stand.push(2)
            rollout = stand.begin(version, at_once=1)
            stand.until("a host is updated", 60, lambda: not any(
                update["state"].endswith("RUNNING")
                for update in stand.updates(rollout).values()))
            stand.refuse(kinds)
            stand.until("the service stops", 30, lambda: not stand.deaths_of("batond"))
            wrong, ends = _finish(stand, judge, rollout, version, {"DONE"})
            if "STORE_UNAVAILABLE" not in stand.log_of("batond"):
                wrong.append("the service's log does not say STORE_UNAVAILABLE")
            return _judge_all(judge, wrong, f"hosts ended {ends}")
    return case


def _agent_refused(part, kinds):
    """The agent's disk refuses from a fail point on."""
    def case(binaries, say):
        with DiskStand(binaries, refusing="host-1.agent", watchdog_s=3600) as stand:
            judge = _begun(stand)
            version = stand.push(2)
            point = _hold_at(stand, binaries, part)
            rollout = stand.begin(version)
            stand.until(f"{point} reached", 60, lambda: not stand.fired("host-1.agent"))
            process = stand.supervised["host-1.agent"]
            process.signal(signal.SIGCONT)
            stand.refuse(kinds)
            wrong, ends = _finish(stand, judge, rollout, version)
            return _judge_all(judge, wrong, f"refused from {point} on: hosts ended {ends}")
    return case


def store_older(binaries, say):
    """A copy of the store, taken in mid-rollout, comes back after the rollout's
    end: agents show that they know more, the fleet is stopped until somebody has
    looked, and nothing is done again."""
    with Stand(binaries) as stand:
        judge = _begun(stand)
        data, copy = f"{stand.disk}/batond", f"{stand.disk}/copy"

        def swap(old, new):
            """Kills the service, replaces directory `new` by `old`, starts it."""
            def work():
                process = stand.supervised["batond"]
                process.signal(signal.SIGKILL)
                process.popen.wait()
                shutil.rmtree(new, ignore_errors=True)
                shutil.copytree(old, new)
                return stand.start_again("batond")
            stand.supervisor.call(work).wait_ready()

        version = stand.push(2)
        rollout = stand.begin(version)
        swap(data, copy)
        swap(data, f"{stand.disk}/another")  # agents obey a later epoch by now
        wrong, ends = _finish(stand, judge, rollout, version, {"DONE"})
        swap(copy, data)
        stand.until("STORE_IS_OLDER", 30,
                    lambda: "STORE_IS_OLDER" not in stand.ask("fleet", "show") and "not said")
        stand.ask("fleet", "lift", "--reason=looked at what is missing")
        more, again = _finish(stand, judge, rollout, version, {"DONE"})
        wrong += more
        for host in stand.hosts:
            taken = stand.log_of(f"{host.name}.shim").count("PREPARE succeeded")
            if taken != 1:
                wrong.append(f"{host.name} was prepared {taken} times")
        version = stand.push(1)
        more, last = _finish(stand, judge, stand.begin(version), version, {"DONE"})
        return _judge_all(judge, wrong + more, f"hosts ended {ends}, said again by agents "
                                               f"{again}, in the next rollout {last}")


SYNC = "posix/io/sync/*"
WRITE = "posix/io/rw/pwrite*"

CASES = [
    ("agent-disk-full-before", mounts.lacks, agent_full_before),
    ("agent-disk-full-before-unload", mounts.lacks, _agent_full_at("before_pause")),
    ("agent-disk-full-after-unload", mounts.lacks, _agent_full_at("after_unload")),
    ("service-disk-full", mounts.lacks, service_full),
    ("store-older", lambda: "", store_older),
    ("service-sync-fails", fiu_lacks, _service_refused(SYNC)),
    ("service-write-fails", fiu_lacks, _service_refused(WRITE)),
    ("agent-sync-fails-before-unload", fiu_lacks, _agent_refused("before_pause", SYNC)),
    ("agent-sync-fails-after-unload", fiu_lacks, _agent_refused("after_unload", SYNC)),
]
