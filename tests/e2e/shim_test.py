"""The shim by itself, driven over its socket as an agent does."""

import os
import signal
import time

import grpc

from lab import fleet as lab
from lab.fleet import Fleet
from tests.support.reflection import Client
from tests.e2e.scenario import CLEAN, FleetTest
from tests.support import cases

# Of the protocol's enums.
STEP_SAVE, STEP_UNLOAD = 4, 6
ADAPTER_STATE_RUNNING, ADAPTER_STATE_PAUSED = 2, 4


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

    def inspect(self):
        """Asks the shim that is there now what is, and returns that and how long
        it took to be answered."""
        started = time.monotonic()
        while True:
            try:
                self.client = Client(f"unix:{self.lab.hosts[0].shm}/shim.sock")
                seen = self.client.call("baton.v1.ShimService", "Inspect")
                return seen, time.monotonic() - started
            except grpc.RpcError:
                self.assertLess(time.monotonic() - started, 20)

    def kill_shim(self):
        """As a crash would; the lab starts another. Returns what that one sees."""
        dead = self.lab.hosts[0].shim
        dead.signal(signal.SIGKILL)
        dead.wait(20)
        seen, _ = self.inspect()
        self.shim = self.lab.hosts[0].shim
        return seen

    def of_life(self, seen):
        return [seen.shim_instance] + [v.luid for v in seen.adapter.vgpus]

    def test_a_shim_that_was_killed_finds_its_vgpus_again(self):
        before, _ = self.inspect()
        self.assertRegex(before.shim_instance, "^[0-9a-f]{16}$")
        for _ in range(3):
            seen = self.kill_shim()
            self.assertEqual(self.of_life(before), self.of_life(seen))
            self.assertEqual(str(before.image), str(seen.image))
            self.assertEqual(ADAPTER_STATE_RUNNING, seen.state)
        self.step("Prepare", image=self.image("2.0"))

    def test_one_that_was_stopped_in_order_begins_another_life(self):
        before, _ = self.inspect()
        self.shim.signal(signal.SIGTERM)
        self.assertEqual(0, self.shim.wait(20))
        after, _ = self.inspect()
        self.assertFalse(set(self.of_life(before)) & set(self.of_life(after)))
        self.assertEqual(len(self.of_life(before)), len(self.of_life(after)))

    def test_an_update_goes_on_whenever_its_shim_is_killed(self):
        before, _ = self.inspect()
        self.lab.start_guests()
        for name in ("Prepare", "Pause", "Save", "Unload", "Restore", "Verify", "Resume",
                     "Confirm", "Commit"):
            image = {"image": self.image("2.0")} if name in ("Prepare", "Restore") else {}
            self.step(name, **image)
            seen = self.kill_shim()
            self.assertEqual(self.of_life(before), self.of_life(seen))
            self.assertEqual(0 if name == "Commit" else 9, seen.attempt)
            self.step(name, **image)  # repeated, it is told what it did
        self.assertEqual("2.0", self.inspect()[0].adapter.driver_version)
        for report in self.lab.stop_guests():
            self.assertEqual({}, {key: report[key] for key in CLEAN if report[key]}, report)

    def test_regression_a_socket_that_cannot_be_had_takes_nobody_a_vgpu(self):
        before, _ = self.inspect()
        self.lab.start_guests()
        path = f"{self.lab.hosts[0].shm}/shim.sock"
        dead = self.lab.hosts[0].shim
        dead.signal(signal.SIGSTOP)  # it must not remove what is put in its place
        os.unlink(path)
        os.mkdir(path)
        dead.signal(signal.SIGKILL)
        dead.wait(20)
        for _ in range(2):  # more of them try
            while self.lab.hosts[0].shim is dead:
                pass
            dead = self.lab.hosts[0].shim
            self.assertEqual(1, dead.wait(20))
        os.rmdir(path)
        self.assertEqual(self.of_life(before), self.of_life(self.inspect()[0]))
        for report in self.lab.stop_guests():
            self.assertEqual({}, {key: report[key] for key in CLEAN if report[key]}, report)

    def test_regression_a_state_directory_is_one_shims_alone(self):
        before, _ = self.inspect()
        host = self.lab.hosts[0]
        # pylint: disable=protected-access
        gpu = self.lab._start("other.gpu", [self.lab.bin["softgpu"], f"--dir={host.shm}/gpu-2"])
        gpu.wait_ready()
        other = self.lab._start("other.shim", [
            self.lab.bin["shim"], f"--device={host.shm}/gpu-2",
            f"--listen=unix:{host.shm}/shim-2.sock", f"--state-dir={host.shm}/shim",
            f"--driver={self.image('1.0')['path']}"])
        self.assertEqual(1, other.wait(20))
        self.assertIn("is in use by another baton-shim", other.tail())
        self.assertEqual(self.of_life(before), self.of_life(self.inspect()[0]))
        self.assertEqual("", self.inspect()[0].adapter.fault)

    def test_one_that_stands_still_is_followed_by_another(self):
        before, _ = self.inspect()
        stopped = self.lab.hosts[0].shim
        stopped.signal(signal.SIGSTOP)
        self.assertEqual(-signal.SIGKILL, stopped.wait(20))
        self.assertEqual(self.of_life(before), self.of_life(self.inspect()[0]))

    def test_a_stop_before_it_cancels(self):
        self.step("Prepare", image=self.image("2.0"))
        self.step("Pause")
        self.shim.signal(signal.SIGTERM)
        self.assertEqual(0, self.shim.wait(20))


if __name__ == "__main__":
    cases.main()
