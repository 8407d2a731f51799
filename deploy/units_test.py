"""What the units of the shim give the machines that it starts."""

import os
import unittest

from tests.support import cases

UNITS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "systemd")
# What the shim's unit may set and its machines have nothing of: no namespace,
# label, filter or bound (limits are set for each machine). Whatever else is set
# counts as one, unless to "no".
ALLOWED = frozenset("""
    EnvironmentFile ExecStart KillMode LimitMEMLOCK Nice OOMScoreAdjust Restart RestartSec
    RuntimeDirectory RuntimeDirectoryMode RuntimeDirectoryPreserve TimeoutStopSec Type
    WatchdogSec WatchdogSignal
""".split())


def settings(*names):
    """Returns {name: value} of [Service]; of several files the last word counts."""
    found = {}
    for name in names:
        section = ""
        with open(f"{UNITS}/{name}", encoding="utf-8") as file:
            for line in map(str.strip, file):
                if line.startswith("["):
                    section = line
                key, equals, value = line.partition("=")
                if equals and section == "[Service]" and not line.startswith("#"):
                    found[key] = value
    return found


def confines(found):
    """Returns those of a service's settings that its machines would have too."""
    return {key: value for key, value in found.items()
            if key not in ALLOWED and value != "no"}


class VfioTest(unittest.TestCase):
    def test_machines_are_not_started_in_confines_of_the_shims(self):
        ours = settings("baton-shim.service", "baton-shim.service.d/vfio.conf")
        self.assertEqual({}, confines(ours))
        self.assertEqual("process", ours["KillMode"])

    def test_what_is_not_known_confines(self):
        for key, value in (("MemoryDenyWriteExecute", "yes"), ("AmbientCapabilities", ""),
                           ("AppArmorProfile", "shim"), ("SELinuxContext", "shim_t"),
                           ("NetworkNamespacePath", "/run/netns/a"), ("BindPaths", "/a"),
                           ("NoExecPaths", "/"), ("User", "baton"), ("ProtectHome", "yes")):
            self.assertEqual({key: value}, confines({key: value, "Nice": "-10"}))
        self.assertEqual({}, confines({"ProtectHome": "no"}))

    def test_of_the_shims_own_unit_confines_are_taken_off_by_the_other(self):
        self.assertIn("NoNewPrivileges", confines(settings("baton-shim.service")))


if __name__ == "__main__":
    cases.main()
