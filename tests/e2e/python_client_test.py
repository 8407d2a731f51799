"""A client from outside the workspace: Python, by reflection alone."""

import grpc

from tests.support.reflection import Client
from tests.e2e.scenario import FleetTest
from tests.support import cases


class PythonClientTest(FleetTest):
    def test_it_lists_hosts_and_watches_a_rollout(self):
        fleet = self.fleet(hosts=2, vgpus=1)
        client = Client(fleet.address)
        for service in ("Rollout", "Fleet", "Driver", "Audit", "Agent"):
            self.assertIn(f"baton.v1.{service}Service", client.services())

        first = client.call("baton.v1.FleetService", "ListHosts", page_size=1)
        self.assertEqual(["hosts/host-1"], [host.name for host in first.hosts])
        second = client.call("baton.v1.FleetService", "ListHosts", page_size=1,
                             page_token=first.next_page_token)
        self.assertEqual(["hosts/host-2"], [host.name for host in second.hosts])
        self.assertEqual("", second.next_page_token)

        self.start(fleet)
        seen = list(client.stream("baton.v1.RolloutService", "WatchRollout",
                                  name="rollouts/demo"))
        revisions = [message.revision for message in seen]
        self.assertEqual(sorted(revisions), revisions)  # never reordered
        states = seen[-1].rollout.DESCRIPTOR.fields_by_name["state"].enum_type
        self.assertEqual("ROLLOUT_STATE_SUCCEEDED",
                         states.values_by_number[seen[-1].rollout.state].name)
        self.assert_guests_clean(fleet)

    def test_errors_carry_a_reason_in_the_status_details(self):
        fleet = self.fleet(hosts=1, vgpus=1)
        client = Client(fleet.address)
        with self.assertRaises(grpc.RpcError) as refused:
            client.call("baton.v1.FleetService", "GetHost", name="hosts/absent")
        self.assertEqual(grpc.StatusCode.NOT_FOUND, refused.exception.code())
        details = dict(refused.exception.trailing_metadata())["grpc-status-details-bin"]
        self.assertIn(b"HOST_NOT_FOUND", details)


if __name__ == "__main__":
    cases.main()
