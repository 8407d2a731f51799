import fcntl
import os
import tempfile
import unittest
from unittest import mock

from tests.support import cases
from tests.vm.rig import Rig, command_of, has_locked

NOBODY = 2 ** 22 + 1  # more than any pid, and any descriptor of this process


class LookingAtProcesses(unittest.TestCase):
    def test_a_lock_counts_whose_file_it_is_and_not_who_looks_at_it(self):
        with tempfile.NamedTemporaryFile() as file, tempfile.NamedTemporaryFile() as other:
            self.assertFalse(has_locked(os.getpid(), file.name))
            fcntl.flock(file, fcntl.LOCK_EX)
            self.assertTrue(has_locked(os.getpid(), file.name))
            self.assertFalse(has_locked(os.getpid(), other.name))

    def test_a_descriptor_that_was_closed_since_it_was_listed(self):
        with tempfile.NamedTemporaryFile() as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            listed = [str(NOBODY), *os.listdir("/proc/self/fd")]
            with mock.patch("os.listdir", return_value=listed):
                self.assertTrue(has_locked(os.getpid(), file.name))

    def test_a_process_that_has_ended(self):
        self.assertEqual(command_of(NOBODY), "")
        with tempfile.NamedTemporaryFile() as file:
            self.assertFalse(has_locked(NOBODY, file.name))

    def test_a_qemu_that_has_ended_since_it_was_listed(self):
        with tempfile.TemporaryDirectory() as folder, \
                mock.patch("tests.vm.rig.OUT", folder), \
                mock.patch("tests.vm.rig.kernel"), \
                mock.patch("tests.vm.rig.shutil.rmtree"), \
                mock.patch("tests.vm.rig.os.makedirs"), \
                mock.patch.object(Rig, "qemus", side_effect=[[NOBODY], []]):
            Rig({}, "test").close()


if __name__ == "__main__":
    cases.main()
