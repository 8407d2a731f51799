"""Every fail point of every program, met by each way to die."""

import signal
import subprocess

from lab.process import Failed
from tests.faults.judge import Judge
from tests.faults.stand import Stand

# What happens at a point -> the action of BATON_FAIL_POINT, and whether a
# process that is stopped is continued instead of killed.
WAYS = {"kill": ("kill", False), "stop": ("stop", False), "abort": ("abort", False),
        "freeze": ("stop", True)}

# Which rollouts pass a point, and on hosts with which fault: one that succeeds,
# else one whose old driver cannot save, or whose new one does not start;
# "forget": one whose driver is deleted after it; "fresh" are shims that begin with
# nothing to find, before there are guests; "undone": the same, and the driver that
# was loaded then cannot save.
ROADS = {"forward": None, "cancel": "save-fails", "back": "start-fails", "forget": None,
         "fresh": None, "undone": "save-fails"}
# Who alone is met on a road.
ONLY = {"forget": "batond", "fresh": "shim", "undone": "shim"}
# Where a point is armed while there is nothing: else the driver that was there is
# not the one that meets it.
AFRESH = ("fresh", "undone")
# Met by another rig, with another adapter: ./dev vm.
ELSEWHERE = "shim.vfio_"

# So many hosts of a fleet meet a point each in the same rollout.
HOSTS = 4
_VGPUS = 2
# A fleet is used for so many rollouts, then made anew.
_ROLLOUTS_A_FLEET = 25
# Whoever is started with the point passes it in this or in the next rollout: a
# driver's last calls come when the next one replaces it.
_TRIES = 2


def points(binary):
    """Returns the fail points that a program lists."""
    done = subprocess.run([binary, "--fail-points"], capture_output=True, text=True, check=False)
    return done.stdout.split() if done.returncode == 0 else []


def _broken(rows):
    """Returns whether a host was left without a driver."""
    return any("BROKEN" in end for row in rows for end in row.ends)


class Row:
    """What came of one combination."""

    def __init__(self, role, point, way, road):
        self.role, self.point, self.way, self.road = role, point, way, road
        self.name = f"{point} {way} ({road})"
        self.host, self.process = None, None
        self.fired, self.ends, self.wrong = False, [], []
        self.ready_s, self.went_on_s = [], []

    def line(self):
        verdict = "WRONG" if self.wrong else "ok" if self.fired else "not passed"
        return (f"{verdict:10} {self.way:6} {self.role:6} {self.point:32} {self.road:7} "
                f"{self.host} {', then '.join(self.ends)}")


