"""What a scenario has to work with, inside the outer machine."""

import contextlib
import os
import shutil
import signal
import subprocess
import time

from tests.vm import kernel
from tests.vm.clock import wait_for
from tests.vm.users import Client, Machine, standing_of

OUT = "/run/out"


def uuid(number):
    return f"b9a70000-0000-4000-8000-{number:012d}"


def command_of(pid):
    """Returns a process' command line; "" if it has ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError), \
            open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
        return file.read()
    return ""


def descriptors_of(pid):
    """Returns the numbers of a process' descriptors; none if it has ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return os.listdir(f"/proc/{pid}/fd")
    return []


def has_locked(pid, path):
    """Whether a descriptor of the process has the file's lock (flock)."""
    wanted = os.stat(path)
    for number in descriptors_of(pid):
        # Others of its descriptors come and go meanwhile, and so does it.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            file = os.stat(f"/proc/{pid}/fd/{number}")
            if (file.st_dev, file.st_ino) != (wanted.st_dev, wanted.st_ino):
                continue
            with open(f"/proc/{pid}/fdinfo/{number}", encoding="utf-8") as info:
                if "FLOCK" in info.read():
                    return True
    return False


class Wrong(Exception):
    """What was to be shown is not so; the text says what."""


def expect(condition, text):
    if not condition:
        raise Wrong(text)


class Rig:
    """Everything of one scenario. Use it as a context manager: at its end all
    that it started is gone."""

    def __init__(self, plan, name):
        self.plan = plan
        self.run = f"/run/{name}"
        self.logs = f"{OUT}/{name}"
        self.users = []
        self.services = {}  # name -> process: what must hold on to nothing
        self.name, self._processes = name, []
        for folder in (self.run, self.logs):
            shutil.rmtree(folder, ignore_errors=True)
            os.makedirs(folder)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for process in reversed(self._processes):
            if process.poll() is None:
                process.kill()
            process.wait()
        for pid in self.qemus():
            # Whom the shim ended may be gone by now.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_for("end of every QEMU", lambda: not self.qemus())
        for user in self.users:
            user.end()
        kernel.let_go()
        # A process that has ended lets go of its device a moment later.
        wait_for("module that lets itself be unloaded", kernel.unloaded)
        shutil.rmtree(self.run, ignore_errors=True)

    def sub(self, name):
        """Returns a Rig for a part of this scenario that is over before the rest
        begins."""
        return Rig(self.plan, f"{self.name}-{name}")

    def say(self, text):
        print(f"vm: {time.monotonic():7.1f} {self.name}: {text}", flush=True)

    # -- modules and users ----------------------------------------------------

    def module(self, name):
        return self.plan["modules"][name]

    def machine(self, name, **options):
        self.users.append(Machine(self, name, uuid(len(self.users)), **options))
        return self.users[-1]

    def client(self, name):
        self.users.append(Client(self, name, uuid(len(self.users))))
        return self.users[-1]

    def start_users(self, turns=20):
        started = time.monotonic()
        for user in self.users:
            user.start()
        for user in self.users:
            user.turns.wait(1, seconds=600)
            self.say(f"{user.name} computes after {time.monotonic() - started:.1f} s")
        for user in self.users:
            user.turns.wait(turns)
        for machine in self.machines():
            machine.stands = standing_of(machine.process.pid)
        self.say(f"all made {turns} turns after {time.monotonic() - started:.1f} s")

    def check_users(self, driver, turns=40):
        """All users go on for a while, and found nothing wrong, ever."""
        began = time.monotonic()
        for user in self.users:
            user.turns.wait(turns)
        self.say(f"{turns} turns of each in {time.monotonic() - began:.1f} s")
        faults = [fault for user in self.users for fault in user.turns.faults()]
        expect(not faults, "; ".join(faults[:5]))
        drivers = {user.name: user.turns.driver() for user in self.users}
        expect(set(drivers.values()) == {driver}, f"drivers {drivers}, want {driver}")

    # -- processes ------------------------------------------------------------

    def adopt(self, process):
        """Ends `process` with the scenario."""
        self._processes.append(process)

    def qemu_environment(self):
        return {**os.environ, "LD_LIBRARY_PATH": self.plan["libraries"]}

    def qemus(self):
        """Returns the pid of every QEMU, whoever started it."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{pid}/exe") == self.plan["qemu"]:
                    found.append(int(pid))
            except OSError:
                pass
        return found

    def machines(self):
        return [user for user in self.users if isinstance(user, Machine)]

    def check_machines(self, carried=True):
        """Each machine is one QEMU, which stands as the first did, and alone has the
        lock on its memory; none may have it where no update was prepared yet."""
        for machine in self.machines():
            runs = [pid for pid in self.qemus() if machine.memory_path in command_of(pid)]
            locked = [pid for pid in runs if has_locked(pid, machine.memory_path)]
            expect(len(runs) == 1 and (locked == runs or not (locked or carried)),
                   f"{machine.name}: QEMUs {runs}, of which {locked} have its memory's lock")
            stands = standing_of(runs[0])
            other = {what: (machine.stands[what], stands[what]) for what in stands
                     if stands[what] != machine.stands[what]}
            expect(not other, f"{machine.name} does not stand as it did: {other}")

    def start(self, name, argv, **more):
        with open(f"{self.logs}/{name}.log", "ab") as log:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       **more)
        self.adopt(process)
        return process

    def log(self, name):
        with open(f"{self.logs}/{name}.log", encoding="utf-8", errors="replace") as file:
            return file.read()
