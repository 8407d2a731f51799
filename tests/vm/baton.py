"""The real service, agent and shim on the outer machine, and the command line."""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time

from tests.vm.clock import Deadline, wait_for
from tests.vm.rig import Wrong, expect

READY_SECONDS = 120
STOPPED_SECONDS = 3  # how long a shim may stand still
_AWAY = 5  # exit code of baton that could not reach the service
ROLLOUT = """\
driver: bgpu/{version}
selector: lab=vm
waves:
  - {{name: all, size: rest}}
limits: {{max_unavailable: 1}}
failure_tolerance: {{hosts: 0}}
# Emulation within emulation is a hundred times slower than what they are for.
deadlines: {{prepare: 120s, gate: 60s, pause: 60s, save: 60s, unload: 20s,
            restore: 120s, verify: 60s, resume: 60s, confirm: 60s}}
"""
_FORMATS = {"1.0": ("1", ["1"]), "2.0": ("1", ["1", "2"]), "2.1": ("2", ["1", "2"])}


def stands_still(pid):
    """Whether a process is stopped, as by SIGSTOP."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rsplit(")", 1)[1].split()[0] == "T"


def milliseconds(duration):
    """Returns the milliseconds of a protobuf JSON duration such as "0.012s"."""
    return round(float(duration.rstrip("s")) * 1000, 1)


class Host:
    """One hypervisor host with its service; nothing runs before start()."""

    def __init__(self, rig, module="1.0", proof=True, unverified="refuse"):
        """`proof`: whether the shim is told of the driver's own word."""
        self.rig, self._module = rig, module
        self._address = f"unix:{rig.run}/batond.sock"
        self.shim_address = f"unix:{rig.run}/shim.sock"
        self.state = f"{rig.run}/shim"
        self._config = {
            "model": "Baton test GPU", "pci_id": "1b36:ba70",
            "module": {"name": "bgpu", "parameters": "vram_mb=4"},
            "mdev": {"parent": "/sys/class/mdev_bus/bgpu", "type": "bgpu-small", "vram_mib": 4},
            "proof": {"unverified": unverified},
        }
        if proof:
            self._config["proof"].update(state_digest="proof/state_digest",
                                         progress="proof/progress")
        self.shim = None
        self.pushed = []  # versions that the service has
        self._rollouts = 0

    # -- processes ------------------------------------------------------------

    def _serve(self, name, argv, **more):
        before = len(self.rig.log(name)) if os.path.exists(
            f"{self.rig.logs}/{name}.log") else 0
        process = self.rig.start(name, argv, **more)
        deadline = Deadline(READY_SECONDS, f"{name} was not ready")
        while "\nready" not in "\n" + self.rig.log(name)[before:]:
            if process.poll() is not None:
                raise Wrong(f"{name} ended with {process.returncode}: "
                            f"{self.rig.log(name)[-600:]}")
            deadline.pause(0.05)
        self.rig.services[name] = process
        return process

    def start_shim(self, environment=None):
        """`environment`: more variables, such as a fail point."""
        self._config["vgpus"] = [user.shim_config() for user in self.rig.users]
        path = f"{self.rig.run}/vfio.json"
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self._config, file, indent=1)
        # Started by hand again, it finds the module that it loaded last.
        self.shim = self._serve("shim", [
            self.rig.plan["shim"], "--adapter=vfio", f"--vfio-config={path}",
            f"--listen={self.shim_address}", f"--state-dir={self.state}",
            "--adapter-name=gpu0", f"--driver={self.rig.module(self._module)}",
            "--driver-name=bgpu", f"--driver-version={self._module[:3]}"],
            env={**self.rig.qemu_environment(), **(environment or {})})
        return self.shim

    def start(self):
        """Shim, then users, service and agent."""
        self.start_shim()
        self.rig.start_users()
        self._serve("batond", [self.rig.plan["batond"], f"--listen={self._address}",
                               f"--data={self.rig.run}/batond"])
        self.push("2.0", "2.0")
        self._serve("agent", [
            self.rig.plan["agent"], "--host=host-1", f"--service={self._address}",
            f"--shim={self.shim_address}", f"--root={self.rig.run}/agent",
            f"--installed={self.pack('1.0', self._module)}", "--label=lab=vm"])
        self.wait_ready()

    def wait_ready(self):
        wait_for("host that is ready", self._is_ready)

    def _is_ready(self):
        hosts = self.json("host", "list").get("hosts", [])
        return hosts and hosts[0]["state"] == "HOST_STATE_READY"

    # -- the command line -----------------------------------------------------

    def call(self, *arguments):
        """Runs a command; returns its exit code, and all that it printed."""
        began = time.monotonic()
        done = subprocess.run(
            [self.rig.plan["baton"], f"--server={self._address}", "--user=vm", *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        with open(f"{self.rig.logs}/baton.log", "a", encoding="utf-8") as log:
            log.write(f"$ baton {' '.join(arguments)}\n{done.stdout}{done.stderr}"
                      f"{time.monotonic() - began:.1f} s\n")
        return done.returncode, done.stdout + done.stderr

    def answered(self, *arguments):
        """The same, again and again until the service was reached."""
        deadline = Deadline(READY_SECONDS, f"no answer to baton {' '.join(arguments)}")
        while (result := self.call(*arguments))[0] == _AWAY:
            # Emulated, a connection takes longer than a client waits for one.
            deadline.pause()
        return result

    def baton(self, *arguments):
        code, text = self.answered(*arguments)
        expect(code == 0, f"baton {' '.join(arguments)} ended with {code}: {text[-600:]}")
        return text

    def json(self, *arguments):
        return json.loads(self.baton("--output=json", *arguments))

    def pack(self, version, module):
        """Packs a build of the module, and returns the package's path."""
        path = f"{self.rig.run}/{version}-{module}.pkg"
        writes, reads = _FORMATS[module[:3]]
        if not os.path.exists(path):
            self.baton("driver", "pack", "--driver=bgpu", f"--version={version}",
                       f"--image={self.rig.module(module)}", "--pci-id=1b36:ba70",
                       f"--writes={writes}", *[f"--reads={one}" for one in reads],
                       f"--out={path}")
        return path

    def push(self, version, module):
        self.baton("driver", "push", self.pack(version, module))
        self.pushed.append(version)

    def draft(self, version):
        """Creates a rollout, and returns its name."""
        self._rollouts += 1
        name = f"r{self._rollouts}"
        path = f"{self.rig.run}/rollout.yaml"
        with open(path, "w", encoding="utf-8") as file:
            file.write(ROLLOUT.format(version=version))
        self.baton("rollout", "create", name, "-f", path)
        return name

    def plan(self, version):
        """Creates and plans a rollout. Returns its name, and the plan."""
        name = self.draft(version)
        self.baton("rollout", "plan", name)
        return name, self.json("rollout", "get", name)["plan"]

    def roll_out(self, version):
        """Rolls out a version that was pushed. Returns the host's update."""
        name, plan = self.plan(version)
        self.baton("rollout", "start", name, f"--digest={plan['digest']}")
        self.answered("rollout", "watch", name, "--exit-on-hold")
        updates = self.json("rollout", "get", name, "--updates").get("updates", [])
        expect(len(updates) == 1, f"{len(updates)} updates of {name}, want 1")
        return updates[0]

    def kill_shim(self):
        self.shim.send_signal(signal.SIGKILL)
        self.shim.wait()

    @contextlib.contextmanager
    def restarted_shim(self, wake=False):
        """Inside it, a shim that ends is started again, as systemd does, and one
        that stands still is killed after a while, or continued. Gives a function
        that says how often one ended."""
        deaths, stop = [], threading.Event()

        def watch():
            since = None
            while not stop.wait(0.02):
                if self.shim.poll() is not None:
                    deaths.append(self.shim.returncode)
                    self.start_shim()
                if not stands_still(self.shim.pid):
                    since = None
                    continue
                since = since or time.monotonic()
                if time.monotonic() - since > STOPPED_SECONDS:
                    self.shim.send_signal(signal.SIGCONT if wake else signal.SIGKILL)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield lambda: len(deaths)
        finally:
            stop.set()
            watcher.join()


def state_of(update):
    return update["state"].replace("UPDATE_STATE_", "")


def reason_of(update):
    return f"{update.get('reason', '')}: {update.get('message', '')}"


def blackouts(update):
    """Returns {guest: milliseconds} as the shim measured them."""
    return {vgpu["guest"]: milliseconds(vgpu["blackout"])
            for vgpu in update.get("vgpus", []) if "blackout" in vgpu}
