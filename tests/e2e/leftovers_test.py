"""What a demo leaves behind when it is ended in the middle: nothing, or what the
next one removes."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

import lab.fleet
from lab.fleet import sweep
from tests.support import cases

_DEMO = os.path.join(os.path.dirname(lab.fleet.__file__), "demo.py")


def _dead_pid():
    ended = subprocess.Popen(["true"])
    ended.wait()
    return ended.pid


class SweepTest(unittest.TestCase):
    def folder(self, inside, owner, kept=False):
        path = tempfile.mkdtemp(prefix=f"baton-lab-{owner}-", dir=inside)
        self.addCleanup(shutil.rmtree, path, ignore_errors=True)
        if kept:
            with open(f"{path}/kept", "w", encoding="utf-8"):
                pass
        return path

    def test_it_removes_what_the_dead_left_and_nothing_else(self):
        for inside in ("/dev/shm", tempfile.gettempdir()):
            with self.subTest(inside=inside):
                dead = self.folder(inside, _dead_pid())
                kept = self.folder(inside, _dead_pid(), kept=True)
                alive = self.folder(inside, os.getpid())
                sweep()
                self.assertFalse(os.path.exists(dead))
                self.assertTrue(os.path.exists(kept))
                self.assertTrue(os.path.exists(alive))


class EndedDemoTest(unittest.TestCase):
    def interrupt(self, number):
        """Starts a demo, sends it a signal while its rollout is watched, and
        returns its exit code and its folder in memory. That its output comes to
        an end is part of the test: whoever lives on holds it open."""
        demo = subprocess.Popen(
            [sys.executable, _DEMO, f"--binaries={os.getcwd()}", "--hosts=2", "--vgpus=1",
             "--vram-mib=16"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(demo.kill)
        for line in demo.stdout:
            if "host-1 DONE" in line:  # now a wave bakes, for seconds
                break
        demo.send_signal(number)
        demo.communicate(timeout=20)
        prefix = f"baton-lab-{demo.pid}-"
        left = [name for folder in ("/dev/shm", tempfile.gettempdir())
                for name in os.listdir(folder) if name.startswith(prefix)]
        return demo.returncode, left

    def test_a_closed_terminal_leaves_nothing(self):
        self.assertEqual((128 + signal.SIGHUP, []), self.interrupt(signal.SIGHUP))

    def test_a_killed_one_leaves_no_process_and_is_swept(self):
        code, left = self.interrupt(signal.SIGKILL)
        self.assertEqual(-signal.SIGKILL, code)
        self.assertEqual(2, len(left))
        sweep()
        for folder in ("/dev/shm", tempfile.gettempdir()):
            self.assertFalse(set(left) & set(os.listdir(folder)))


if __name__ == "__main__":
    cases.main()
