"""What ./dev vm shows, each by name. A scenario gets a Rig, or a Host on which
everybody computes already; returns what it measured, and raises when something
is not as it must be."""

import contextlib
import json
import os
import signal
import statistics
import subprocess
import threading
import time

from tests.vm import byhand, kernel
from tests.vm.baton import Host, blackouts, reason_of, state_of
from tests.vm.clock import wait_for
from tests.vm.rig import Rig, command_of, descriptors_of, expect
from tests.vm.users import OPEN_FILES, USER

SCENARIOS = {}
DEFAULT = []
ON_A_HOST = set()  # names of those that get a Host, and leave it well


def on_request(function):
    """A scenario that is run when it is asked for."""
    SCENARIOS[function.__name__.replace("_", "-")] = function
    return function


def scenario(function):
    """A scenario that runs by default, too."""
    DEFAULT.append(function.__name__.replace("_", "-"))
    return on_request(function)


def on_a_host(function):
    """A scenario of a host with two machines and a plain client."""
    ON_A_HOST.add(function.__name__.replace("_", "-"))
    return function


def major(module):
    return int(module[0])


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


def started(rig, module="1.0", machines=2, clients=1, **options):
    """Returns a host on which everybody computes."""
    for number in range(machines):
        rig.machine(f"vm-{'abcdefgh'[number]}", hardened=number == 1)
    for number in range(clients):
        rig.client(f"plain{number or ''}")
    host = Host(rig, module, **options)
    host.start()
    if module == "1.0":
        host.push("1.0", "1.0")
    return host


class Stage:
    """The Host that scenarios share that come one after the other."""

    def __init__(self, plan):
        self._plan, self._rig, self._host = plan, None, None

    def host(self, name):
        """Returns it, started now if need be, for the scenario of that name."""
        if self._rig is None:
            self._rig = Rig(self._plan, "host")
            self._host = started(self._rig)
        self._rig.name = name
        return self._host

    def clear(self):
        """Ends it, where it is."""
        rig, self._rig = self._rig, None
        if rig is not None:
            rig.close()


def other():
    """Returns the version that is not loaded."""
    return "1.0" if kernel.version() == "2.0" else "2.0"


def silences(rig, since):
    """Returns {user: milliseconds}: the blackout, by somebody else's clock."""
    return {user.name: round(user.turns.silence(since) * 1e3) for user in rig.users}


def done(host, version):
    """Rolls out `version`, which must end well. Returns the update."""
    update = host.roll_out(version)
    expect(state_of(update) == "DONE", f"the update is {state_of(update)}: {reason_of(update)}")
    lost = [vgpu for vgpu in update["vgpus"] if not vgpu.get("preserved")]
    expect(not lost, f"not preserved: {lost}")
    host.rig.check_machines()
    return update


@scenario
@on_a_host
def rollout(host):
    """1.0 to 2.0 under two machines, one of them another user's, and a plain client."""
    to_the_first(host)
    check_hardened(host.rig)
    since = time.monotonic()
    update = done(host, "2.0")
    host.rig.check_users(driver=2)
    expect(kernel.version() == "2.0", f"loaded is {kernel.version()}")
    return {"blackout_ms": blackouts(update), "silence_ms": silences(host.rig, since)}


def check_hardened(rig):
    """There is a machine that the shim itself would not start so."""
    stands = next(one.stands for one in rig.machines() if one.hardened)
    expect(set(stands["Uid"].split()) == {str(USER)} and stands["NoNewPrivs"] == "1" and
           stands["cgroup"].count(":/machines/vm-b\n") == 2 and f" {OPEN_FILES} " in stands["limits"],
           f"the hardened machine is {stands}")


def to_the_first(host):
    if kernel.version() != "1.0":
        done(host, "1.0")


