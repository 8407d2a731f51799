"""What must hold once a fleet is at rest again, whatever died before."""

import datetime
import hashlib
import os
import re

from lab import summary
from lab.process import Failed

ENDED = {"DONE", "CANCELLED", "ROLLED_BACK"}
# What the first record's hash follows (service/core/audit.h).
GENESIS = "sha256:genesis"
CLEAN = ("lost", "duplicated", "wrong")


def short(state):
    return state.replace("UPDATE_STATE_", "")


def _nanoseconds(text):
    """Returns the Unix time of a protobuf JSON timestamp."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    seconds = datetime.datetime.fromisoformat(whole + "+00:00").timestamp()
    return int(seconds) * 10**9 + int(fraction.ljust(9, "0") or 0)


def audit_hash(previous, record):
    """Returns what the hash of an audit record must be (service/core/audit.cc)."""
    digest = hashlib.sha256()
    for part in (previous, record["sequence"], str(_nanoseconds(record["time"])),
                 record["actor"], record["action"], record["resource"], record["detail"]):
        data = part.encode()
        digest.update(str(len(data)).encode() + b":" + data)
    return "sha256:" + digest.hexdigest()


def audit_wrong(records):
    """Returns what is wrong with a whole audit trail: each record follows from
    the one before it, each attempt was admitted once and ended once."""
    wrong, previous, admits, ends = [], GENESIS, {}, {}
    for number, record in enumerate(records, 1):
        if int(record["sequence"]) != number:
            wrong.append(f"audit record {number} is missing")
            break
        if record["hash"] != audit_hash(previous, record):
            wrong.append(f"the hash of audit record {number} does not follow")
            break
        previous = record["hash"]
        if record["action"] == "update.admit":
            admits[record["resource"]] = admits.get(record["resource"], 0) + 1
        if record["action"] == "update.report" and record["detail"].split()[0] in (
                ENDED | {"QUARANTINED"}):
            ends[record["resource"]] = ends.get(record["resource"], 0) + 1
    wrong += [f"{name} was admitted {count} times" for name, count in admits.items()
              if count != 1]
    wrong += [f"{name} ended {count} times" for name, count in ends.items() if count != 1]
    wrong += [f"{name} was admitted and never ended" for name in admits if name not in ends]
    return wrong


class Judge:
    """Knows how a stand was when nothing had died yet."""

    def __init__(self, stand):
        """Takes note of a stand at rest."""
        self._stand = stand
        adapters = self._adapters()
        self._vgpus = {name: self._vgpus_of(seen) for name, seen in adapters.items()}
        self._versions = {name: seen["driver_version"] for name, seen in adapters.items()}
        self._files = self._shapes()
        self._commands = {}  # of each guest, when it was asked last

    def _adapters(self):
        seen = self._stand.hosts_seen()
        return {host.name: seen[host.name]["adapters"][0] for host in self._stand.hosts}

    @staticmethod
    def _vgpus_of(adapter):
        return [(vgpu["partition_id"], vgpu["luid"], vgpu["guest"])
                for vgpu in adapter["vgpus"]]

    def _shapes(self):
        """Names of files in memory, their numbers left out."""
        return sorted(re.sub(r"[0-9a-f]{6,}|\d+", "N", name) for name in self._stand.files())

    def after(self, rollout, version, driver_died=frozenset()):
        """Waits until the fleet is at rest; returns what is wrong, and how each
        host ended.

        driver_died  hosts whose driver's process was ended: they may be
                     QUARANTINED with the gate closed, or UNHEALTHY, since nobody
                     but the shim could load a driver again, and it cannot always;
                     "BROKEN" is added to their end. Their slot is free and their
                     guests compute all the same
        """
        updates = self._stand.updates(rollout)
        ends = {host: short(update["state"]) for host, update in updates.items()}
        wrong = [f"{host} ended {end}: {updates[host].get('reason')}: "
                 f"{updates[host].get('message')}"
                 for host, end in ends.items() if end not in ENDED and not (
                     end == "QUARANTINED" and host in driver_died)]
        wrong += [f"{host} does not call vGPU {vgpu['partition_id']} preserved"
                  for host, update in updates.items() for vgpu in update.get("vgpus", [])
                  if ends[host] in ("DONE", "ROLLED_BACK") and not vgpu.get("preserved")]
        wrong += [f"{host.name} is not in {rollout}" for host in self._stand.hosts
                  if host.name not in ends]
        if wrong:
            return wrong, ends
        broken = set()
        try:
            broken = self._stand.wait_ready(driver_died=driver_died)
            self._stand.until("one driver host a host", 15, lambda: self._processes(broken))
            self._stand.until("memory as it was", 15, lambda: not broken and self._memory())
            self._stand.until("driver and vGPUs", 15,
                              lambda: self._drivers(ends, version, broken))
        except Failed as error:
            wrong.append(str(error))
        wrong += [f"the gate of {host.name} is closed" for host in self._stand.hosts
                  if os.path.exists(host.flag) and host.name not in broken]
        for host in broken:
            ends[host] += " BROKEN"
        return wrong, ends

    def _drivers(self, ends, version, broken):
        """The driver that runs is the one that the end says, and so is the one
        on disk that a start would load; every vGPU is still the same."""
        wrong, versions = [], {}
        for name, adapter in self._adapters().items():
            if name in broken:
                continue
            versions[name] = version if ends[name] == "DONE" else self._versions[name]
            if adapter["driver_version"] != versions[name]:
                wrong.append(f"{name} runs {adapter['driver_version']}, want {versions[name]}")
            if self._vgpus_of(adapter) != self._vgpus[name]:
                wrong.append(f"{name} has vGPUs {self._vgpus_of(adapter)}, "
                             f"had {self._vgpus[name]}")
            current = os.readlink(f"{self._stand.host(name).disk}/agent/current")
            if f"-{versions[name]}-" not in current:
                wrong.append(f"{name} would load {current}, want {versions[name]}")
        if not wrong:
            self._versions.update(versions)
        return wrong

    def _processes(self, broken):
        stand = self._stand
        hosts = stand.driver_hosts()
        known = {process.popen.pid for process in list(stand.processes)}
        wrong = [f"process {pid} is left: {line}" for pid, line in stand.ours().items()
                 if pid not in known and pid not in hosts]
        if not len(stand.hosts) - len(broken) <= len(hosts) <= len(stand.hosts):
            wrong.append(f"{len(hosts)} driver hosts, want {len(stand.hosts)}: "
                         + "; ".join(map(stand.where_is, hosts)))
        return wrong

    def _memory(self):
        now = self._shapes()
        more = {name for name in now if now.count(name) > self._files.count(name)}
        return [f"{name} is left in memory" for name in sorted(more)]

    def guests(self):
        """Asks the guests, which go on; returns what is wrong, and how many
        commands they have given since they were asked last."""
        reports = self._stand.ask_guests()
        total = summary.of_guests(reports)
        wrong = [f"guests report {total[key]} {key}: {reports}" for key in CLEAN if total[key]]
        before, self._commands = self._commands, {each["name"]: each["commands"]
                                                  for each in reports}
        wrong += [f"{name} computes no more" for name, count in self._commands.items()
                  if count <= before.get(name, 0)]
        return wrong, total["commands"] - sum(before.values())

    def audit(self):
        return audit_wrong(self._stand.ask_json("audit", "list")["records"])
