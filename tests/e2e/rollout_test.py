"""The real binaries, a driver replaced under guests that check every answer."""

import subprocess

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
            self.assertEqual("2.0", host["adapters"][0]["driver_version"])
        self.assert_guests_clean(fleet)

    def test_a_service_killed_in_mid_rollout_goes_on_where_it_was(self):
        fleet = self.fleet(hosts=4)
        self.start(fleet, at_once=1)
        command = fleet.command("rollout", "watch", "demo", "--exit-on-hold")
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watch:
            for line in watch.stdout:
                if " DONE " in line:
                    break
            fleet.kill_service()
            states = [update["state"] for update in self.updates_after_restart(fleet)]
            self.assertIn("UPDATE_STATE_DONE", states)
            self.assertIn("UPDATE_STATE_PENDING", states)
            watch.stdout.read()  # it finds the new service by itself
            self.assertEqual(0, watch.wait())
        for host, update in self.updates(fleet).items():
            self.assertEqual("UPDATE_STATE_DONE", update["state"], host)
            self.assertEqual("1", update["attempt"], host)
        admitted = [record for record in fleet.baton_json("audit", "list")["records"]
                    if record["action"] == "update.admit"]
        self.assertEqual(4, len(admitted))
        self.assert_guests_clean(fleet)

    def updates_after_restart(self, fleet):
        """Starts the service again; returns the updates as it remembers them."""
        fleet.start_service()
        return list(self.updates(fleet).values())

    def test_a_finished_rollout_cannot_be_aborted(self):
        fleet = self.fleet(hosts=1, vgpus=1)
        self.start(fleet)
        self.assertEqual(0, self.watch(fleet))
        refused = fleet.baton("rollout", "abort", "demo", "--reason=late", "--yes",
                              check=False)
        self.assertNotEqual(0, refused.returncode)
        self.assertIn("ROLLOUT_FINISHED", refused.stderr)
        self.assert_guests_clean(fleet)


if __name__ == "__main__":
    cases.main()