def held_on(rig):
    """Returns how much of everything there is."""
    def descriptors(pid):
        return len(descriptors_of(pid))

    def mappings(pid):
        # An allocator's arenas come and go; what has a name does not.
        with open(f"/proc/{pid}/maps", encoding="utf-8") as file:
            return sum("/" in line for line in file)

    services = [process.pid for process in rig.services.values()]
    machines = rig.qemus()
    files = [os.path.join(folder, name) for top in (rig.run, "/dev/shm")
             for folder, _, names in os.walk(top) for name in names
             if not folder.startswith(f"{rig.run}/batond")]
    return {
        "processes": sum(name.isdigit() for name in os.listdir("/proc") if
                         os.path.exists(f"/proc/{name}/exe")),
        "machines": len(machines), "devices": len(kernel.devices()),
        "services' descriptors": sum(map(descriptors, services)),
        "machines' descriptors": sum(map(descriptors, machines)),
        "services' mappings": sum(map(mappings, services)), "files": len(files),
    }


def swaps(host, count):
    rig, first, longest = host.rig, None, 0
    # The first two fill what is filled once.
    for number in range(count):
        since, version = time.monotonic(), other()
        done(host, version)
        rig.check_users(driver=major(version), turns=5)
        longest = max(longest, *silences(rig, since).values())
        if number == 1:
            first = held_on(rig)
    rig.check_users(driver=major(version))
    # What is held for a moment at a look is not what is never let go.
    for _ in range(10):
        last = held_on(rig)
        grown = {what: (first[what], last[what]) for what in last if last[what] > first[what]}
        if not grown:
            break
        time.sleep(0.5)
    expect(not grown, f"grew from swap 2 to swap {count}: {grown}")
    return {"swaps": count, "longest_silence_ms": longest, "held": last}


@scenario
@on_a_host
def few_swaps(host):
    """Four swaps in a row, 1.0 and 2.0 in turn; nothing grows."""
    return swaps(host, 4)


@on_request
@on_a_host
def twenty_swaps(host):
    """Twenty swaps in a row, 1.0 and 2.0 in turn; nothing grows."""
    return swaps(host, 20)


def falls_back(host, bad, old="1.0"):
    """Rolls out 1.0's successor `bad`, which leads back to the old module with
    the machines alive. Returns what was said of it."""
    rig, version = host.rig, f"2.{10 + len(host.pushed)}"
    host.push(version, bad)
    since = time.monotonic()
    update = host.roll_out(version)
    expect(state_of(update) in ("ROLLED_BACK", "CANCELLED"),
           f"{bad}: the update is {state_of(update)}: {reason_of(update)}")
    expect(update.get("reason") and update.get("message"), f"{bad}: no cause is named: {update}")
    rig.check_users(driver=1)
    rig.check_machines()
    expect(kernel.version() == old, f"{bad}: loaded is {kernel.version()}, want {old}")
    return {"state": state_of(update), "why": reason_of(update),
            "silence_ms": silences(rig, since)}


@scenario
@on_a_host
def misbehaviour(host):
    """New modules that refuse early, refuse late, do not load, lose memory."""
    to_the_first(host)
    return {bad: falls_back(host, bad) for bad in (
        "2.0-refuses-early", "2.0-refuses-late", "2.0-does-not-load", "2.0-loses-memory")}


@on_request
def holds_on(rig):
    """An old module that cannot be unloaded once it has saved."""
    host = started(rig, module="1.0-holds-on", machines=1)
    return falls_back(host, "2.0", old="1.0-holds-on")


@contextlib.contextmanager
def killed_by_its_user(rig, machine):
    """Inside it, every QEMU of the machine but the first is killed, once that has
    ended."""
    stop, first = threading.Event(), machine.process.pid

    def kill():
        while not stop.wait(0.01):
            pids = rig.qemus()
            for pid in pids if first not in pids else ():
                if machine.memory_path in command_of(pid):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    try:
        yield
    finally:
        stop.set()
        killer.join()