class Matrix:
    """Runs combinations, one on each host of a fleet at a time. Those of the
    service have a rollout of their own."""

    def __init__(self, binaries, say, keep=None, hosts=HOSTS):
        """keep  folder that receives the logs of a combination that went wrong"""
        self._binaries, self._say, self._keep, self._hosts = binaries, say, keep, hosts
        self._stand = self._judge = self._kind = None
        self._used, self._major = 0, 1
        self.commands = self.rollouts = 0

    def close(self):
        if self._stand is not None:
            self._stand.close()
            self._stand = None

    def _ready(self, rows):
        """Makes sure that there is a fleet for the rows' road, and arms it."""
        road, wake = rows[0].road, WAYS[rows[0].way][1]
        if road not in AFRESH and self._stand is not None and self._kind == (road, wake) and (
                self._used < _ROLLOUTS_A_FLEET):
            return
        self.close()
        kind = ROADS[road]
        self._stand = Stand(
            self._binaries, self._hosts, _VGPUS, wake=wake, guest_rate=500,
            faults=kind and {f"host-{n + 1}": kind for n in range(self._hosts)})
        self._stand.start()
        if road in AFRESH:
            self._begin_afresh(rows)
        self._judge = Judge(self._stand)
        self._stand.start_guests()
        self._kind, self._used, self._major = (road, wake), 0, 1

    def _begin_afresh(self, rows):
        """Ends shims in order, so that the next ones find nothing; returns when
        the agents have seen the new vGPUs."""
        def luids(seen):
            return {vgpu["luid"] for host in seen.values()
                    for vgpu in host["adapters"][0]["vgpus"]}

        stand = self._stand
        old = luids(stand.hosts_seen())
        self._arm(rows, signal.SIGTERM)
        touched = [row.host for row in rows]
        # A shim gives its first driver 30 s, and is then followed by another.
        stand.until("new vGPUs", 60, lambda: len(
            luids(stand.hosts_seen()) - old) < len(touched) * _VGPUS and "not seen")
        stand.wait_ready()

    def _arm(self, rows, number):
        for row, host in zip(rows, self._stand.hosts):
            row.host = host.name
            row.process = "batond" if row.role == "batond" else f"{host.name}.{row.role}"
            self._stand.arm(row.process, row.point, WAYS[row.way][0], number)

    def batches(self, combinations):
        """Splits [(role, point)] into lists that can share a rollout."""
        alone = [[each] for each in combinations if each[0] == "batond"]
        others = [each for each in combinations if each[0] != "batond"]
        return alone + [others[at:at + self._hosts]
                        for at in range(0, len(others), self._hosts)]

    def run(self, combinations, way, road="forward"):
        """Returns a row for each (role, point), which share a rollout. If anything
        is wrong each of them is tried again by itself, and that is its row."""
        rows = [Row(role, point, way, road) for role, point in combinations]
        wrong = self._try(rows)
        if wrong and len(rows) > 1:
            self._say(f"{len(rows)} points at once, and then: {wrong[0]}\neach by itself now")
            return [row for each in combinations for row in self.run([each], way, road)]
        for row in rows:
            row.wrong = wrong
        # Where a driver was lost nothing goes on: who was not met yet starts anew.
        alone = [row for row in rows if not row.fired and not wrong and len(rows) > 1 and
                 _broken(rows)]
        return [row for row in rows if row not in alone] + [
            new for row in alone for new in self.run([(row.role, row.point)], way, road)]

    def _try(self, rows):
        """Returns what is wrong."""
        try:
            self._ready(rows)
            wrong = self._carry_out(rows)
        except Failed as error:
            wrong = [str(error)]
        if wrong and self._keep and self._stand is not None:
            self._stand.keep_logs(f"{self._keep}/{rows[0].point}-{rows[0].way}-{rows[0].road}")
        if wrong or _broken(rows):
            self.close()  # whatever is wrong must not be the next one's
        return wrong

    def _carry_out(self, rows):
        stand, wrong = self._stand, []
        before = len(stand.supervisor.deaths)
        if rows[0].road not in AFRESH:
            self._arm(rows, signal.SIGKILL)
        for number in range(_TRIES):
            if number and self._next_shims(rows):
                break
            wrong += self._roll(rows)
            for row in rows:
                row.fired = stand.fired(row.process)
            if wrong or _broken(rows) or all(row.fired for row in rows):
                break
        lost, commands = self._judge.guests()
        self.commands += commands
        for row in rows:
            stand.disarm(row.process)
            born = [death.successor for death in stand.supervisor.deaths[before:]
                    if death.successor is not None and death.name == row.process]
            row.ready_s = [process.ready_s for process in born if process.ready_s]
            if row.role == "agent":
                row.went_on_s = [seconds for process in born
                                 if (seconds := stand.went_on_s(process)) is not None]
        return wrong + lost + self._judge.audit()

    def _next_shims(self, rows):
        """Has driver hosts that were armed meet another shim, outside of updates;
        returns whether one died of it."""
        stand = self._stand
        for row in rows:
            if row.fired or row.role != "shim":
                continue
            old = stand.supervised[row.process]
            stand.kill(row.process)
            stand.until(f"another {row.process}", 30, lambda r=row, o=old: (
                stand.supervised.get(r.process) in (o, None) or
                not stand.supervised[r.process].ready_s) and "not ready")
            row.fired = stand.fired(row.process)
            if row.fired and row.point.startswith("host."):
                row.ends.append("BROKEN at rest")
        return _broken(rows)

    def _roll(self, rows):
        stand = self._stand
        self.rollouts += 1
        self._used += 1
        # Who was rolled back or cancelled last is still where the others were.
        self._major = 2 if ROADS[rows[0].road] else 3 - self._major
        version = stand.push(self._major)
        rollout = stand.begin(version)
        state = stand.watch(rollout)
        if state != "SUCCEEDED":
            return [f"{rollout} ended {state}\n" + stand.ask("why", f"rollouts/{rollout}")]
        if rows[0].road == "forget":
            stand.delete_driver(version)
        # Nobody but the shim may put a driver that was killed right again, and
        # it cannot always.
        died = {row.host for row in rows if row.point.startswith("host.")}
        wrong, ends = self._judge.after(rollout, version, died)
        for row in rows:
            row.ends.append(ends.get(row.host, "nothing"))
        return wrong
