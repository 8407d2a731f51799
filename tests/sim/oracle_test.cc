// What the simulation's judge takes for a broken invariant, and what not.

#include "tests/sim/oracle.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "agent/core/phase.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "service/core/apply.h"
#include "service/core/fleet.h"
#include "tests/support/stage.h"

namespace baton::sim {
namespace {

using support::HostName;
using support::kRollout;
using ::testing::HasSubstr;

core::RolloutSpec MakeSpec(uint32_t at_once, uint32_t of_a_zone) {
  core::RolloutSpec spec = support::MakeSpec();
  spec.limits.max_unavailable = at_once;
  spec.limits.domains = {{"zone", of_a_zone}};
  spec.failure_tolerance.hosts = 3;
  return spec;
}

class OracleTest : public testing::Test {
 protected:
  void Start(uint32_t at_once, uint32_t of_a_zone) {
    stage_.Start(MakeSpec(at_once, of_a_zone));
    oracle_.Rewind(stage_.fleet());
  }

  // A commit that anybody may make; what a test adds to it nobody may.
  core::Changes Harmless() {
    return stage_.Do(
        core::FreezeFleet{"audit", stage_.fleet().now + absl::Hours(1)});
  }

  support::Stage stage_{3};
  // Everything is checked at each commit.
  Oracle oracle_{
      [](const std::string&, uint64_t) { return agent::core::End::kNone; }, 1};
};

TEST_F(OracleTest, AHostBeyondABudgetIsSeen) {
  struct Case {
    uint32_t at_once = 0;
    uint32_t of_a_zone = 0;
    const char* want = "";
  };
  for (const Case& c :
       {Case{1, 3, "2 hosts of = "}, Case{3, 1, "2 hosts of zone=odd "}}) {
    support::Stage stage(3);
    stage.Do(core::CreateRollout{kRollout, MakeSpec(c.at_once, c.of_a_zone)});
    stage.Plan();
    stage.Do(core::StartRollout{kRollout, stage.rollout().plan->digest});
    oracle_.Rewind(stage.fleet());
    core::Changes changes = stage.Do(core::AdmitHost{kRollout, HostName(1), 1},
                                     core::kServiceActor);
    core::Fleet fleet = stage.fleet();
    core::Host& host = fleet.hosts.at(HostName(3));
    host.rollout = kRollout;
    host.attempt = 1;
    changes.hosts.insert(HostName(3));
    EXPECT_THAT(std::string(oracle_.Commit(fleet, changes).message()),
                HasSubstr(c.want));
  }
}

TEST_F(OracleTest, AnEndThatBecomesAnotherIsSeen) {
  Start(1, 3);
  stage_.Report(1, core::UpdateState::kCancelled);
  oracle_.Rewind(stage_.fleet());
  core::Changes changes = Harmless();
  core::Fleet fleet = stage_.fleet();
  fleet.rollouts.at(kRollout).updates.at(HostName(1)).state =
      core::UpdateState::kSkipped;
  changes.updates.insert({kRollout, HostName(1)});
  EXPECT_THAT(std::string(oracle_.Commit(fleet, changes).message()),
              HasSubstr("S5"));
}

TEST_F(OracleTest, WhatARestartForgotIsSeen) {
  Start(1, 3);
  EXPECT_EQ(oracle_.CheckRestart(stage_.fleet()), absl::OkStatus());
  core::Fleet other = stage_.fleet();
  other.hosts.at(HostName(3)).attempt = 7;
  EXPECT_THAT(std::string(oracle_.CheckRestart(other).message()),
              HasSubstr("hosts/host-3"));
  other = stage_.fleet();
  other.rollouts.at(kRollout).updates.at(HostName(1)).sequence = 7;
  EXPECT_THAT(std::string(oracle_.CheckRestart(other).message()),
              HasSubstr(kRollout));
  other = stage_.fleet();
  other.hosts.erase(HostName(3));
  EXPECT_THAT(std::string(oracle_.CheckRestart(other).message()),
              HasSubstr("hosts/host-3"));
}

using Regression = OracleTest;

// Ten thousand seeds of thirty hosts met it once.
TEST_F(Regression, AHostThatIsTriedAgainAndLeftOutAtOnceHasEndedOnce) {
  Start(1, 3);
  stage_.Report(1, core::UpdateState::kCancelled);
  oracle_.Rewind(stage_.fleet());
  core::Changes changes =
      stage_.Do(core::RetryUpdate{kRollout, HostName(1), "mended"});
  changes.Merge(
      stage_.Do(core::SkipHost{kRollout, HostName(1), "ALREADY_AT_VERSION", ""},
                core::kServiceActor));
  EXPECT_EQ(oracle_.Commit(stage_.fleet(), changes), absl::OkStatus());
}

}  // namespace
}  // namespace baton::sim
