#include "service/core/invariants.h"

#include <functional>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/stage.h"

namespace baton::core {
namespace {

using support::HostName;
using support::kRollout;
using support::Stage;
using ::testing::StartsWith;

// One host runs in the first wave, two wait in the second.
Fleet MakeFleet() {
  Stage stage(3);
  RolloutSpec spec = support::MakeSpec();
  spec.waves = {{"", WaveSize::kHosts, 1}, {"", WaveSize::kRest}};
  stage.Start(spec);
  return stage.fleet();
}

TEST(InvariantsTest, HoldForWhatEventsMake) {
  EXPECT_EQ(CheckInvariants(MakeFleet()), absl::OkStatus());
}

TEST(InvariantsTest, NoticeEachKindOfDamage) {
  struct Row {
    std::string name;
    std::function<void(Fleet&)> damage;
  };
  const Row rows[] = {
      {"S11", [](Fleet& f) { f.hosts[HostName(1)].rollout = ""; }},
      {"S11", [](Fleet& f) { f.hosts[HostName(2)].rollout = kRollout; }},
      {"S13", [](Fleet& f) { f.hosts[HostName(1)].attempt = 0; }},
      {"S10",
       [](Fleet& f) { f.rollouts[kRollout].updates[HostName(2)].attempt = 1; }},
      {"S10", [](Fleet& f) { f.rollouts[kRollout].wave = 1; }},
      {"S10", [](Fleet& f) { f.rollouts[kRollout].updates["hosts/x"] = {}; }},
      {"S10",
       [](Fleet& f) { f.rollouts[kRollout].updates[HostName(3)].wave = 0; }},
      {"active", [](Fleet& f) { f.active.clear(); }},
      {"references",
       [](Fleet& f) { f.rollouts[kRollout].rollback = "rollouts/gone"; }},
      {"references",
       [](Fleet& f) {
         f.rollouts["rollouts/other"].spec.rollback_of = kRollout;
       }},
      {"references",
       [](Fleet& f) {
         f.hosts[HostName(2)].quarantine = Quarantine{"rollouts/gone", "", ""};
       }},
      {"S11",
       [](Fleet& f) {
         f.rollouts[kRollout].state = RolloutState::kSucceeded;
         f.active.clear();
       }},
      {"exclusive",
       [](Fleet& f) {
         f.rollouts["rollouts/other"] = f.rollouts[kRollout];
         f.active.insert("rollouts/other");
       }},
  };
  for (const Row& row : rows) {
    Fleet fleet = MakeFleet();
    row.damage(fleet);
    EXPECT_THAT(std::string(CheckInvariants(fleet).message()),
                StartsWith(row.name));
  }
}

TEST(InvariantsTest, NoticeEachKindOfWrongTransition) {
  struct Row {
    std::string name;
    std::function<void(Fleet&, Changes&, Fleet&)> damage;
  };
  const Row rows[] = {
      {"S13", [](Fleet&, Changes&, Fleet& f) { f.epoch = 0; }},
      {"S13", [](Fleet&, Changes&, Fleet& f) { f.revision = 0; }},
      {"S13",
       [](Fleet& b, Changes&, Fleet&) { b.hosts[HostName(2)].attempt = 9; }},
      {"S9", [](Fleet&, Changes& c, Fleet&) { c.hosts.insert(HostName(1)); }},
      {"S9", [](Fleet&, Changes&, Fleet& f) { f.audit_sequence += 1; }},
      {"S9",
       [](Fleet& b, Changes& c, Fleet& f) {
         f.audit_sequence = b.audit_sequence + 1;
         f.audit_hash = "sha256:0";
         c.audit = {{f.audit_sequence, f.now, "", "", "", "", "sha256:0"}};
       }},
      {"S11",
       [](Fleet&, Changes&, Fleet& f) { f.hosts[HostName(1)].rollout = ""; }},
      {"S1",
       [](Fleet&, Changes&, Fleet& f) {
         f.hosts[HostName(2)].rollout = kRollout;
         f.hosts[HostName(2)].attempt = 1;
       }},
      {"S10",
       [](Fleet& b, Changes&, Fleet& f) {
         b.hosts[HostName(1)].rollout = "";
         b.hosts[HostName(1)].attempt = 0;
         f.rollouts[kRollout].state = RolloutState::kHeld;
       }},
      {"S13",
       [](Fleet& b, Changes&, Fleet&) { b.hosts[HostName(1)].rollout = ""; }},
  };
  for (const Row& row : rows) {
    Fleet before = MakeFleet();
    Fleet after = before;
    Changes changes;
    EXPECT_EQ(CheckTransition(before, changes, after), absl::OkStatus());
    row.damage(before, changes, after);
    EXPECT_THAT(std::string(CheckTransition(before, changes, after).message()),
                StartsWith(row.name));
  }
}

}  // namespace
}  // namespace baton::core
