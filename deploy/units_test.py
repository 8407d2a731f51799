"""What the units of the shim give the machines that it starts."""

import os
import re
import unittest

from tests.support import cases

UNITS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "systemd")
# What gives a service namespaces, filters or a bound that its children have too.
CONFINES = re.compile(r"(Protect|Private|Restrict|Lock|NoNew|SystemCall|Capabilit|ReadOnly|"
                      r"Inaccessible|ReadWrite|TemporaryFile|RootDir|Dynamic|User|Group)")


def settings(*names):
    """Returns {name: value} of a service; of several files the last word counts."""
    found = {}
    for name in names:
        with open(f"{UNITS}/{name}", encoding="utf-8") as file:
            for line in file:
                key, equals, value = line.strip().partition("=")
                if equals and not key.startswith("#"):
                    found[key] = value
    return found


class VfioTest(unittest.TestCase):
    def test_machines_are_not_started_in_confines_of_the_shims(self):
        ours = settings("baton-shim.service", "baton-shim.service.d/vfio.conf")
        self.assertEqual({}, {key: value for key, value in ours.items()
                              if CONFINES.match(key) and value != "no"})
        self.assertEqual("process", ours["KillMode"])


if __name__ == "__main__":
    cases.main()
