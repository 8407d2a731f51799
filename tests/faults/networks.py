"""Packets that are lost, and networks that are cut, between agents and service."""

import random
import signal

from tests.faults.judge import Judge
from tests.faults.matrix import points
from tests.faults.namespaces import NetworkStand, lacks

NAME = "network"
_SEED = 5
_CUTS = 30
# Longer than the service needs to notice that an agent is silent.
_CUT_S = 6


def _begin(binaries, **options):
    stand = NetworkStand(binaries, **options)
    try:
        stand.start()
        judge = Judge(stand)
        stand.start_guests()
    except BaseException:
        stand.close()
        raise
    return stand, judge


def _end(stand, judge, rollout, version):
    """Heals everything, waits for the end; returns (what is wrong, ends)."""
    dropped = stand.dropped()
    for host in stand.hosts:
        stand.heal(host)
    state = stand.watch(rollout, seconds=180)
    wrong, ends = judge.after(rollout, version)
    if state != "SUCCEEDED":
        wrong.append(f"{rollout} ended {state}")
    lost, commands = judge.guests()
    if not dropped:
        wrong.append("not one packet was dropped")
    return wrong + lost + judge.audit(), (f"{dropped} packets dropped; hosts ended {ends}, "
                                          f"{commands:,} commands of guests")


def loss(binaries, say):
    """A quarter of all packets is lost, both ways, from before the first order
    to the end."""
    stand, judge = _begin(binaries, hosts=4)
    with stand:
        version = stand.push(2)
        for host in stand.hosts:
            stand.lose(host, 25)
        rollout = stand.begin(version)
        stand.watch(rollout, seconds=240)
        return _end(stand, judge, rollout, version)


def flapping(binaries, say):
    """Networks are cut and heal at random, in either direction or both."""
    dice = random.Random(_SEED)
    stand, judge = _begin(binaries, hosts=4)
    with stand:
        cuts, major = 0, 1
        while cuts < _CUTS:
            major = 3 - major
            version = stand.push(major)
            rollout = stand.begin(version, at_once=1)
            while stand.ask_json("rollout", "get", rollout)["state"] == "ROLLOUT_STATE_RUNNING":
                host = dice.choice(stand.hosts)
                inward = dice.random() < 0.7
                stand.cut(host, inward=inward, outward=not inward or dice.random() < 0.5)
                cuts += 1
                stand.pause(dice.uniform(0.1, 2))
                stand.heal(host)
            wrong, ends = judge.after(rollout, version)
            if wrong:
                return wrong, ""
        wrong, said = _end(stand, judge, rollout, version)
        return wrong, f"{cuts} cuts, seed {_SEED}; {said}"


def _cut_at(binaries, part):
    """Cuts host-1 off at the first fail point of the agent with `part` in its
    name, for longer than anybody waits for a sign of life; the slot stays
    taken."""
    names = [name for name in points(f"{binaries}/agent/baton-agent") if part in name]
    stand, judge = _begin(binaries, watchdog_s=3600)
    with stand:
        if not names:
            return [f"the agent has no fail point with '{part}' in its name"], ""
        host = stand.hosts[0]
        version = stand.push(2)
        stand.arm("host-1.agent", names[0], "stop")
        stand.wait_ready()
        rollout = stand.begin(version)
        stand.until(f"{names[0]} reached", 60, lambda: not stand.fired("host-1.agent"))
        stand.cut(host)
        stand.kill("host-1.agent", signal.SIGCONT)
        wrong = []

        def offline():
            seen = stand.hosts_seen()["host-1"]
            return seen["connected"] and "the service calls it connected"

        stand.until("host-1 given up", 60, offline)
        stand.pause(_CUT_S)
        seen = stand.hosts_seen()["host-1"]
        if seen["rollout"] != f"rollouts/{rollout}":
            wrong.append(f"the slot of host-1 was freed by time: {seen}")
        more, said = _end(stand, judge, rollout, version)
        return wrong + more, f"cut at {names[0]} for more than {_CUT_S} s; {said}"


def before_unload(binaries, say):
    return _cut_at(binaries, "before_pause")


def after_unload(binaries, say):
    return _cut_at(binaries, "after_unload")


CASES = [
    ("loss", lacks, loss),
    ("flapping", lacks, flapping),
    ("partition-before-unload", lacks, before_unload),
    ("partition-after-unload", lacks, after_unload),
]
