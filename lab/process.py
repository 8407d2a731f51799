"""Child processes that say when they are ready and do not outlive us."""

import ctypes
import os
import signal
import subprocess
import threading

# gRPC, where it is used as well, would have a fork wait until none of its threads
# has work: for good, if one is asking all the time. Our children run another
# program at once, and need none of that.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent():
    """For a child between fork and exec: it ends when we end, however we do."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Failed(Exception):
    """A process ended, or did not become ready, when it must not have."""


class Process:
    """One child. Its standard output is watched for a line that starts with
    "ready"; all that it prints goes to a log file."""

    def __init__(self, name, argv, log, nice=0, outlive=False, environment=None):
        """Starts it.

        name         for people
        argv         program and arguments
        log          path of the file that takes its output
        nice         how much it yields to others, 0 to 19
        outlive      whether it goes on when we end
        environment  variables that it has beside ours
        """
        self.name, self.log = name, log
        self._ready = threading.Event()
        self._log = open(log, "ab", buffering=0)

        def prepare():
            if not outlive:
                die_with_parent()
            os.nice(nice)

        # A session of its own: Ctrl-C is for whoever started us, not for it.
        self.popen = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL,
            stdout=self._log if outlive else subprocess.PIPE,
            stderr=self._log, preexec_fn=prepare, start_new_session=True,
            env={**os.environ, **(environment or {})})
        if outlive:
            threading.Thread(target=self._follow, daemon=True).start()
        else:
            threading.Thread(target=self._copy, daemon=True).start()

    def _copy(self):
        for line in self.popen.stdout:
            self._log.write(line)
            if line.startswith(b"ready"):
                self._ready.set()
        self._ready.set()

    def _follow(self):
        """As _copy(), for a child that writes straight into its log."""
        with open(self.log, "rb") as log:
            while self.popen.poll() is None and not self._ready.is_set():
                if b"ready" in log.read():
                    self._ready.set()
                self._ready.wait(0.02)
        self._ready.set()

    def wait_ready(self, seconds=30):
        """Returns once it is ready; raises Failed with the end of its log."""
        if not self._ready.wait(seconds):
            raise Failed(f"{self.name} was not ready in {seconds} s\n{self.tail()}")
        if self.popen.poll() is not None:
            raise Failed(f"{self.name} ended with {self.popen.returncode}\n{self.tail()}")

    def tail(self, lines=15):
        """Returns the last lines that it printed."""
        with open(self.log, "rb") as log:
            return b"".join(log.readlines()[-lines:]).decode(errors="replace")

    def alive(self):
        return self.popen.poll() is None

    def stopped(self):
        """Whether it stands still, as after SIGSTOP."""
        try:
            with open(f"/proc/{self.popen.pid}/stat", encoding="utf-8") as stat:
                return stat.read().rsplit(")", 1)[1].split()[0] == "T"
        except OSError:
            return False

    def signal(self, number):
        if self.alive():
            self.popen.send_signal(number)

    def wait(self, seconds):
        """Returns its exit code; kills it when it takes longer."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            return self.popen.wait()

    def stop(self, seconds=5):
        """Asks it to end, and returns its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def kill(self):
        """Ends it as a crash would."""
        self.signal(signal.SIGKILL)
        return self.popen.wait()
