#include "service/core/verdict.h"

#include <functional>
#include <string>

#include "gtest/gtest.h"
#include "tests/support/stage.h"

namespace baton::core {
namespace {

void ChangeAdapter(Host& host, const std::function<void(Adapter&)>& change) {
  Adapter adapter = host.inventory.adapters.at(0);
  change(adapter);
  host.inventory.adapters = {adapter};
}

TEST(VerdictTest, NamesWhatStandsAgainstAHost) {
  struct Row {
    std::function<void(Fleet&, Host&, Driver&, RolloutSpec&)> spoil;
    std::string reason;
    bool passing;
  };
  const Row rows[] = {
      {[](Fleet&, Host&, Driver&, RolloutSpec&) {}, "", false},
      {[](Fleet&, Host& h, Driver&, RolloutSpec&) {
         h.quarantine = Quarantine{};
       },
       "HOST_QUARANTINED", false},
      {[](Fleet&, Host& h, Driver&, RolloutSpec&) {
         h.inventory = support::MakeInventory("2.0");
         h.stream = 0;
       },
       "ALREADY_AT_VERSION", false},
      {[](Fleet&, Host& h, Driver&, RolloutSpec&) {
         h.rollout = "rollouts/other";
       },
       "HELD_BY_ROLLOUT", true},
      {[](Fleet& f, Host& h, Driver&, RolloutSpec&) {
         Rollout& other = f.rollouts["rollouts/other"];
         other.name = "rollouts/other";
         other.state = RolloutState::kHeld;
         f.hosts.at(h.name).claimant = other.name;
       },
       "HELD_BY_ROLLOUT", true},
      {[](Fleet&, Host& h, Driver&, RolloutSpec&) { h.stream = 0; },
       "HOST_OFFLINE", true},
      {[](Fleet&, Host& h, Driver&, RolloutSpec&) {
         h.inventory.fault = "no shim";
       },
       "HOST_UNHEALTHY", true},
      {[](Fleet&, Host& h, Driver&, RolloutSpec&) {
         ChangeAdapter(h, [](Adapter& a) { a.fault = "hung"; });
       },
       "HOST_UNHEALTHY", true},
      {[](Fleet&, Host& h, Driver&, RolloutSpec&) {
         h.inventory.adapters = {};
       },
       "NO_ADAPTER", true},
      {[](Fleet&, Host& h, Driver&, RolloutSpec&) {
         h.cordon = Cordon{"bob", "disk"};
       },
       "HOST_CORDONED", true},
      {[](Fleet&, Host&, Driver& d, RolloutSpec&) {
         d.manifest.pci_ids = {"1b70:0002"};
       },
       "DEVICE_NOT_SUPPORTED", false},
      {[](Fleet&, Host& h, Driver&, RolloutSpec&) {
         ChangeAdapter(h, [](Adapter& a) { a.hot_update_capable = false; });
       },
       "HOT_UPDATE_UNSUPPORTED", false},
      {[](Fleet&, Host& h, Driver&, RolloutSpec&) {
         ChangeAdapter(h, [](Adapter& a) { a.driver = ""; });
       },
       "HOT_UPDATE_UNSUPPORTED", false},
      {[](Fleet&, Host& h, Driver& d, RolloutSpec&) {
         d.manifest.kernel_release = "6.1.0-42-amd64";
         ChangeAdapter(h, [](Adapter& a) {
           a.kernel_release = "6.1.0-41-amd64";
           a.blockers = {{"FOREIGN_HOLDER", "said later"}};
         });
       },
       "KERNEL_NOT_SUPPORTED", false},
      {[](Fleet&, Host& h, Driver& d, RolloutSpec&) {
         d.manifest.kernel_release = "6.1.0-42-amd64";
         ChangeAdapter(h,
                       [](Adapter& a) { a.kernel_release = "6.1.0-42-amd64"; });
       },
       "", false},
      {[](Fleet&, Host& h, Driver&, RolloutSpec&) {
         ChangeAdapter(h, [](Adapter& a) {
           a.blockers = {{"MACHINE_MIGRATION_OFF", "machine 'a': add it"},
                         {"UNVERIFIABLE", "no proof"}};
         });
       },
       "MACHINE_MIGRATION_OFF", true},
      {[](Fleet&, Host& h, Driver&, RolloutSpec&) {
         ChangeAdapter(h, [](Adapter& a) {
           a.blockers = {{"UNVERIFIABLE", "no proof"}};
         });
       },
       "UNVERIFIABLE", false},
      {[](Fleet&, Host&, Driver& d, RolloutSpec&) {
         d.manifest.state_format_reads = {2};
       },
       "STATE_FORMAT_UNREADABLE", false},
      {[](Fleet& f, Host&, Driver& d, RolloutSpec&) {
         d.manifest.state_format_reads = {2};
         f.drivers.erase(support::kOldDriver);
       },
       "", false},
      {[](Fleet&, Host&, Driver& d, RolloutSpec&) {
         d.manifest.state_format_writes = 3;
       },
       "NO_ROLLBACK_PATH", false},
      {[](Fleet&, Host&, Driver& d, RolloutSpec& s) {
         d.manifest.state_format_writes = 3;
         s.require.rollback_path = false;
       },
       "", false},
      {[](Fleet& f, Host&, Driver& d, RolloutSpec&) {
         d.manifest.state_format_writes = 3;
         f.drivers.erase(support::kOldDriver);
       },
       "", false},
      {[](Fleet&, Host& h, Driver& d, RolloutSpec&) {
         d.manifest.guest_driver_min = "31.0.15";
         ChangeAdapter(h,
                       [](Adapter& a) { a.vgpus[0].guest_driver = "31.0.15"; });
       },
       "GUEST_UNKNOWN", true},
      {[](Fleet&, Host& h, Driver& d, RolloutSpec&) {
         d.manifest.guest_driver_min = "31.0.15";
         ChangeAdapter(h,
                       [](Adapter& a) { a.vgpus[0].guest_driver = "31.0.15"; });
         ChangeAdapter(h,
                       [](Adapter& a) { a.vgpus[1].guest_driver = "31.0.9"; });
       },
       "GUEST_TOO_OLD", true},
      {[](Fleet&, Host& h, Driver& d, RolloutSpec&) {
         d.manifest.guest_driver_min = "31.0.15";
         ChangeAdapter(h,
                       [](Adapter& a) { a.vgpus[0].guest_driver = "31.0.15"; });
         ChangeAdapter(h, [](Adapter& a) { a.vgpus[1].guest_driver = "32"; });
       },
       "", false},
      {[](Fleet&, Host&, Driver&, RolloutSpec& s) { s.hooks.before = "drain"; },
       "HOOK_UNKNOWN", true},
      {[](Fleet&, Host& h, Driver&, RolloutSpec& s) {
         s.hooks = {"drain", "fill"};
         h.inventory.hooks = {"drain"};
       },
       "HOOK_UNKNOWN", true},
      {[](Fleet&, Host& h, Driver&, RolloutSpec& s) {
         s.hooks = {"drain", "fill"};
         h.inventory.hooks = {"drain", "fill"};
       },
       "", false},
  };
  for (const Row& row : rows) {
    const support::Stage stage(1);
    Fleet fleet = stage.fleet();
    Host host = stage.host(1);
    Driver driver = support::MakeDriver("2.0");
    Rollout rollout;
    rollout.name = support::kRollout;
    row.spoil(fleet, host, driver, rollout.spec);
    const Verdict verdict = VerdictOf(fleet, host, driver, rollout);
    EXPECT_EQ(verdict.reason, row.reason);
    EXPECT_EQ(verdict.message.empty(), row.reason.empty());
    EXPECT_EQ(verdict.hot(), row.reason.empty());
    EXPECT_EQ(IsPassing(verdict.reason), row.passing) << row.reason;
  }
}

TEST(VerdictTest, AsksForMemoryToSpare) {
  Host host;
  RequireSpec require;
  require.spare_memory_bytes = 100;
  EXPECT_EQ(MemoryVerdict(host, 50, require).reason, "MEMORY_UNKNOWN");
  host.inventory.available_memory_bytes = 149;
  EXPECT_EQ(MemoryVerdict(host, 50, require),
            (Verdict{"MEMORY_SHORT",
                     "149 bytes of memory are free, want at least 150: 50 for "
                     "saved state as predicted, and 100 to spare"}));
  host.inventory.available_memory_bytes = 150;
  EXPECT_TRUE(MemoryVerdict(host, 50, require).hot());
}

TEST(VerdictTest, ComparesVersionsByTheirNumbers) {
  const std::string ascending[] = {"",        "1",       "1.9",  "1.10",
                                   "1.10-rc", "1.10.0",  "2",    "10",
                                   "31.0.9",  "31.0.15", "31.1", "v1"};
  for (size_t i = 0; i < std::size(ascending); ++i) {
    for (size_t j = 0; j < std::size(ascending); ++j) {
      const int order = CompareVersions(ascending[i], ascending[j]);
      EXPECT_EQ(order < 0, i < j) << ascending[i] << " " << ascending[j];
      EXPECT_EQ(order > 0, i > j) << ascending[i] << " " << ascending[j];
    }
  }
  EXPECT_EQ(CompareVersions("1.02", "1.2"), 0);
}

}  // namespace
}  // namespace baton::core
