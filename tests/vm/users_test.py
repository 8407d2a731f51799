"""What the rig makes of what users say: it must notice what is missing, doubled
or wrong, and for how long there was silence."""

import socket
import tempfile
import time
import types
import unittest

from tests.support import cases
from tests.vm.clock import Late
from tests.vm.users import Machine, Turns


def turns(*lines):
    heard = Turns("vm-a")
    for line in lines:
        heard.hear(line)
    return heard


class TurnsTest(unittest.TestCase):
    def test_finds_nothing_where_nothing_is_wrong(self):
        self.assertEqual([], turns("T 0 1 20 0", "T 1 1 40 0", "T 2 2 40 0").faults())

    def test_a_turn_that_found_something(self):
        self.assertEqual(["vm-a: turn 1 found wrong=0x20 on driver 2"],
                         turns("T 0 1 20 0", "T 1 2 40 32").faults())

    def test_a_turn_that_is_missing_is_a_lost_machine(self):
        self.assertEqual(["vm-a: turn 2 where 1 was due"],
                         turns("T 0 1 20 0", "T 2 1 60 0").faults())

    def test_a_turn_that_is_there_twice_is_a_doubled_machine(self):
        self.assertEqual(["vm-a: turn 1 where 2 was due"],
                         turns("T 0 1 20 0", "T 1 1 40 0", "T 1 1 40 0").faults())

    def test_a_machine_that_starts_anew_is_a_lost_one(self):
        self.assertEqual(["vm-a: turn 0 where 2 was due"],
                         turns("T 0 1 20 0", "T 1 1 40 0", "T 0 2 20 0").faults())

    def test_a_line_that_is_no_turn(self):
        self.assertEqual(["vm-a said 'NO DEVICE'"], turns("T 0 1 20 0", "NO DEVICE").faults())

    def test_the_driver_of_the_last_turn(self):
        self.assertEqual(0, turns().driver())
        self.assertEqual(2, turns("T 0 1 20 0", "T 1 2 40 0").driver())

    def test_silence_is_between_turns_and_not_before_what_is_asked_for(self):
        heard = turns("T 0 1 20 0", "T 1 1 40 0")
        self.assertEqual(0.0, heard.silence(time.monotonic()))
        first, second = heard.all()
        self.assertEqual(second.heard - first.heard, heard.silence(0))

    def test_says_how_far_it_came_when_turns_do_not_come(self):
        with self.assertRaisesRegex(Late, "vm-a made 1 turns of 4"):
            turns("T 0 1 20 0").wait(3, seconds=0)


class MachineTest(unittest.TestCase):
    def test_goes_on_in_the_middle_of_a_line_in_another_qemu(self):
        with tempfile.TemporaryDirectory() as folder:
            machine = Machine(types.SimpleNamespace(run=folder), "vm-a", "uuid")
            with socket.socket(socket.AF_UNIX) as old, socket.socket(socket.AF_UNIX) as new:
                for one in (old, new):
                    one.connect(f"{folder}/vm-a/serial")
                old.sendall(b"T 0 1 20 0\r\nT 1 ")
                machine.turns.reach(1)
                old.close()
                new.sendall(b"2 40 0\r\n")
                machine.turns.reach(2)
            machine.end()
            self.assertEqual([], machine.turns.faults())
            self.assertEqual(2, machine.turns.driver())


if __name__ == "__main__":
    cases.main()
