"""Random kills, one after the other, over rollouts that never rest."""

import random
import time

from tests.faults.judge import Judge
from tests.faults.stand import Stand

_LONGEST_PAUSE_S = 0.6
# So many at once, at most.
_TOGETHER = 3


class Kills:
    """Kills whatever a seed says while rollout follows rollout."""

    def __init__(self, binaries, say, seed, hosts=8, vgpus=4, roles=("batond", "agent", "shim")):
        self._say, self._random = say, random.Random(seed)
        self._roles = roles
        self.stand = Stand(binaries, hosts=hosts, vgpus=vgpus, guest_rate=500)
        self.kills = {role: 0 for role in roles}
        self.ends, self.rollouts, self.commands, self.wrong = {}, 0, 0, []

    def close(self):
        self.stand.close()

    def total(self):
        return sum(self.kills.values())

    def run(self, kills, until=None):
        """Goes on until so many were killed, or the monotonic time `until`."""
        stand = self.stand
        stand.start()
        judge = Judge(stand)
        stand.start_guests()
        major = 1
        while self.total() < kills and (until is None or time.monotonic() < until):
            major = 3 - major
            version = stand.push(major)
            rollout = stand.begin(version, at_once=max(1, len(stand.hosts) // 4))
            self._kill_during(rollout, kills)
            state = stand.watch(rollout, seconds=300)
            if state != "SUCCEEDED":
                self.wrong.append(f"{rollout} ended {state}")
            wrong, ends = judge.after(rollout, version)
            self.rollouts += 1
            for end in ends.values():
                self.ends[end] = self.ends.get(end, 0) + 1
            self.wrong += wrong
            self._say(f"{self.total()} kills, {self.rollouts} rollouts, {self.ends}")
            if self.wrong:
                break
        wrong, self.commands = judge.guests()
        self.wrong += wrong + judge.audit()

    def _kill_during(self, rollout, kills):
        """Kills while the rollout runs."""
        while self.total() < kills:
            for _ in range(min(self._random.randint(1, _TOGETHER), kills - self.total())):
                role = self._random.choice(self._roles)
                host = self._random.choice(self.stand.hosts)
                if self.stand.kill("batond" if role == "batond" else f"{host.name}.{role}"):
                    self.kills[role] += 1
            self.stand.pause(self._random.uniform(0, _LONGEST_PAUSE_S))
            state = self.stand.ask_json("rollout", "get", rollout)["state"]
            if state != "ROLLOUT_STATE_RUNNING":
                return