@on_request
def spoiled_by_its_user(rig):
    """A machine's user kills its next QEMUs: it alone does not come back."""
    host = started(rig)
    spoiled = rig.machines()[1]
    with killed_by_its_user(rig, spoiled):
        update = host.roll_out("2.0")
    rig.users.remove(spoiled)
    spoiled.end()
    expect(state_of(update) == "QUARANTINED",
           f"the update is {state_of(update)}: {reason_of(update)}")
    lost = {one["guest"]: one.get("difference", "") for one in update["vgpus"]
            if not one.get("preserved")}
    kept = f"lost/{spoiled.name}.stream"
    expect(list(lost) == [spoiled.name] and kept in lost[spoiled.name], f"lost are {lost}")
    expect(os.path.exists(f"{host.state}/{kept}"), f"there is no {kept}")
    rig.check_users(driver=1)
    rig.check_machines()
    return {"why": reason_of(update), "silence_ms": silences(rig, 0)}


FAIL_POINTS = (
    "shim.vfio_next_started", "shim.vfio_before_unload", "shim.vfio_after_unload",
    "shim.vfio_before_load", "shim.vfio_after_load", "shim.vfio_before_act",
    "shim.vfio_after_act", "shim.vfio_before_adopt", "shim.vfio_before_resume",
    "shim.vfio_after_resume", "shim.vfio_before_commit", "shim.vfio_after_commit",
)


# How the shim is met at a point -> what happens there, and whether it is killed,
# or continued, after it stood still for a while.
WAYS = {"kill": ("kill", False), "stop": ("stop", False), "freeze": ("stop", True)}


def met(host, points, way="kill"):
    """The shim dies or stands still at each place; it, or the next one, finishes,
    or goes back."""
    rig, ends, (action, wake) = host.rig, {}, WAYS[way]
    for point in points:
        version = other()
        host.kill_shim()
        host.start_shim({"BATON_FAIL_POINT": f"{point}={action}"})
        host.wait_ready()
        before = rig.log("shim").count(f"fail point '{point}': {action}")
        with host.restarted_shim(wake) as restarts:
            update = host.roll_out(version)
        fired = rig.log("shim").count(f"fail point '{point}': {action}") - before
        expect(fired == 1, f"{point} was passed {fired} times, want once")
        expect(restarts() == int(not wake),
               f"the shim died {restarts()} times at {point} ({way})")
        expect(state_of(update) in ("DONE", "ROLLED_BACK", "CANCELLED"),
               f"{way} at {point}: {state_of(update)}: {reason_of(update)}")
        rig.check_users(driver=major(kernel.version()), turns=10)
        ends[point] = state_of(update)
        rig.check_machines(carried=ends[point] != "CANCELLED")
        rig.say(f"{way} at {point}: {ends[point]}")
    rig.check_users(driver=major(kernel.version()))
    return {"ends": ends}


def every_point(host):
    """Returns the places of the list, which is the shim's own."""
    listed = subprocess.run([host.rig.plan["shim"], "--fail-points"], capture_output=True,
                            text=True, check=True).stdout.split()
    here = {point for point in listed if point.startswith("shim.vfio_")}
    expect(here == set(FAIL_POINTS), f"the shim has {here}")
    return FAIL_POINTS


@scenario
@on_a_host
def killed_at_two_steps(host):
    """The shim is killed once the old module is gone, and before machines go on."""
    return met(host, ("shim.vfio_after_unload", "shim.vfio_before_resume"))


@on_request
@on_a_host
def killed_at_each_step(host):
    """The shim is killed at each of its fail points."""
    return met(host, every_point(host))


@on_request
@on_a_host
def stopped_at_each_step(host):
    """The shim is stopped at each of its fail points, and killed 3 s later."""
    return met(host, every_point(host), "stop")


@on_request
@on_a_host
def frozen_at_each_step(host):
    """The shim is stopped at each of its fail points, and goes on 3 s later."""
    return met(host, every_point(host), "freeze")


