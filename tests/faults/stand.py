"""A lab fleet whose processes die, and are started again as systemd would."""

import datetime
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time

# lab.process sets how gRPC treats a fork: before it is loaded.
from lab import fleet as lab
from lab.fleet import Fleet
from lab.process import Failed, Process
from tests.support.reflection import Client

import grpc

ROLLOUT = """\
driver: softgpu/{version}
selector: lab=demo
waves: [{{name: all, size: rest}}]
limits: {{max_unavailable: {at_once}}}
failure_tolerance: {{hosts: 100}}
deadlines: {{prepare: 60s, gate: 10s, pause: {blackout}, save: {blackout},
  unload: {blackout}, restore: {blackout}, verify: {blackout}, resume: {blackout}, confirm: 10s}}
blackout: {{per_vgpu_max: 1h}}
hooks: {{before: nothing, after: nothing}}
"""

GATE = """\
#!/bin/sh
BATON_GATE_FLAG={flag} exec {command} "$@"
"""

# What the CLI ends with when nobody answered: to be asked again.
AWAY = (5, 6)

_HERE = os.path.dirname(os.path.abspath(__file__))
_FLAG_FILE = os.path.join(_HERE, "..", "..", "deploy", "gate", "flag-file")
_PLANS = 20  # how often a rollout may be planned until it starts
_LOG_LINE = re.compile(r"^(\d{4}-\d\d-\d\dT\S+) ")
_TICK_S = 0.02
# As RestartSec= of the shim's unit; the others' is longer.
_RESTART_S = 0.1


