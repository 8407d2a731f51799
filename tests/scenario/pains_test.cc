// What hurts operators of other tools, and must not hurt them here: one test a
// pain, named after it.

#include <string>

#include "base/reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "service/core/budget.h"
#include "service/core/explain.h"
#include "service/core/plan.h"
#include "tests/support/stage.h"
#include "tests/support/world.h"

namespace baton {
namespace {

using core::HostState;
using core::RolloutState;
using core::UpdateState;
using support::HostName;
using support::kRollout;
using support::MakeSpec;
using support::Stage;
using support::World;
using ::testing::Contains;
using ::testing::Field;
using ::testing::HasSubstr;

core::RolloutSpec SpecOf(uint32_t at_once, uint32_t tolerated) {
  core::RolloutSpec spec = MakeSpec();
  spec.limits.max_unavailable = at_once;
  spec.failure_tolerance.hosts = tolerated;
  return spec;
}

// Something is shut, and says why.
void ExpectReason(const Stage& stage, const std::string& reason) {
  const core::Explanation why = stage.Explain();
  EXPECT_NE(why.summary, "");
  EXPECT_THAT(why.gates, Contains(Field(&core::Gate::reason, reason)));
  for (const core::Gate& gate : why.gates) {
    if (gate.verdict == core::GateVerdict::kPass) continue;
    EXPECT_NE(gate.reason, "") << gate.name;
    EXPECT_NE(gate.message, "") << gate.name;
  }
}

TEST(Pain, StuckAndNothingSaysWhy) {
  Stage stage(3);
  stage.Start(SpecOf(1, 0));
  stage.Do(core::HoldRollout{kRollout, "lunch"});
  ExpectReason(stage, "HELD_BY_OPERATOR");
  stage.Do(core::ResumeRollout{kRollout});
  stage.Do(core::CordonHost{HostName(2), "disk"});
  stage.Report(1, UpdateState::kDone);
  // The cordon has the only place, and its holder is named.
  const core::Explanation why = stage.Explain();
  bool named = false;
  for (const core::Gate& gate : why.gates) {
    named = named || gate.holder.find("host-2") != std::string::npos ||
            gate.message.find("host-2") != std::string::npos;
  }
  EXPECT_TRUE(named) << why.summary;
}

TEST(Pain, WhoseCordonIsIt) {
  Stage stage(4);
  stage.Do(core::CordonHost{HostName(2), "disk"}, "bob");
  stage.Start(SpecOf(2, 2));
  stage.Report(1, UpdateState::kDone);
  // It is still there, still bob's, and says so.
  ASSERT_TRUE(stage.host(2).cordon.has_value());
  EXPECT_EQ(stage.host(2).cordon->by, "bob");
  const absl::Status twice =
      stage.Try(core::CordonHost{HostName(2), "mine"}, "alice");
  EXPECT_EQ(Reason(twice), "HOST_CORDONED");
  EXPECT_THAT(std::string(twice.message()), HasSubstr("'bob': disk"));
  // An update leaves no cordon behind.
  EXPECT_FALSE(stage.host(1).cordon.has_value());
  EXPECT_EQ(StateOf(stage.host(1)), HostState::kReady);
}

TEST(Pain, ThresholdsThatSurprise) {
  Stage stage(10);
  core::RolloutSpec spec = SpecOf(5, 9);
  spec.limits.max_unavailable_percent = 20;
  spec.failure_tolerance.percent = 10;
  stage.Start(spec);
  // Number and percentage, the smaller wins; of what is in the plan.
  EXPECT_EQ(stage.rollout().plan->max_unavailable, 2u);
  EXPECT_EQ(stage.rollout().plan->failures_max, 1u);
  EXPECT_EQ(ProgressOf(stage.rollout()).running, 2u);
  stage.Report(1, UpdateState::kCancelled);
  EXPECT_EQ(stage.rollout().state, RolloutState::kRunning);
  stage.Report(2, UpdateState::kCancelled);
  EXPECT_EQ(stage.rollout().state, RolloutState::kHeld);
  // The figures are said, not only that they were exceeded.
  EXPECT_THAT(FailuresText(stage.rollout()), HasSubstr("2"));
  EXPECT_THAT(FailuresText(stage.rollout()), HasSubstr("1"));
}

TEST(Pain, FailedBecomesInService) {
  Stage stage(2);
  stage.Start(SpecOf(1, 1));
  stage.Report(1, UpdateState::kQuarantined);
  // Neither time, nor a healthy agent, nor the right driver make it READY.
  stage.Advance(absl::Hours(100));
  stage.Disconnect(1);
  stage.Connect(1, "2.0");
  stage.Advance(absl::Hours(100));
  EXPECT_EQ(StateOf(stage.host(1)), HostState::kQuarantined);
  EXPECT_FALSE(core::OrderFor(stage.fleet(), HostName(1)).has_value());
}

TEST(Pain, OneBadHostBlocksAll) {
  Stage stage(4);
  stage.Start(SpecOf(2, 4));
  stage.Report(1, UpdateState::kQuarantined);
  for (const int number : {2, 3, 4}) stage.Report(number, UpdateState::kDone);
  EXPECT_EQ(ProgressOf(stage.rollout()).done, 3u);
  EXPECT_EQ(stage.update(1).reason, "SAVE_FAILED");
}

TEST(Pain, AbortLeavesDebris) {
  World world({.hosts = 4});
  world.Start(SpecOf(2, 4));
  world.Round();
  ASSERT_TRUE(world.Call(core::AbortRollout{kRollout, "enough"}).ok());
  ASSERT_TRUE(world.RunUntil(
      [&] { return world.rollout().state == RolloutState::kAborted; }));
  for (const auto& [name, host] : world.fleet().hosts) {
    EXPECT_EQ(StateOf(host), HostState::kReady) << name;
    EXPECT_EQ(host.rollout, "") << name;
    EXPECT_FALSE(host.cordon.has_value()) << name;
  }
  EXPECT_EQ(core::CountUnavailable(world.fleet()).total(), 0u);
  // The next rollout goes through.
  ASSERT_TRUE(
      world.Call(core::CreateRollout{"rollouts/next", SpecOf(2, 0)}).ok());
  ASSERT_TRUE(world.Call(core::PlanRollout{"rollouts/next"}).ok());
  const std::string digest =
      world.fleet().rollouts.at("rollouts/next").plan->digest;
  ASSERT_TRUE(world.Call(core::StartRollout{"rollouts/next", digest}).ok());
  EXPECT_TRUE(world.RunUntil([&] {
    return world.fleet().rollouts.at("rollouts/next").state ==
           RolloutState::kSucceeded;
  }));
  EXPECT_EQ(world.violation, absl::OkStatus());
}

TEST(Pain, LocksHeldByWhatNoLongerExists) {
  Stage stage(3);
  stage.Start(SpecOf(1, 1));
  // The host burns down with the only slot.
  stage.Disconnect(1);
  stage.Advance(absl::Hours(100));
  EXPECT_EQ(ProgressOf(stage.rollout()).running, 1u);
  ExpectReason(stage, "UPDATE_RUNNING");
  EXPECT_EQ(Reason(stage.Try(core::DeleteHost{HostName(1), "burnt"})),
            "HOST_UPDATING");
  // Two words of a person, each on record, and the others go on.
  const core::Changes released =
      stage.Do(core::ReleaseHost{HostName(1), "burnt"}, "bob");
  ASSERT_EQ(released.audit.size(), 1u);
  EXPECT_EQ(released.audit[0].actor, "bob");
  EXPECT_EQ(released.audit[0].detail, "burnt");
  stage.Do(core::DeleteHost{HostName(1), "burnt"}, "bob");
  stage.Settle();
  for (const int number : {2, 3}) stage.Report(number, UpdateState::kDone);
  EXPECT_EQ(stage.rollout().state, RolloutState::kSucceeded);
}

// Each alone keeps all hosts back, and `why` names whichever is left.
TEST(Pain, WindowsLocksAndHealthDoNotCombine) {
  Stage stage(4);
  core::RolloutSpec spec = SpecOf(2, 0);
  // The stage begins at 22:13 on a Tuesday.
  spec.windows = {core::WindowSpec{{},
                                   "23:00",
                                   "05:00",
                                   "UTC",
                                   absl::UTCTimeZone(),
                                   core::WindowCutoff::kFinish}};
  spec.limits.domains = {{"zone", 1}};
  stage.Do(core::FreezeFleet{"audit", stage.fleet().now + absl::Hours(2)});
  stage.Do(core::CordonHost{HostName(2), "disk"}, "bob");
  stage.Do(core::CreateRollout{kRollout, spec});
  stage.Do(core::UncordonHost{HostName(2)});
  stage.Plan();
  stage.Do(core::StartRollout{kRollout, stage.rollout().plan->digest});
  stage.Settle();
  stage.Do(core::CordonHost{HostName(2), "disk"}, "bob");
  stage.Disconnect(1);
  const auto running = [&] { return ProgressOf(stage.rollout()).running; };
  EXPECT_EQ(running(), 0u);
  ExpectReason(stage, "FLEET_FROZEN");
  ExpectReason(stage, "WINDOW_CLOSED");
  stage.Advance(absl::Hours(1));  // the window opens, the freeze holds
  EXPECT_EQ(running(), 0u);
  ExpectReason(stage, "FLEET_FROZEN");
  stage.Advance(absl::Hours(1));  // who is away and who is cordoned still count
  EXPECT_EQ(running(), 0u);
  ExpectReason(stage, "MAX_UNAVAILABLE_REACHED");
  stage.Connect(1);
  stage.Settle();
  EXPECT_EQ(running(),
            1u);  // the cordon has the other place, and all of "even"
  EXPECT_EQ(stage.update(4).state, UpdateState::kPending);
  ExpectReason(stage, "MAX_UNAVAILABLE_REACHED");
}

TEST(Pain, ReopeningReplaysOldEvents) {
  World world({.hosts = 3});
  world.Start(SpecOf(1, 0));
  for (int life = 0; life < 20; ++life) {
    world.Round();
    world.RestartService();
  }
  ASSERT_TRUE(world.RunUntil(
      [&] { return world.rollout().state == RolloutState::kSucceeded; }));
  for (int number = 1; number <= 3; ++number) {
    EXPECT_EQ(world.agent(number).Begun(1), 1);
    EXPECT_EQ(world.agent(number).Begun(2), 0);
  }
  EXPECT_EQ(world.violation, absl::OkStatus());
}

TEST(Pain, ZeroMeansUnlimited) {
  Stage stage(4);
  const core::CreateRollout none{kRollout, SpecOf(0, 0)};
  EXPECT_EQ(stage.Try(none).code(), absl::StatusCode::kInvalidArgument);
  core::RolloutSpec percent = SpecOf(1, 0);
  percent.limits.max_unavailable_percent = 0;
  EXPECT_EQ(stage.Try(core::CreateRollout{kRollout, percent}).code(),
            absl::StatusCode::kInvalidArgument);
  // Nothing said is one at a time and no failure, not everything.
  stage.Start(MakeSpec());
  EXPECT_EQ(stage.rollout().plan->max_unavailable, 1u);
  EXPECT_EQ(stage.rollout().plan->failures_max, 0u);
  EXPECT_EQ(ProgressOf(stage.rollout()).running, 1u);
}

}  // namespace
}  // namespace baton
