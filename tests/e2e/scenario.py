"""What every end-to-end test does with a lab fleet."""

import os
import unittest

from lab import summary
from lab.fleet import Fleet

ROLLOUT = """\
driver: softgpu/2.0
selector: lab=demo
waves:
  - {{name: canary, size: 1}}
  - {{name: rest, size: rest}}
limits: {{max_unavailable: {at_once}}}
failure_tolerance: {{hosts: {tolerance}}}
"""

CLEAN = {"lost": 0, "duplicated": 0, "wrong": 0}


class FleetTest(unittest.TestCase):
    """A test with a fleet that is gone afterwards, to the last file."""

    def fleet(self, hosts, vgpus=2, faults=None):
        """Returns a running fleet whose guests compute."""
        # Small and slow guests: a test shares its two cores with others.
        fleet = Fleet(os.getcwd(), hosts, vgpus, faults, vram_mib=16, guest_rate=2000)
        self.addCleanup(self._assert_nothing_left, fleet)
        self.addCleanup(fleet.close)
        fleet.start_service()
        fleet.start_hosts()
        fleet.start_guests()
        return fleet

    def _assert_nothing_left(self, fleet):
        self.assertFalse(os.path.exists(fleet.shm))
        self.assertFalse(os.path.exists(fleet.disk))
        self.assertEqual([], fleet.pids())

    def start(self, fleet, tolerance=0, at_once=2):
        """Starts the rollout "demo" to driver 2.0."""
        path = f"{fleet.disk}/demo.yaml"
        with open(path, "w", encoding="utf-8") as file:
            file.write(ROLLOUT.format(tolerance=tolerance, at_once=at_once))
        fleet.baton("driver", "push", fleet.package("2.0"))
        fleet.baton("rollout", "create", "demo", "-f", path)
        fleet.baton("rollout", "plan", "demo")
        plan = fleet.baton_json("rollout", "get", "demo")["plan"]
        fleet.baton("rollout", "start", "demo", f"--digest={plan['digest']}")

    def watch(self, fleet):
        """Waits until the rollout ends or holds; returns the exit code."""
        return fleet.baton("rollout", "watch", "demo", "--exit-on-hold", check=False).returncode

    def updates(self, fleet):
        """Returns {host: update}."""
        listed = fleet.baton_json("rollout", "get", "demo", "--updates")["updates"]
        return {update["name"].rsplit("/", 1)[1]: update for update in listed}

    def assert_guests_clean(self, fleet):
        """Stops the guests; none may have lost anything."""
        reports = fleet.stop_guests()
        total = summary.of_guests(reports)
        self.assertEqual(CLEAN, {key: total[key] for key in CLEAN}, reports)
        for report in reports:
            self.assertGreater(report["commands"], 0, report)
        return total