def conforms(rig):
    host = Host(rig)
    host.start_shim()
    rig.start_users()
    process = rig.start("conformance", [
        rig.plan["shim"], "conformance", f"--target={host.shim_address}",
        f"--image={rig.module('2.0')}", "--step-deadline-s=60"])
    process.wait()
    report = rig.log("conformance")
    failed = [line for line in report.splitlines() if line.startswith("FAIL")]
    expect(process.returncode == 0, f"ended with {process.returncode}: {failed[:5]}")
    rig.check_users(driver=major(kernel.version()))
    return {"said": report.strip().splitlines()[-1]}


@scenario
def conformance_of_a_client(rig):
    """baton-shim conformance against the adapter, with a plain client."""
    rig.client("plain")
    return conforms(rig)


@on_request
def conformance(rig):
    """The same with a machine and a plain client."""
    rig.machine("vm-a")
    rig.client("plain")
    return conforms(rig)


@scenario
def blocked(rig):
    """Machines that cannot be carried, and a driver that proves nothing, are
    named, and left alone."""
    rig.machine("vm-a", share="off", unshare="--net")
    rig.machine("vm-b", migration="off")
    host = Host(rig, proof=False)
    host.start()

    def blockers():
        return host.json("host", "list")["hosts"][0]["adapters"][0].get("blockers", [])

    # The shim was there before the machines, and looks every few seconds.
    wait_for("blocker of each machine", lambda: all(
        name in json.dumps(blockers()) for name in ("vm-a", "vm-b")))
    # The only host: there is nothing left to plan.
    code, said = host.answered("rollout", "plan", host.draft("2.0"))
    expect(code != 0 and "1 blocked (UNVERIFIABLE" in said, f"the plan says {code}: {said}")
    found = blockers()
    text = json.dumps(found)
    for word in ("MACHINE_MEMORY_PRIVATE", "MACHINE_NAMESPACE_OTHER", "MACHINE_MIGRATION_OFF",
                 "UNVERIFIABLE", "vm-a", "vm-b"):
        expect(word in text, f"'{word}' is not in {text}")
    rig.check_users(driver=1)
    return {"blocked": [one["reason"] for one in found]}


# Between two swaps: what a rollout takes. A QEMU that has run for longer has more
# memory mapped, and takes longer to end.
TURNS_BETWEEN = 40


def times_by_hand(rig, memory_mib, times):
    kernel.load(rig.module("1.0"))
    machine = rig.machine("vm-a", memory_mib=memory_mib)
    kernel.create(machine.uuid)
    rig.start_users()
    took = []
    for number in range(times):
        machine.turns.wait(TURNS_BETWEEN)
        since = time.monotonic()
        steps = byhand.swap(rig, machine, rig.module(("2.0", "1.0")[number % 2]))
        rig.say(f"by hand: {steps.took}")
        machine.turns.wait(5)
        took.append(machine.turns.silence(since) * 1e3)
    rig.check_users(driver=1 + times % 2)
    return took


def compare(rig, memory_mib, times):
    """Baton's blackout of one machine, beside that of the sequence by hand."""
    with rig.sub("by-hand") as hand:
        by_hand_ms = times_by_hand(hand, memory_mib, times)
    rig.machine("vm-a", memory_mib=memory_mib)
    host = started(rig, machines=0, clients=0)
    baton_ms = []
    for _ in range(times):
        since = time.monotonic()
        done(host, other())
        rig.users[0].turns.wait(5)
        baton_ms.append(rig.users[0].turns.silence(since) * 1e3)
    rig.check_users(driver=1 + times % 2)
    ratio = statistics.median(baton_ms) / statistics.median(by_hand_ms)
    return {"by_hand_ms": [round(ms) for ms in by_hand_ms],
            "baton_ms": [round(ms) for ms in baton_ms], "ratio": round(ratio, 2)}


@on_request
def blackout(rig):
    """The blackout of a machine with 1 GiB is at most 1.3 times that by hand."""
    # The first swaps of each are slow: their code is emulated for the first time.
    measured = compare(rig, memory_mib=1024, times=9)
    expect(measured["ratio"] <= 1.3, f"{measured}")
    return measured
