"""Who uses virtual GPUs: nested machines, and a program that is none. Each says
after every turn what it found; the rig notes when it heard so, by its own
clock, and so knows from outside how long there was silence."""

import contextlib
import os
import re
import resource
import select
import socket
import subprocess
import threading
import time
from typing import NamedTuple

from tests.vm import kernel
from tests.vm.clock import Late, wait_for

# As whom a hardened machine runs: nobody that the shim is.
USER, GROUP, GROUPS = 64055, 64056, (64057, 64058)
OPEN_FILES = 512  # that it may have at most
_CGROUPS = ("/sys/fs/cgroup", "/run/hierarchy")  # version 2, and one of version 1

_TURN = re.compile(r"^T (\d+) (\d+) (\d+) (\d+)$")


class Turn(NamedTuple):
    """A turn that a user told of."""
    heard: float  # seconds, monotonic
    number: int
    driver: int   # major version of the module behind its device
    steps: int
    wrong: int    # bits of workload.h; 0: all was right


class Turns:
    """All turns of one user, from whichever process runs it."""

    def __init__(self, name):
        self.name = name
        self._changed = threading.Condition()
        self._turns = []
        self.other = []  # lines that were no turns

    def hear(self, line):
        found = _TURN.match(line)
        with self._changed:
            if found:
                self._turns.append(Turn(time.monotonic(), *map(int, found.groups())))
            else:
                self.other.append(line)
            self._changed.notify_all()

    def all(self):
        with self._changed:
            return list(self._turns)

    def wait(self, more, seconds=120):
        """Returns once `more` turns were heard from now on."""
        self.reach(len(self.all()) + more, seconds)

    def reach(self, wanted, seconds=120):
        """Returns once `wanted` turns were heard in all."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._turns) >= wanted, seconds):
                raise Late(f"{self.name} made {len(self._turns)} turns of {wanted} in "
                           f"{seconds} s; last {self._turns[-1:]} {self.other[-3:]}")

    def faults(self):
        """Returns what was ever wrong, as text; nothing if all was right. A turn
        that is missing or there twice means a lost or doubled machine."""
        found = [f"{self.name} said '{line}'" for line in self.other if line]
        for number, turn in enumerate(self.all()):
            if turn.number != number:
                found.append(f"{self.name}: turn {turn.number} where {number} was due")
                break
            if turn.wrong:
                found.append(f"{self.name}: turn {turn.number} found wrong={turn.wrong:#x} "
                             f"on driver {turn.driver}")
        return found

    def silence(self, since):
        """Returns the longest time in seconds between two turns, of which the
        second was heard after `since`."""
        turns = self.all()
        gaps = [after.heard - before.heard for before, after in zip(turns, turns[1:])
                if after.heard > since]
        return max(gaps, default=0.0)

    def driver(self):
        turns = self.all()
        return turns[-1].driver if turns else 0


_AS_A_USER = [
    "setpriv", f"--reuid={USER}", f"--regid={GROUP}", f"--groups={','.join(map(str, GROUPS))}",
    "--inh-caps=-all", "--bounding-set=-all,+kill", "--no-new-privs", "--"]


def _removed(folder):
    """Removes a folder; returns whether it is gone."""
    with contextlib.suppress(OSError):
        os.rmdir(folder)
    return not os.path.exists(folder)


def standing_of(pid):
    """Returns as whom a process runs and what it may take, in the kernel's words."""
    def text(name):
        with open(f"/proc/{pid}/{name}", encoding="utf-8") as file:
            return file.read()

    status = dict(line.split(":", 1) for line in text("status").splitlines())
    kept = ("Umask", "Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb",
            "NoNewPrivs", "Seccomp", "Cpus_allowed_list")
    return {**{name: status[name].strip() for name in kept},
            **{name: text(name) for name in ("limits", "cgroup", "oom_score_adj")}}


