"""Programs of the release before and of today together, as while a fleet is
brought up to date."""

import filecmp
import os
import random
import signal

from lab.fleet import PROGRAMS
from tests.faults.judge import Judge
from tests.faults.stand import Stand

NAME = "versions"
_ROLES = ("batond", "agent", "shim")
# Of four hosts: each way to have an agent and a shim of two releases.
_OLD_ON_HOSTS = {"host-1.agent", "host-1.shim", "host-2.agent", "host-3.shim"}
_SEED = 9


class MixedStand(Stand):
    """Some of its programs are those of the release before."""

    def __init__(self, binaries, previous, old, **options):
        """previous  folder that Bazel built the release before into
        old       names of the processes that are of it"""
        super().__init__(binaries, **options)
        self._previous, self.old = previous, set(old)

    def _start(self, name, argv, nice=0):
        if name in self.old:
            argv = [os.path.join(self._previous, PROGRAMS[name.split(".")[-1]]), *argv[1:]]
        return super()._start(name, argv, nice)

    def bring_up(self, name):
        """Has today's program take the place of the one before, as an upgrade
        does; what it had stays."""
        self.old.discard(name)
        self.restart(name, {}, signal.SIGTERM)


class Mixed:
    """Rollouts on a stand, one after the other."""

    def __init__(self, stand):
        self.stand, self.wrong, self.ends, self._major = stand, [], {}, 1
        stand.start()
        self._judge = Judge(stand)
        stand.start_guests()

    def roll(self, meanwhile=None):
        """Rolls a version out, one host at a time. `meanwhile` is called again
        and again while it runs; without it every host must have the version."""
        if self.wrong:
            return
        stand, self._major = self.stand, 3 - self._major
        version = stand.push(self._major)
        rollout = stand.begin(version, at_once=1)
        while meanwhile and (stand.ask_json("rollout", "get", rollout)["state"] ==
                             "ROLLOUT_STATE_RUNNING"):
            meanwhile()
        state = stand.watch(rollout)
        if state != "SUCCEEDED":
            self.wrong.append(f"{rollout} ended {state}")
        wrong, ends = self._judge.after(rollout, version)
        if not meanwhile:
            wrong += [f"{host} ended {end}" for host, end in ends.items() if end != "DONE"]
        for end in ends.values():
            self.ends[end] = self.ends.get(end, 0) + 1
        self.wrong += wrong

    def result(self, said):
        lost, commands = self._judge.guests()
        return (self.wrong + lost + self._judge.audit(),
                f"{said}; hosts ended {self.ends}, {commands:,} commands of guests")


def _mixed(previous, old, binaries):
    """Two rollouts that nobody disturbs, and two in which processes are killed."""
    dice = random.Random(_SEED)
    with MixedStand(binaries, previous, old, hosts=4) as stand:
        mixed, kills = Mixed(stand), 0

        def kill():
            nonlocal kills
            kills += stand.kill(dice.choice(sorted(stand.supervised)))
            stand.pause(dice.uniform(0, 1))

        for meanwhile in (None, None, kill, kill):
            mixed.roll(meanwhile)
        return mixed.result(f"{len(stand.old)} of {len(stand.supervised)} programs of before, "
                            f"{kills} kills, seed {_SEED}")


def _brought_up(previous, binaries):
    """All programs are of the release before; in mid-rollout today's take the
    place of service and agents. Shims stay: they hold what guests need."""
    with MixedStand(binaries, previous, (), hosts=4) as stand:
        stand.old = {"batond"} | {f"{host.name}.{role}" for host in stand.hosts
                                  for role in ("agent", "shim")}
        mixed = Mixed(stand)
        waiting = ["batond"] + [f"{host.name}.agent" for host in stand.hosts]

        def bring_up():
            if waiting:
                stand.bring_up(waiting.pop(0))
            stand.pause(0.2)

        mixed.roll()
        while waiting and not mixed.wrong:
            mixed.roll(bring_up)
        mixed.roll()
        return mixed.result("service and agents brought up in mid-rollout")


class Cases:
    """Those of main.py, with the release before in a folder."""

    NAME = NAME

    def __init__(self, previous):
        def lacks():
            if not previous:
                return "--previous-binaries does not name the release before"
            for role in _ROLES:
                if not os.path.exists(os.path.join(previous, PROGRAMS[role])):
                    return f"{previous} has no {PROGRAMS[role]}"
            return ""

        def case(function):
            def run(binaries, say):
                for role in _ROLES:
                    paths = [os.path.join(each, PROGRAMS[role]) for each in (previous, binaries)]
                    if filecmp.cmp(*paths, shallow=False):
                        return [f"{paths[0]} is today's"], ""
                return function(binaries)
            return lacks, run

        self.CASES = [(name, *case(function)) for name, function in (
            ("versions-old-hosts", lambda new: _mixed(previous, _OLD_ON_HOSTS, new)),
            ("versions-old-service",
             lambda new: _mixed(previous, _OLD_ON_HOSTS | {"batond"}, new)),
            ("versions-brought-up", lambda new: _brought_up(previous, new)))]
