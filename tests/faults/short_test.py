"""A part of ./dev faults that is always the same: a few fail points and ways to
die, and a few random kills, under guests that check."""

import os
import unittest

from lab.fleet import PROGRAMS
from tests.faults.kills import Kills
from tests.faults.matrix import Matrix, points
from tests.support import cases

# What each of them may leave half done; all others are for ./dev faults. Those of
# a line meet in one rollout, each on a host of its own.
COMBINATIONS = [
    ("kill", [("agent", "agent.after_unload"), ("agent", "agent.before_switch"),
              ("shim", "shim.saved"), ("shim", "shim.in_record")]),
    ("stop", [("agent", "agent.before_pause"), ("shim", "shim.engines_stopped"),
              ("shim", "shim.driver_stopped"), ("shim", "host.in_load_saved")]),
    ("kill", [("batond", "service.before_commit")]),
    ("abort", [("batond", "service.after_commit")]),
]

_SEED = 20260101


class ShortTest(unittest.TestCase):
    def test_nothing_is_lost_at_a_fail_point(self):
        matrix = Matrix(os.getcwd(), print)
        self.addCleanup(matrix.close)
        for way, combinations in COMBINATIONS:
            for row in matrix.run(combinations, way):
                print(row.line())
                with self.subTest(row.name):
                    self.assertEqual([], row.wrong)
                    self.assertTrue(row.fired, "nobody passed it")

    def test_every_program_lists_its_fail_points(self):
        for role in ("batond", "agent", "shim"):
            with self.subTest(role):
                self.assertLess(5, len(points(os.path.join(os.getcwd(), PROGRAMS[role]))))

    def test_nothing_is_lost_by_random_kills(self):
        kills = Kills(os.getcwd(), print, _SEED, hosts=2, vgpus=2)
        self.addCleanup(kills.close)
        kills.run(20)
        print(f"seed {_SEED}, {kills.total()} kills, hosts ended {kills.ends}")
        self.assertEqual([], kills.wrong)
        self.assertEqual(20, kills.total())


if __name__ == "__main__":
    cases.main()