def state_of(pid):
    """Returns the letter of a process's state, e.g. "T" for stopped; "" when
    it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0]
    except (OSError, IndexError):
        return ""


class Death:
    """One end of a supervised process that nobody asked for."""

    def __init__(self, name, process, at):
        self.name, self.process, self.at = name, process, at
        self.successor = None  # the process that was started in its place


class Supervisor(threading.Thread):
    """Starts what died again, and ends what is stopped for too long, as a unit
    with Restart= and WatchdogSec= does. Processes die with the thread that
    started them, so it lives as long as its stand."""

    def __init__(self, stand, watchdog_s, wake):
        """watchdog_s  how long a process may be stopped
        wake        whether it is then continued instead of killed"""
        super().__init__(daemon=True)
        self._stand, self._watchdog_s, self.wake = stand, watchdog_s, wake
        self._lock = threading.Lock()
        self._todo = []  # calls to make on this thread
        self._stopped = {}  # pid -> since when
        self._dead = {}  # name -> its last death
        self._end = threading.Event()
        self._released = False
        self.deaths = []
        self.problem = None
        self.start()

    def call(self, function):
        """Runs `function` on this thread, and returns what it does."""
        done, answer = threading.Event(), []

        def run():
            try:
                answer.append((function(), None))
            except Exception as error:  # whoever called gets it
                answer.append((None, error))
            done.set()

        with self._lock:
            self._todo.append(run)
        done.wait()
        value, error = answer[0]
        if error is not None:
            raise error
        return value

    def release(self):
        """From now on whatever ends stays ended."""
        self._released = True
        self.call(lambda: None)  # whatever it was doing is done

    def end(self):
        self._end.set()
        self.join()

    def run(self):
        while not self._end.wait(_TICK_S):
            with self._lock:
                todo, self._todo = self._todo, []
            for function in todo:
                function()
            if self._released:
                continue
            try:
                self._look()
            except (Failed, OSError) as error:
                self.problem = self.problem or repr(error)

    def _look(self):
        now = time.monotonic()
        for name, process in list(self._stand.supervised.items()):
            if process.alive():
                self._watch(process.popen.pid, now)
                continue
            death = self._dead.get(name)
            if death is None or death.process is not process:
                death = self._dead[name] = Death(name, process, now)
                self.deaths.append(death)
            if now - death.at >= _RESTART_S:
                death.successor = self._stand.start_again(name)

    def _watch(self, pid, now):
        if state_of(pid) != "T":
            self._stopped.pop(pid, None)
            return
        since = self._stopped.setdefault(pid, now)
        if now - since < self._watchdog_s:
            return
        del self._stopped[pid]
        try:
            os.kill(pid, signal.SIGCONT if self.wake else signal.SIGKILL)
        except ProcessLookupError:
            pass


class WatchedProcess(Process):
    """Knows how long it took until it said that it was ready."""

    def __init__(self, *arguments):
        self._started = time.monotonic()
        self.started = datetime.datetime.now(datetime.timezone.utc)
        self.ready_s = None
        super().__init__(*arguments)

    def _copy(self):
        for line in self.popen.stdout:
            self._log.write(line)
            if line.startswith(b"ready") and self.ready_s is None:
                self.ready_s = time.monotonic() - self._started
                self._ready.set()
        self._ready.set()


class Stand(Fleet):
    """A fleet under a supervisor, with a gate on every host. Each rollout brings
    a version of its own, 1.N or 2.N, so that packages are fetched and staged
    each time."""

    keeps_shims = False  # its supervisor does

    def __init__(self, binaries, hosts=2, vgpus=2, faults=None, watchdog_s=1.0, wake=False,
                 blackout="5s", guest_rate=1000, service_flags=(), agent_prefix=None,
                 service_prefix=(), environments=None):
        """binaries        folder that Bazel built into
        blackout        deadline of each step in which guests stand still
        agent_prefix    host -> arguments before an agent's own
        service_prefix  the same for the service
        environments    role ("batond", "agent", "shim") -> variables
        """
        super().__init__(binaries, hosts, vgpus, faults, vram_mib=16, guest_rate=guest_rate)
        self.blackout, self.service_flags = blackout, list(service_flags)
        self.agent_prefix = agent_prefix or (lambda host: [])
        self.service_prefix = list(service_prefix)
        self.environments = dict(environments or {})
        self.armed = {}  # name -> variables of a fail point
        self._files = {}  # name -> the file that says that it has not acted yet
        self._armings = 0
        self.supervised = {}
        self.rollouts = 0
        self._watchdog_s, self._wake = watchdog_s, wake
        for host in self.hosts:
            host.flag = f"{host.disk}/no-placement"
            gate = f"{host.disk}/gate"
            with open(gate, "w", encoding="utf-8") as file:
                file.write(GATE.format(flag=host.flag, command=_FLAG_FILE))
            os.chmod(gate, 0o755)

    # -- starting -----------------------------------------------------------

    def start(self):
        """Starts everything but guests, under a supervisor."""
        self.supervisor = Supervisor(self, self._watchdog_s, self._wake)
        self.supervisor.call(self._start_all)
        self.wait_ready()

    def _start_all(self):
        self.start_service()
        self.start_hosts()
        for host in self.hosts:
            self.supervised[f"{host.name}.shim"] = host.shim
            self.supervised[f"{host.name}.agent"] = host.agent
        self.supervised["batond"] = self.service

    def _start(self, name, argv, nice=0):
        role = name.split(".")[-1]
        # What marks every process of this fleet, whoever its parent is then.
        marked = {"BATON_STAND": self.shm, **self.environments.get(name, {}),
                  **self.environments.get(role, {}), **self.armed.get(name, {})}
        process = WatchedProcess(name, argv, f"{self.disk}/{name}.log", nice, False, marked)
        self.processes.append(process)
        return process

    def service_command(self):
        return self.service_prefix + super().service_command() + [
            "--heartbeat=200ms"] + self.service_flags

    def agent_command(self, host):
        return self.agent_prefix(host) + super().agent_command(host) + [
            f"--gate=exec:{host.disk}/gate", "--hook=nothing=exec:/bin/true"]

    def start_again(self, name):
        """Starts the supervised process `name`; on the supervisor's thread."""
        old = self.supervised.pop(name)
        self.processes.remove(old)
        if name == "batond":
            process = self._start(name, self.service_command())
            self.service = process
        else:
            host = self.host(name.split(".")[0])
            role = name.split(".")[1]
            process = getattr(self, f"start_{role}")(host)
            setattr(host, role, process)
        self.supervised[name] = process
        return process

    def host(self, name):
        return next(host for host in self.hosts if host.name == name)

    def kill(self, name, number=signal.SIGKILL):
        """As whoever sends signals; the supervisor notices. Returns whether there
        was a process to take it."""
        process = self.supervised.get(name)
        if process is None or not process.alive():
            return False
        process.signal(number)
        return True

    def restart(self, name, environment, number=signal.SIGKILL):
        """Ends `name` and starts another one, with that environment beside its
        own."""
        def again():
            process = self.supervised[name]
            process.signal(number)
            process.wait(30)
            self.armed[name] = environment
            return self.start_again(name)

        return self.supervisor.call(again)

    def arm(self, name, point, action, number=signal.SIGKILL):
        """Starts `name` anew with a fail point that acts once."""
        # A file of its own: a driver host that was armed before may live yet.
        self._armings += 1
        self._files[name] = f"{self.disk}/{name}.{self._armings}.once"
        with open(self._once(name), "w", encoding="utf-8"):
            pass
        self.restart(name, {"BATON_FAIL_POINT": f"{point}={action}",
                            "BATON_FAIL_POINT_ONCE": self._once(name)}, number)

    def _once(self, name):
        return self._files[name]

    def fired(self, name):
        """Whether what arm() asked for has happened."""
        return not os.path.exists(self._once(name))

    def disarm(self, name):
        del self.armed[name]
        if os.path.exists(self._once(name)):
            os.remove(self._once(name))

    def went_on_s(self, process):
        """Returns how long it took a new agent to make its first step of the
        update that it found under way; None when it found none."""
        found = False
        with open(process.log, encoding="utf-8", errors="replace") as log:
            for line in log:
                if not (said := _LOG_LINE.match(line)):
                    continue
                at = datetime.datetime.fromisoformat(said.group(1))
                if at < process.started:
                    continue
                found = found or " under way" in line
                if found and ": step '" in line:
                    return (at - process.started).total_seconds()
        return None

    # -- asking -------------------------------------------------------------

    def ask(self, *arguments, seconds=60, good=(0,)):
        """Runs a command of the CLI until the service answers; a code that is
        not in `good` raises Failed."""
        end = time.monotonic() + seconds
        while True:
            done = self.baton(*arguments, check=False)
            if done.returncode in good:
                return done.stdout
            if done.returncode not in AWAY or time.monotonic() > end:
                raise Failed(f"baton {' '.join(arguments)} ended with {done.returncode}\n"
                             f"{done.stdout}{done.stderr}")
            self.pause(0.1)

    def ask_json(self, *arguments):
        return json.loads(self.ask("--output=json", *arguments))

    def pause(self, seconds):
        """Waits, and gives up early when the supervisor cannot go on."""
        threading.Event().wait(seconds)
        if self.supervisor is not None and self.supervisor.problem:
            raise Failed(self.supervisor.problem)

    def until(self, what, seconds, question):
        """Waits until `question` returns no complaint."""
        end = time.monotonic() + seconds
        while complaint := question():
            if time.monotonic() > end:
                raise Failed(f"{what} is not so after {seconds} s: {complaint}")
            self.pause(0.05)

    def hosts_seen(self):
        return {host["name"][6:]: host for host in self.ask_json("host", "list")["hosts"]}

    def wait_ready(self, seconds=60, driver_died=frozenset()):
        """Returns when the service finds every host READY and free. Those whose
        driver died may be QUARANTINED or UNHEALTHY instead, and are returned."""
        broken = set()

        def complaint():
            seen, wrong = self.hosts_seen(), []
            broken.clear()
            for host in self.hosts:
                this = seen.get(host.name, {"state": "not there", "rollout": ""})
                state = this["state"].replace("HOST_STATE_", "")
                if host.name in driver_died and state in ("QUARANTINED", "UNHEALTHY"):
                    broken.add(host.name)
                elif state != "READY":
                    wrong.append(f"{host.name} is {state} {this.get('state_message')}")
                if this["rollout"]:
                    wrong.append(f"{this['rollout']} has the slot of {host.name}")
            return wrong

        self.until("every host READY", seconds, complaint)
        return broken

    # -- rollouts -----------------------------------------------------------

    def push(self, major):
        """Packs and pushes a driver of major version 1 or 2 that was never there
        before; returns its version."""
        self.rollouts += 1
        version = f"{major}.{self.rollouts}"
        faulty = bool(self.faults)
        self.pack("next", lab.image(f"{major}.0", faulty), version)
        # Again after an answer that never came: it may be there by now.
        self.ask("driver", "push", self.package("next"))
        return version

    def delete_driver(self, version):
        """Has the service forget a driver; returns once its package is gone."""
        packages = f"{self.disk}/batond/packages"
        before = len(os.listdir(packages))

        def complaint():
            try:
                Client(self.address).call("baton.v1.DriverService", "DeleteDriver",
                                          name=f"drivers/softgpu/versions/{version}")
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.NOT_FOUND:
                    return str(error)
            return len(os.listdir(packages)) >= before and "its package is there"

        self.until(f"{version} deleted", 60, complaint)

    def begin(self, version, at_once=None):
        """Starts a rollout; returns its name."""
        name = f"r{self.rollouts}"
        path = f"{self.disk}/rollout.yaml"
        with open(path, "w", encoding="utf-8") as file:
            file.write(ROLLOUT.format(version=version, at_once=at_once or len(self.hosts),
                                      blackout=self.blackout))
        # 4: a first try was carried out, and its answer lost.
        self.ask("rollout", "create", name, "-f", path, good=(0, 4))
        # Whoever is armed may die in here, and the plan is then another.
        for _ in range(_PLANS):
            self.wait_ready()
            self.ask("rollout", "plan", name, good=(0, 4))
            rollout = self.ask_json("rollout", "get", name)
            if rollout["plan"]["hosts"] == len(self.hosts):
                self.ask("rollout", "start", name, f"--digest={rollout['plan']['digest']}",
                         good=(0, 4))
            if self.ask_json("rollout", "get", name)["state"] not in (
                    "ROLLOUT_STATE_DRAFT", "ROLLOUT_STATE_PLANNED"):
                return name
        raise Failed(f"{name} could not be started\n" + self.ask("why", f"rollouts/{name}"))

    def watch(self, name, seconds=120):
        """Returns the rollout's state once it has ended or holds."""
        end = time.monotonic() + seconds
        while True:
            left = max(1, int(end - time.monotonic()))
            done = self.baton(f"--timeout={left}s", "rollout", "watch", name, "--exit-on-hold",
                              check=False)
            rollout = self.ask_json("rollout", "get", name)
            if rollout["state"] not in ("ROLLOUT_STATE_RUNNING", "ROLLOUT_STATE_PLANNED"):
                return rollout["state"].replace("ROLLOUT_STATE_", "")
            if time.monotonic() > end:
                raise Failed(f"{name} did not end in {seconds} s (watch: {done.returncode})\n"
                             + self.ask("why", f"rollouts/{name}") + self.tails())
            self.pause(0.1)

    def updates(self, name):
        """Returns {host: update}."""
        listed = self.ask_json("rollout", "get", name, "--updates")["updates"]
        return {update["name"].rsplit("/", 1)[1]: update for update in listed}

    def log_of(self, name):
        with open(f"{self.disk}/{name}.log", encoding="utf-8", errors="replace") as log:
            return log.read()

    def tails(self):
        """The last lines of every log, for whoever must find out."""
        names = sorted(name for name in os.listdir(self.disk) if re.search(
            r"(batond|agent|shim)\.log$", name))
        said = []
        for name in names:
            with open(f"{self.disk}/{name}", "rb") as log:
                text = b"".join(log.readlines()[-12:]).decode(errors="replace")
            said.append(f"--- {name}\n{text}")
        return "\n".join(said)

    # -- guests -------------------------------------------------------------

    def ask_guests(self, seconds=60):
        """Returns what every guest has seen so far, all of its memory verified."""
        reports = []
        paths = {guest: f"{self.disk}/{guest.name.split('.')[1]}.json"
                 for host in self.hosts for guest in host.guests}
        for guest, path in paths.items():
            if os.path.exists(path):
                os.remove(path)
            guest.signal(signal.SIGUSR1)
        for guest, path in paths.items():
            self.until(f"a report of {guest.name}", seconds,
                       lambda p=path, g=guest: not os.path.exists(p) and
                       f"it is {'alive' if g.alive() else 'gone'}\n{g.tail()}")
            with open(path, encoding="utf-8") as report:
                reports.append(json.load(report))
        return reports

    # -- what is there ------------------------------------------------------

    def ours(self):
        """Returns {pid: command line} of every process of this fleet, whoever
        its parent is by now."""
        mark = f"BATON_STAND={self.shm}".encode()
        found = {}
        for name in os.listdir("/proc"):
            if not name.isdigit() or state_of(name) in ("", "Z"):
                continue
            try:
                with open(f"/proc/{name}/environ", "rb") as environ:
                    if mark not in environ.read().split(b"\0"):
                        continue
                with open(f"/proc/{name}/cmdline", encoding="utf-8") as line:
                    found[int(name)] = line.read().replace("\0", " ").strip()
            except OSError:
                continue
        return found

    def driver_hosts(self):
        """Returns {pid: command line} of the shims' children, orphans too."""
        return {pid: line for pid, line in self.ours().items()
                if line.startswith("baton-driver-host")}

    def where_is(self, pid):
        """Says of a process of this fleet on which host it is, what it does, and
        who its parent is; for whoever must find out."""
        try:
            with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
                names = re.findall(r"/(host-\d+)/shim/(\S+)", maps.read())
            with open(f"/proc/{pid}/status", encoding="utf-8") as status:
                said = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
            with open(f"/proc/{pid}/wchan", encoding="utf-8") as waits:
                at = waits.read()
        except OSError:
            return f"{pid}: gone"
        return (f"{pid}: {sorted(set(names))}, state {said['State']}, parent {said['PPid']}, "
                f"in {at}")

    def files(self):
        """Names of everything in memory, without what differs by design."""
        return sorted(os.path.join(folder, name)[len(self.shm):]
                      for folder, _, names in os.walk(self.shm) for name in names)

    def keep_logs(self, folder):
        """Copies logs and journals to `folder`, for whoever must find out."""
        shutil.copytree(self.disk, folder, dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("*.pkg", "drivers", "downloads"))

    def close(self):
        super().close()
        # What nobody else ends: a driver host may outlive its shim.
        for pid in self.ours():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
