"""A whole fleet on one machine: the real service, and per host a software GPU,
a driver shim, an agent, and a guest on every virtual GPU. The demo and the
end-to-end tests run on it."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from lab.process import Failed, Process

# Kind of fault -> (board revision on which the faulty builds misbehave,
# whether it is the old driver that misbehaves).
FAULTS = {
    "save-fails": (1, True),
    "save-hangs": (2, True),
    "start-fails": (3, False),
    "start-crashes": (4, False),
    "loses-vgpu": (5, False),
    "wrong-state": (6, False),
}

PROGRAMS = {
    "batond": "service/batond",
    "agent": "agent/baton-agent",
    "shim": "driver-shim/baton-shim",
    "softgpu": "driver-shim/softgpu/baton-softgpu",
    "guest": "driver-shim/softgpu/guest/baton-guest",
    "baton": "cli/baton",
}

PCI_ID = "1b47:5001"
_SHM = "/dev/shm"
_PREFIX = "baton-lab-"


def image(version, faulty):
    """Returns the path of a reference miniport below the binaries' folder."""
    suffix = "_faulty" if faulty else ""
    return f"driver-shim/miniport/softgpu_{version.replace('.', '_')}{suffix}.so"


def digest(path):
    """Returns a file's digest as Baton writes it."""
    with open(path, "rb") as file:
        return "sha256:" + hashlib.sha256(file.read()).hexdigest()


class ShimKeeper:
    """Starts every shim again that ends, as systemd's Restart=always would; and
    kills one that stands still, as its watchdog would: only what is dead may be
    followed by another."""

    _LOOK, _STOPPED = 0.05, 2.0

    def __init__(self, fleet):
        self._fleet, self._since = fleet, {}
        self._released, self._idle, self._ended = (threading.Event() for _ in range(3))
        # It stays until the end: its children end with the thread that made them.
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            while not self._released.wait(self._LOOK):
                for host in self._fleet.hosts:
                    if host.shim is not None:
                        self._look_after(host)
        finally:
            self._idle.set()
        self._ended.wait()

    def _look_after(self, host):
        if not host.shim.alive():
            self._fleet.processes.remove(host.shim)
            host.shim = self._fleet.start_shim(host)
        elif not host.shim.stopped():
            self._since.pop(host.name, None)
        elif time.monotonic() - self._since.setdefault(
                host.name, time.monotonic()) > self._STOPPED:
            host.shim.signal(signal.SIGKILL)

    def release(self):
        """From now on whatever ends stays ended."""
        self._released.set()
        self._idle.wait()

    def end(self):
        self._ended.set()
        self._thread.join()


def sweep():
    """Removes what a fleet left that was killed and could not clean up."""
    for folder in (_SHM, tempfile.gettempdir()):
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            if not name.startswith(_PREFIX) or os.path.exists(f"{path}/kept"):
                continue
            owner = name[len(_PREFIX):].split("-")[0]
            if owner.isdigit() and not os.path.exists(f"/proc/{owner}"):
                shutil.rmtree(path, ignore_errors=True)


class Host:
    """One hypervisor host and what runs on it."""

    def __init__(self, fleet, number):
        self.name = f"host-{number}"
        self.shm = f"{fleet.shm}/{self.name}"
        self.disk = f"{fleet.disk}/{self.name}"
        self.fault = fleet.faults.get(self.name)
        self.gpu = self.shim = self.agent = None
        self.guests = []
        os.makedirs(self.shm)
        os.makedirs(self.disk)

    @property
    def revision(self):
        return FAULTS[self.fault][0] if self.fault else 0

    @property
    def old_driver_faulty(self):
        return bool(self.fault) and FAULTS[self.fault][1]


