"""Drivers that misbehave, each on its own host of one fleet."""

from lab.fleet import FAULTS
from tests.e2e.scenario import FleetTest
from tests.support import cases

# How a host ends whose driver misbehaves so.
ENDS = {
    "save-fails": "UPDATE_STATE_CANCELLED",
    "save-hangs": "UPDATE_STATE_CANCELLED",
    "start-fails": "UPDATE_STATE_ROLLED_BACK",
    "start-crashes": "UPDATE_STATE_ROLLED_BACK",
    "loses-vgpu": "UPDATE_STATE_ROLLED_BACK",
    "wrong-state": "UPDATE_STATE_ROLLED_BACK",
}


class FaultsTest(FleetTest):
    def test_no_guest_loses_anything_whatever_the_driver_does(self):
        faults = {f"host-{n + 2}": kind for n, kind in enumerate(FAULTS)}
        fleet = self.fleet(hosts=len(FAULTS) + 1, faults=faults)
        self.start(fleet, tolerance=len(FAULTS), at_once=2)
        self.assertEqual(0, self.watch(fleet))
        updates = self.updates(fleet)
        self.assertEqual("UPDATE_STATE_DONE", updates["host-1"]["state"])
        for host, kind in faults.items():
            with self.subTest(kind):
                update = updates[host]
                self.assertEqual(ENDS[kind], update["state"], update)
                self.assertTrue(update["reason"], update)
                said = fleet.baton("why", f"hosts/{host}")
                self.assertIn(update["reason"], said)
        self.assert_guests_clean(fleet)

    def test_a_failure_past_the_tolerance_holds_the_rollout(self):
        fleet = self.fleet(hosts=3, faults={"host-1": "start-crashes"})
        self.start(fleet, tolerance=0, at_once=1)
        self.assertEqual(11, self.watch(fleet))
        rollout = fleet.baton_json("rollout", "get", "demo")
        self.assertEqual("ROLLOUT_STATE_HELD", rollout["state"])
        self.assertEqual("FAILURE_TOLERANCE_EXCEEDED", rollout["reason"])
        updates = self.updates(fleet)
        self.assertEqual("UPDATE_STATE_ROLLED_BACK", updates["host-1"]["state"])
        self.assertEqual("UPDATE_STATE_PENDING", updates["host-3"]["state"])
        self.assertIn("host-1", fleet.baton("why", "rollouts/demo"))
        self.assert_guests_clean(fleet)


if __name__ == "__main__":
    cases.main()
