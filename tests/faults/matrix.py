"""Every fail point of every program, met by each way to die."""

import subprocess
import time

from lab.process import Failed
from tests.faults.judge import Judge
from tests.faults.stand import Stand

# What happens at a point -> the action of BATON_FAIL_POINT, and whether a
# process that is stopped is continued instead of killed.
WAYS = {"kill": ("kill", False), "abort": ("abort", False), "stop": ("stop", False),
        "freeze": ("stop", True)}

# Which rollouts pass a point: one that succeeds, else one on hosts whose old
# driver cannot save, or whose new one does not start.
ROADS = {"forward": {}, "cancel": {"host-1": "save-fails"}, "back": {"host-1": "start-fails"}}

# A fleet is used for so many combinations, then made anew.
_COMBINATIONS_A_FLEET = 30
# Whoever is started with the point passes it in this or in the next rollout: a
# driver's last calls come when the next one replaces it.
_ROLLOUTS = 2


def points(binary):
    """Returns the fail points that a program lists."""
    done = subprocess.run([binary, "--fail-points"], capture_output=True, text=True, check=False)
    return done.stdout.split() if done.returncode == 0 else []


class Row:
    """What came of one combination."""

    def __init__(self, role, point, way, road):
        self.role, self.point, self.way, self.road = role, point, way, road
        self.fired, self.ends, self.wrong, self.seconds = False, [], [], 0.0
        self.ready_s, self.went_on_s = [], []

    def name(self):
        return f"{self.point} {self.way}"

    def line(self):
        verdict = "ok" if self.fired and not self.wrong else (
            "WRONG" if self.wrong else "never fired")
        return (f"{self.role:7} {self.point:34} {self.way:6} {self.road:8} {verdict:11} "
                f"{','.join(self.ends):24} {self.seconds:5.1f} s")


class Matrix:
    """Runs combinations on fleets of two hosts, of which the first is met."""

    def __init__(self, binaries, say, keep=None):
        """keep  folder that receives the logs of a combination that went wrong"""
        self._binaries, self._say, self._keep = binaries, say, keep
        self._stand = self._judge = self._kind = None
        self._used = 0
        self.commands = 0

    def close(self):
        if self._stand is not None:
            self._stand.close()
            self._stand = None

    def _ready(self, road, wake):
        """Makes sure that there is a fleet for that road."""
        if self._stand is not None and self._kind == (road, wake) and (
                self._used < _COMBINATIONS_A_FLEET):
            return
        self.close()
        self._stand = Stand(self._binaries, faults=ROADS[road], wake=wake)
        self._stand.start()
        self._judge = Judge(self._stand)
        self._stand.start_guests()
        self._kind, self._used, self._major = (road, wake), 0, 1

    def run(self, role, point, way, road="forward"):
        """Returns the row of one combination."""
        row = Row(role, point, way, road)
        started = time.monotonic()
        try:
            self._ready(road, WAYS[way][1])
            self._used += 1
            self._run(row)
        except Failed as error:
            row.wrong.append(str(error))
        row.seconds = time.monotonic() - started
        if row.wrong:
            self._say("\n".join(row.wrong))
            if self._keep and self._stand is not None:
                self._stand.keep(f"{self._keep}/{row.point}-{row.way}")
            self.close()  # whatever is wrong must not be the next one's
        return row

    def _run(self, row):
        stand = self._stand
        name = "batond" if row.role == "batond" else f"host-1.{row.role}"
        before = len(stand.supervisor.deaths)
        stand.arm(name, row.point, WAYS[row.way][0])
        for _ in range(_ROLLOUTS):
            row.wrong += self._roll(row)
            row.fired = stand.fired()
            if row.fired or row.wrong:
                break
        stand.disarm(name)
        wrong, commands = self._judge.guests()
        self.commands += commands
        row.wrong += wrong + self._judge.audit()
        born = [death.successor for death in stand.supervisor.deaths[before:]
                if death.successor is not None]
        row.ready_s = [process.ready_s for process in born if process.ready_s]
        if row.role == "agent":
            row.went_on_s = [seconds for process in born
                             if (seconds := stand.went_on_s(process)) is not None]

    def _roll(self, row):
        stand = self._stand
        # Who was rolled back or cancelled last is still where the others were.
        self._major = 3 - self._major if row.road == "forward" else 2
        version = stand.push(self._major)
        rollout = stand.begin(version)
        state = stand.watch(rollout)
        if state != "SUCCEEDED":
            return [f"{rollout} ended {state}\n" + stand.ask("why", f"rollouts/{rollout}")]
        wrong, ends = self._judge.after(rollout, version)
        row.ends.append(ends["host-1"])
        return wrong
