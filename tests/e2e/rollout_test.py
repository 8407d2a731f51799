"""The real binaries, a driver replaced under guests that check every answer."""

from tests.e2e.scenario import FleetTest
from tests.support import cases


class RolloutTest(FleetTest):
    def test_every_vgpu_is_carried_over(self):
        fleet = self.fleet(hosts=3)
        self.start(fleet)
        self.assertEqual(0, self.watch(fleet))
        for host, update in self.updates(fleet).items():
            self.assertEqual("UPDATE_STATE_DONE", update["state"], host)
            self.assertEqual([True, True], [v["preserved"] for v in update["vgpus"]])
            self.assertTrue(all(float(v["blackout"].rstrip("s")) > 0 for v in update["vgpus"]))
        for host in fleet.baton_json("host", "list")["hosts"]:
            self.assertEqual("2.0", host["adapters"][0]["driverVersion"])
        self.assert_guests_clean(fleet)

    def test_a_service_killed_in_mid_rollout_goes_on_where_it_was(self):
        fleet = self.fleet(hosts=4)
        self.start(fleet, at_once=1)
        fleet.kill_service()
        fleet.start_service()
        self.assertEqual(0, self.watch(fleet))
        for host, update in self.updates(fleet).items():
            self.assertEqual("UPDATE_STATE_DONE", update["state"], host)
            self.assertEqual("1", update["attempt"], host)
        self.assert_guests_clean(fleet)

    def test_a_finished_rollout_cannot_be_aborted(self):
        fleet = self.fleet(hosts=1, vgpus=1)
        self.start(fleet)
        self.assertEqual(0, self.watch(fleet))
        refused = fleet.baton("rollout", "abort", "demo", "--reason=late", check=False)
        self.assertNotEqual(0, refused.returncode)
        self.assertIn("ROLLOUT_FINISHED", refused.stderr)
        self.assert_guests_clean(fleet)


if __name__ == "__main__":
    cases.main()
