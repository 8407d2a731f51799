"""The judge of the faults rig finds what is wrong with an audit trail."""

import unittest

from tests.faults.judge import GENESIS, audit_hash, audit_wrong
from tests.support import cases


def _trail(*actions):
    """Returns a trail whose hashes are right."""
    records, previous = [], GENESIS
    for number, (action, resource, detail) in enumerate(actions, 1):
        record = {"sequence": str(number), "time": f"2026-01-01T00:00:0{number}.5Z",
                  "actor": "batond", "action": action, "resource": resource,
                  "detail": detail, "hash": ""}
        record["hash"] = previous = audit_hash(previous, record)
        records.append(record)
    return records


ADMIT = ("update.admit", "rollouts/r/updates/host-1", "attempt 1; 1 of 2")
DONE = ("update.report", "rollouts/r/updates/host-1", "DONE after REOPEN_GATE")
STEP = ("update.report", "rollouts/r/updates/host-1", "RUNNING after SAVE")


class AuditTest(unittest.TestCase):
    def test_a_whole_trail_is_right(self):
        self.assertEqual([], audit_wrong(_trail(ADMIT, STEP, DONE)))

    def test_a_missing_record_shows(self):
        trail = _trail(ADMIT, STEP, DONE)
        del trail[1]
        self.assertEqual(["audit record 2 is missing"], audit_wrong(trail)[:1])

    def test_an_altered_record_shows(self):
        trail = _trail(ADMIT, STEP, DONE)
        trail[1]["detail"] = "RUNNING after PAUSE"
        self.assertEqual(["the hash of audit record 2 does not follow"], audit_wrong(trail)[:1])

    def test_what_was_done_twice_or_never_ended_shows(self):
        name = ADMIT[1]
        self.assertEqual([f"{name} was admitted 2 times"],
                         audit_wrong(_trail(ADMIT, ADMIT, DONE)))
        self.assertEqual([f"{name} ended 2 times"], audit_wrong(_trail(ADMIT, DONE, DONE)))
        self.assertEqual([f"{name} was admitted and never ended"],
                         audit_wrong(_trail(ADMIT, STEP)))


if __name__ == "__main__":
    cases.main()
