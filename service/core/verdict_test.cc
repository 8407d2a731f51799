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
    std::function<void(Fleet&, Host&, Driver&)> spoil;
    std::string reason;
    bool passing;
  };
  const Row rows[] = {
      {[](Fleet&, Host&, Driver&) {}, "", false},
      {[](Fleet&, Host& h, Driver&) { h.quarantine = Quarantine{}; },
       "HOST_QUARANTINED", false},
      {[](Fleet&, Host& h, Driver&) {
         h.inventory = support::MakeInventory("2.0");
         h.stream = 0;
       },
       "ALREADY_AT_VERSION", false},
      {[](Fleet&, Host& h, Driver&) { h.rollout = "rollouts/other"; },
       "HELD_BY_ROLLOUT", true},
      {[](Fleet& f, Host& h, Driver&) {
         Rollout& other = f.rollouts["rollouts/other"];
         other.name = "rollouts/other";
         other.state = RolloutState::kHeld;
         f.hosts.at(h.name).claimant = other.name;
       },
       "HELD_BY_ROLLOUT", true},
      {[](Fleet&, Host& h, Driver&) { h.stream = 0; }, "HOST_OFFLINE", true},
      {[](Fleet&, Host& h, Driver&) { h.inventory.fault = "no shim"; },
       "HOST_UNHEALTHY", true},
      {[](Fleet&, Host& h, Driver&) {
         ChangeAdapter(h, [](Adapter& a) { a.fault = "hung"; });
       },
       "HOST_UNHEALTHY", true},
      {[](Fleet&, Host& h, Driver&) { h.inventory.adapters = {}; },
       "NO_ADAPTER", true},
      {[](Fleet&, Host& h, Driver&) {
         h.cordon = Cordon{"bob", "disk"};
       },
       "HOST_CORDONED", true},
      {[](Fleet&, Host&, Driver& d) { d.manifest.pci_ids = {"1b70:0002"}; },
       "DEVICE_NOT_SUPPORTED", false},
      {[](Fleet&, Host& h, Driver&) {
         ChangeAdapter(h, [](Adapter& a) { a.hot_update_capable = false; });
       },
       "HOT_UPDATE_UNSUPPORTED", false},
      {[](Fleet&, Host& h, Driver&) {
         ChangeAdapter(h, [](Adapter& a) { a.driver = ""; });
       },
       "HOT_UPDATE_UNSUPPORTED", false},
      {[](Fleet&, Host&, Driver& d) { d.manifest.state_format_reads = {2}; },
       "STATE_FORMAT_UNREADABLE", false},
      {[](Fleet& f, Host&, Driver& d) {
         d.manifest.state_format_reads = {2};
         f.drivers.erase(support::kOldDriver);
       },
       "", false},
  };
  for (const Row& row : rows) {
    const support::Stage stage(1);
    Fleet fleet = stage.fleet();
    Host host = stage.host(1);
    Driver driver = support::MakeDriver("2.0");
    row.spoil(fleet, host, driver);
    const Verdict verdict = VerdictOf(fleet, host, driver, support::kRollout);
    EXPECT_EQ(verdict.reason, row.reason);
    EXPECT_EQ(verdict.message.empty(), row.reason.empty());
    EXPECT_EQ(verdict.hot(), row.reason.empty());
    EXPECT_EQ(IsPassing(verdict.reason), row.passing) << row.reason;
  }
}

}  // namespace
}  // namespace baton::core