class Fleet:
    """Starts and ends everything. Use it as a context manager."""

    # Whether a shim that ends is started again.
    keeps_shims = True

    def __init__(self, binaries, hosts=8, vgpus=4, faults=None, vram_mib=64,
                 guest_rate=8000, keep=False, say=lambda line: None):
        """Nothing runs yet.

        binaries    folder that Bazel built into
        faults      host name -> kind, of FAULTS
        vram_mib    VRAM of one virtual GPU
        guest_rate  most commands a second of one guest
        keep        whether the processes outlive us
        say         takes a line for people
        """
        sweep()
        self.bin = {name: os.path.join(binaries, path) for name, path in PROGRAMS.items()}
        self.binaries, self.vgpus, self.faults = binaries, vgpus, faults or {}
        self.vram_mib, self.guest_rate = vram_mib, guest_rate
        self.keep, self.say = keep, say
        self.shm = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=_SHM)
        self.disk = tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-")
        self.address = f"unix:{self.shm}/batond.sock"
        self.service = self.supervisor = None
        self.processes = []
        self.hosts = [Host(self, number + 1) for number in range(hosts)]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if not self.keep or kind is not None:
            self.close()

    def _start(self, name, argv, nice=0):
        process = Process(name, argv, f"{self.disk}/{name}.log", nice, self.keep)
        self.processes.append(process)
        return process

    # -- the service ------------------------------------------------------

    def start_service(self):
        self.service = self._start("batond", self.service_command())
        self.service.wait_ready()

    def service_command(self):
        return [self.bin["batond"], f"--listen={self.address}", f"--data={self.disk}/batond"]

    def kill_service(self):
        """As a crash would."""
        self.service.kill()
        self.processes.remove(self.service)

    # -- hosts ------------------------------------------------------------

    def start_hosts(self):
        """Starts every device, shim and agent, then a guest on every vGPU."""
        self._pack()
        for host in self.hosts:
            host.gpu = self._start(f"{host.name}.gpu", [
                self.bin["softgpu"], f"--dir={host.shm}/gpu", f"--functions={self.vgpus}",
                f"--vram-mib={self.vram_mib}", f"--board-revision={host.revision}"], nice=5)
        self._all_ready("gpu")
        for host in self.hosts:
            host.shim = self.start_shim(host)
        self._all_ready("shim")
        if self.keeps_shims and self.supervisor is None:
            self.supervisor = ShimKeeper(self)
        for host in self.hosts:
            host.agent = self.start_agent(host)
        self._all_ready("agent")

    def start_shim(self, host):
        return self._start(f"{host.name}.shim", self.shim_command(host))

    def shim_command(self, host):
        vgpus = [f"--vgpu=vm-{host.name[5:]}-{n}:S1-{self.vram_mib}" for n in range(self.vgpus)]
        return [
            self.bin["shim"], f"--listen=unix:{host.shm}/shim.sock",
            f"--device={host.shm}/gpu", "--adapter-name=gpu0", f"--state-dir={host.shm}/shim",
            f"--driver={os.path.join(self.binaries, image('1.0', host.old_driver_faulty))}",
            "--driver-name=softgpu", "--driver-version=1.0"] + vgpus

    def start_agent(self, host):
        return self._start(f"{host.name}.agent", self.agent_command(host))

    def agent_command(self, host):
        installed = "1.0-faulty" if host.old_driver_faulty else "1.0"
        return [
            self.bin["agent"], f"--host={host.name}", f"--service={self.address}",
            f"--shim=unix:{host.shm}/shim.sock", f"--root={host.disk}/agent",
            f"--installed={self.package(installed)}", "--label=lab=demo",
            f"--label=zone={'ab'[int(host.name[5:]) % 2]}"]

    def start_guests(self):
        for host in self.hosts:
            for function in range(self.vgpus):
                name = f"vm-{host.name[5:]}-{function}"
                host.guests.append(self._start(f"{host.name}.{name}", [
                    self.bin["guest"], f"--dir={host.shm}/gpu", f"--function={function}",
                    f"--name={name}", f"--rate={self.guest_rate}",
                    f"--report={self.disk}/{name}.json"], nice=10))
        for host in self.hosts:
            for guest in host.guests:
                guest.wait_ready()

    def _all_ready(self, part):
        for host in self.hosts:
            getattr(host, part).wait_ready()

    def stop_guests(self):
        """Stops every guest, and returns what each one reports."""
        guests = [guest for host in self.hosts for guest in host.guests]
        for guest in guests:
            guest.signal(signal.SIGTERM)
        reports = []
        for guest in guests:
            guest.wait(30)
            path = f"{self.disk}/{guest.name.split('.')[1]}.json"
            if not os.path.exists(path):
                raise Failed(f"{guest.name} left no report\n{guest.tail()}")
            with open(path, encoding="utf-8") as report:
                reports.append(json.load(report))
        return reports

    # -- drivers and the command line --------------------------------------

    def package(self, version):
        return f"{self.disk}/softgpu-{version}.pkg"

    def _pack(self):
        """Packs the drivers. Where a host has a fault, the 2.0 of everybody is
        the build that misbehaves on that host's board revision."""
        self.pack("1.0", image("1.0", False), "1.0")
        self.pack("1.0-faulty", image("1.0", True), "1.0")
        self.pack("2.0", image("2.0", bool(self.faults)), "2.0")

    def pack(self, file, path, version):
        """Packs the image at `path`, below the binaries' folder."""
        self.baton("driver", "pack", "--driver=softgpu", f"--version={version}",
                   f"--image={os.path.join(self.binaries, path)}",
                   f"--pci-id={PCI_ID}", "--writes=1", "--reads=1",
                   f"--out={self.package(file)}")

    def command(self, *arguments):
        return [self.bin["baton"], f"--server={self.address}", "--user=lab", *arguments]

    def baton(self, *arguments, check=True):
        """Runs one command of the CLI, and returns what it printed."""
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True,
                              check=False)
        if check and done.returncode != 0:
            raise Failed(f"baton {' '.join(arguments)} ended with {done.returncode}\n"
                         f"{done.stdout}{done.stderr}")
        return done.stdout if check else done

    def baton_json(self, *arguments):
        return json.loads(self.baton("--output=json", *arguments))

    # -- the end ------------------------------------------------------------

    def pids(self):
        return [process.popen.pid for process in self.processes if process.alive()]

    def mark_kept(self):
        """Says what goes on without us, so that sweep() leaves it alone."""
        for path in (self.shm, self.disk):
            with open(f"{path}/kept", "w", encoding="utf-8") as kept:
                json.dump({"pids": self.pids(), "disk": self.disk}, kept)

    def close(self):
        """Ends every process, users before what they use, and removes every
        file."""
        if self.supervisor:
            self.supervisor.release()
        for process in reversed(self.processes):
            process.signal(signal.SIGTERM)
            if process in [host.shim for host in self.hosts]:
                process.wait(5)  # it must see the device while it stops
        for process in reversed(self.processes):
            process.wait(5)
        if self.supervisor:
            self.supervisor.end()
        shutil.rmtree(self.shm, ignore_errors=True)
        shutil.rmtree(self.disk, ignore_errors=True)
