"""A part of ./dev faults that is always the same: a few random kills, under guests
that check."""

import os
import unittest

from tests.faults.kills import Kills
from tests.support import cases

_SEED = 20260101


class ShortTest(unittest.TestCase):
    def test_nothing_is_lost_by_random_kills(self):
        kills = Kills(os.getcwd(), print, _SEED, hosts=2, vgpus=2, roles=("batond", "agent"))
        self.addCleanup(kills.close)
        kills.run(12)
        print(f"seed {_SEED}, {kills.total()} kills, hosts ended {kills.ends}")
        self.assertEqual([], kills.wrong)
        self.assertEqual(12, kills.total())


if __name__ == "__main__":
    cases.main()