class Machine:
    """A nested machine, in whichever QEMU it runs."""

    def __init__(self, rig, name, uuid, memory_mib=32, hardened=False, **spoiled):
        """`hardened`: as another user, in a control group of its own, with little
        that it may. `spoiled`: memory, migration, bus or namespaces, as they must
        not be."""
        self.name, self.uuid, self.turns = name, uuid, Turns(name)
        self._rig, self._memory_mib, self._spoiled = rig, memory_mib, spoiled
        self.hardened = hardened
        self.stands = {}  # as the kernel had it when it began, see standing_of()
        folder = f"{rig.run}/{name}"
        os.mkdir(folder)
        self.qmp_path = f"{folder}/qmp"
        self.swaps = 0  # by hand
        self.memory_path = f"/dev/shm/{name}.memory"
        self._serial_path = f"{folder}/serial"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self._serial_path)
        self._listener.listen(8)
        if hardened:
            for path in (folder, self._serial_path):
                os.chown(path, USER, GROUP)
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self):
        """Hears whichever QEMU runs: one goes on in the middle of a line of the
        other."""
        hearing, text = [], ""
        with contextlib.suppress(OSError, ValueError):  # the machine was ended
            while True:
                # In order of age: what the elder said, it said before.
                for one in select.select([self._listener, *hearing], [], [])[0]:
                    if one is self._listener:
                        hearing.append(one.accept()[0])
                        continue
                    said = one.recv(65536)
                    if not said:
                        hearing.remove(one)
                    *lines, text = (text + said.decode(errors="replace")).split("\n")
                    for line in lines:
                        self.turns.hear(line.strip())

    def device(self):
        """Returns the properties of its virtual GPU."""
        return {"driver": "vfio-pci", "id": "gpu0", "bus": "pci.0", "addr": "0x4",
                "sysfsdev": f"/sys/bus/mdev/devices/{self.uuid}",
                "enable-migration": self._spoiled.get("migration", "on")}

    def command(self, qmp_path=None, incoming=False):
        """Returns QEMU's command line; `incoming`: to be handed a machine, and
        the device later."""
        plan = self._rig.plan
        share = self._spoiled.get("share", "on")
        device = self.device()
        argv = [
            plan["qemu"], *plan["qemu_data"], "-accel", "tcg",
            "-machine", "pc-i440fx-7.2,memory-backend=mem0", "-m", str(self._memory_mib),
            "-object", f"memory-backend-file,id=mem0,size={self._memory_mib}M,"
                       f"mem-path={self.memory_path},share={share}",
            "-nodefaults", "-no-user-config", "-display", "none", "-bios", "qboot.rom",
            "-kernel", plan["guest"],
            "-chardev", f"socket,id=serial0,path={self._serial_path}",
            "-serial", "chardev:serial0",
            "-qmp", f"unix:{qmp_path or self.qmp_path},server=on,wait=off"]
        if incoming:
            return argv + ["-incoming", "defer"]
        return argv + ["-device", device.pop("driver") + "," +
                       ",".join(f"{key}={value}" for key, value in device.items())]

    def launch(self, qmp_path=None, incoming=False):
        """Starts a QEMU of this machine, and returns its process."""
        argv, harden = self.command(qmp_path, incoming), None
        if "unshare" in self._spoiled:
            argv = ["unshare", self._spoiled["unshare"], *argv]
        if self.hardened:
            argv, harden = _AS_A_USER + argv, self._harden
        with open(f"{self._rig.logs}/{self.name}.log", "ab") as log:
            return subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=harden,
                env=self._rig.qemu_environment(), start_new_session=True)

    def _harden(self):
        for cgroup in self._cgroups():
            with open(f"{cgroup}/cgroup.procs", "w", encoding="utf-8") as file:
                file.write("0")
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
        os.umask(0o077)

    def _cgroups(self):
        return [f"{hierarchy}/machines/{self.name}" for hierarchy in _CGROUPS]

    def start(self):
        if self.hardened:
            for cgroup in self._cgroups():
                os.makedirs(cgroup, exist_ok=True)
            os.chown(kernel.node(self.uuid), USER, GROUP)
        self.process = self.launch()
        self._rig.adopt(self.process)
        # Whoever waits for its end must not find a zombie.
        threading.Thread(target=self.process.wait, daemon=True).start()

    def end(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for path in (self._serial_path, self.qmp_path, self.memory_path):
            if os.path.exists(path):
                os.unlink(path)
        if self.hardened:
            # Who has ended leaves its group a moment later.
            wait_for(f"end of whoever is in {self.name}'s groups",
                     lambda: all(map(_removed, self._cgroups())))

    def shim_config(self):
        return {"uuid": self.uuid, "guest": self.name, "machine": {"qmp": self.qmp_path}}


class Client:
    """A program that holds a virtual GPU and is no machine."""

    def __init__(self, rig, name, uuid):
        self.name, self.uuid, self.turns = name, uuid, Turns(name)
        self._rig, self._socket = rig, f"{rig.run}/{name}.sock"

    def start(self):
        log = open(f"{self._rig.logs}/{self.name}.log", "ab")
        self.process = subprocess.Popen(
            [self._rig.plan["client"], self.uuid, self._socket], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=log)
        self._rig.adopt(self.process)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.turns.hear(line.decode().strip())

    def end(self):
        if os.path.exists(self._socket):
            os.unlink(self._socket)

    def shim_config(self):
        return {"uuid": self.uuid, "guest": self.name, "client": {"socket": self._socket}}
