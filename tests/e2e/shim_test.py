"""The shim by itself, driven over its socket as an agent does."""

import os
import signal

from lab import fleet as lab
from lab.fleet import Fleet
from tests.e2e.reflection import Client
from tests.e2e.scenario import FleetTest
from tests.support import cases

# Of the protocol's enums.
STEP_SAVE, STEP_UNLOAD = 4, 6
ADAPTER_STATE_PAUSED = 4


class ShimTest(FleetTest):
    def setUp(self):
        self.lab = Fleet(os.getcwd(), hosts=1, vgpus=2, vram_mib=16)
        self.addCleanup(self._assert_nothing_left, self.lab)
        self.addCleanup(self.lab.close)
        self.lab.start_service()
        self.lab.start_hosts()
        self.shim = self.lab.hosts[0].shim
        self.client = Client(f"unix:{self.lab.hosts[0].shm}/shim.sock")

    def step(self, name, **fields):
        """Takes one step of attempt 9; it must succeed."""
        order = {"attempt": 9, "deadline": {"seconds": 10}}
        answer = self.client.call("baton.v1.ShimService", name, order=order, **fields)
        self.assertEqual(0, answer.result.code, answer.result.message)

    def image(self, version):
        path = os.path.join(self.lab.binaries, lab.image(version, False))
        return {"path": path, "digest": lab.digest(path), "driver": "softgpu",
                "version": version}

    def test_regression_a_stop_past_the_point_of_no_return_waits_for_the_end(self):
        image = self.image("2.0")
        self.step("Prepare", image=image)
        for name in ("Pause", "Save", "Unload"):
            self.step(name)
        self.shim.signal(signal.SIGTERM)
        self.step("Restore", image=image)
        for name in ("Verify", "Resume", "Confirm"):
            self.step(name)
        self.assertTrue(self.shim.alive())
        self.step("Commit")
        self.assertEqual(0, self.shim.wait(20))

    def test_each_step_ahead_has_its_own_deadline(self):
        self.lab.close()
        self.lab = Fleet(os.getcwd(), hosts=1, vgpus=2, vram_mib=16,
                         faults={"host-1": "save-hangs"})
        self.addCleanup(self._assert_nothing_left, self.lab)
        self.addCleanup(self.lab.close)
        self.lab.start_service()
        self.lab.start_hosts()
        self.client = Client(f"unix:{self.lab.hosts[0].shm}/shim.sock")
        self.step("Prepare", image=self.image("2.0"))
        # Pause may take long, the Save that hangs may not.
        self.client.call("baton.v1.ShimService", "Pause", order={
            "attempt": 9, "deadline": {"seconds": 600},
            "ahead": [{"step": STEP_SAVE, "deadline": {"nanos": 300_000_000}},
                      {"step": STEP_UNLOAD, "deadline": {"seconds": 600}}]})
        answer = self.client.call("baton.v1.ShimService", "Save",
                                  order={"attempt": 9, "deadline": {"seconds": 600}})
        self.assertEqual("DRIVER_HUNG", answer.result.reason)
        self.assertRegex(answer.result.message, r"within (299\.\d+|300)ms")
        seen = self.client.call("baton.v1.ShimService", "Inspect")
        self.assertEqual(ADAPTER_STATE_PAUSED, seen.state)

    def test_each_life_has_its_own_instance_and_luids(self):
        lives = []
        for _ in range(2):
            seen = self.client.call("baton.v1.ShimService", "Inspect")
            self.assertRegex(seen.shim_instance, "^[0-9a-f]{16}$")
            lives.append({seen.shim_instance} | {v.luid for v in seen.adapter.vgpus})
            self.assertEqual(3, len(lives[-1]))
            self.shim.signal(signal.SIGKILL)
            self.shim.wait(20)
            self.shim = self.lab.start_shim(self.lab.hosts[0])
            self.shim.wait_ready()
            self.client = Client(f"unix:{self.lab.hosts[0].shm}/shim.sock")
        self.assertFalse(lives[0] & lives[1])

    def test_a_stop_before_it_cancels(self):
        self.step("Prepare", image=self.image("2.0"))
        self.step("Pause")
        self.shim.signal(signal.SIGTERM)
        self.assertEqual(0, self.shim.wait(20))


if __name__ == "__main__":
    cases.main()
