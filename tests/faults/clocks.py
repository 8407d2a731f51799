"""Wall clocks that jump (libfaketime); the monotonic clock goes on as it is."""

import glob
import random

from tests.faults.judge import Judge
from tests.faults.stand import Stand

NAME = "clock"
_LIBRARY = "/usr/lib/*/faketime/libfaketimeMT.so.1"
_SEED = 7
_JUMPS = ["+0", "+1d", "-1d", "+3600", "-30", "+365d", "-2d"]


def lacks():
    return "" if glob.glob(_LIBRARY) else "it needs the package libfaketime"


class ClockStand(Stand):
    """Every program of which somebody says so has a wall clock of its own."""

    def __init__(self, binaries, **options):
        super().__init__(binaries, **options)
        self._names = ["batond"] + [f"{host.name}.{role}" for host in self.hosts
                                    for role in ("agent", "shim")]
        for name in self._names:
            self.jump(name, "+0")
            self.environments[name] = {
                "LD_PRELOAD": glob.glob(_LIBRARY)[0], "FAKETIME_NO_CACHE": "1",
                "FAKETIME_TIMESTAMP_FILE": self._file(name),
                "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
                "FAKETIME_DONT_RESET": "1"}

    def _file(self, name):
        return f"{self.disk}/{name}.clock"

    def jump(self, name, by):
        """From now on its clock is off by so much."""
        with open(self._file(name), "w", encoding="utf-8") as file:
            file.write(by + "\n")

    def jump_somewhere(self, dice):
        self.jump(dice.choice(self._names), dice.choice(_JUMPS))


def jumps(binaries, say):
    """Clocks of service, agents and shims jump about while hosts are updated,
    each by itself, by seconds to a year, forth and back."""
    dice = random.Random(_SEED)
    with ClockStand(binaries, hosts=4) as stand:
        stand.start()
        judge = Judge(stand)
        stand.start_guests()
        count, ends = 0, {}
        for major in (2, 1, 2):
            version = stand.push(major)
            rollout = stand.begin(version, at_once=1)
            while stand.ask_json("rollout", "get", rollout)["state"] == "ROLLOUT_STATE_RUNNING":
                stand.jump_somewhere(dice)
                count += 1
                stand.pause(dice.uniform(0, 0.3))
            wrong, ends = judge.after(rollout, version)
            wrong += [f"{host} ended {end}" for host, end in ends.items() if end != "DONE"]
            if wrong:
                return wrong, ""
        wrong, commands = judge.guests()
        return wrong + judge.audit(), (f"{count} jumps in 3 rollouts, seed {_SEED}; "
                                       f"{commands:,} commands of guests")


CASES = [("clock-jumps", lacks, jumps)]
