#include <string>

#include "base/reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "service/core/explain.h"
#include "tests/support/stage.h"
#include "tests/support/world.h"

namespace baton {
namespace {

using core::RolloutState;
using core::UpdateState;
using support::FakeAgent;
using support::kRollout;
using support::World;
using ::testing::HasSubstr;

// A canary, then a quarter, then the rest; two at a time.
core::RolloutSpec SpecOf(uint32_t tolerated, absl::Duration bake) {
  core::RolloutSpec spec = support::MakeSpec();
  spec.waves = {{"canary", core::WaveSize::kHosts, 1, bake},
                {"", core::WaveSize::kPercent, 25, bake},
                {"", core::WaveSize::kRest}};
  spec.limits.max_unavailable = 2;
  spec.failure_tolerance.hosts = tolerated;
  return spec;
}

class RolloutScenario : public testing::Test {
 protected:
  bool RunUntil(RolloutState state) {
    return world_.RunUntil([&] { return world_.rollout().state == state; });
  }
  UpdateState StateOf(int number) {
    return world_.rollout().updates.at(support::HostName(number)).state;
  }
  void TearDown() override { EXPECT_EQ(world_.violation, absl::OkStatus()); }

  World world_{{.hosts = 8}};
};

TEST_F(RolloutScenario, UpdatesEveryHostInWavesThatBake) {
  world_.Start(SpecOf(0, absl::Minutes(1)));
  const absl::Time start = world_.fleet().now;
  ASSERT_TRUE(RunUntil(RolloutState::kSucceeded));
  EXPECT_GE(world_.fleet().now - start, absl::Minutes(2));
  for (int number = 1; number <= 8; ++number) {
    EXPECT_EQ(world_.agent(number).version(), "2.0");
    EXPECT_EQ(world_.agent(number).Begun(1), 1);
  }
  const core::RolloutProgress progress = ProgressOf(world_.rollout());
  EXPECT_EQ(progress.done, 8u);
  EXPECT_EQ(progress.vgpus, 8u);
  EXPECT_EQ(progress.vgpus_preserved, 8u);
}

TEST_F(RolloutScenario, HoldsOnAFailureAndSaysWhichDriverCallItWas) {
  world_.agent(3).driver = FakeAgent::Driver::kSaveFails;
  world_.Start(SpecOf(0, absl::ZeroDuration()));
  ASSERT_TRUE(RunUntil(RolloutState::kHeld));
  ASSERT_TRUE(world_.RunUntil(
      [&] { return ProgressOf(world_.rollout()).running == 0; }));
  EXPECT_EQ(StateOf(3), UpdateState::kCancelled);
  EXPECT_EQ(world_.agent(3).version(), "1.0");
  const auto why = core::ExplainRollout(world_.fleet(), kRollout);
  ASSERT_TRUE(why.ok());
  EXPECT_THAT(why->summary, HasSubstr("hosts/host-3 CANCELLED: SAVE_FAILED"));

  EXPECT_EQ(Reason(world_.Call(core::ResumeRollout{kRollout})),
            "FAILURE_TOLERANCE_EXCEEDED");
  EXPECT_EQ(world_.Call(core::ResumeRollout{kRollout, true}), absl::OkStatus());
  ASSERT_TRUE(RunUntil(RolloutState::kSucceeded));
  EXPECT_EQ(ProgressOf(world_.rollout()).done, 7u);
}

TEST_F(RolloutScenario, GoesOnWithinTheToleranceAndKeepsAwayFromQuarantine) {
  world_.agent(2).driver = FakeAgent::Driver::kRestoreFails;
  world_.agent(5).driver = FakeAgent::Driver::kLosesVgpu;
  world_.Start(SpecOf(2, absl::ZeroDuration()));
  ASSERT_TRUE(RunUntil(RolloutState::kSucceeded));
  EXPECT_EQ(StateOf(2), UpdateState::kRolledBack);
  EXPECT_EQ(StateOf(5), UpdateState::kQuarantined);
  EXPECT_EQ(core::StateOf(world_.fleet().hosts.at(support::HostName(5))),
            core::HostState::kQuarantined);
  EXPECT_EQ(ProgressOf(world_.rollout()).done, 6u);
}

TEST_F(RolloutScenario, AbortCancelsWhatCanBeAndLetsTheOthersFinish) {
  world_.Start(SpecOf(0, absl::ZeroDuration()));
  // One host is past its point of no return when the word comes.
  ASSERT_TRUE(world_.RunUntil([&] {
    for (const auto& [host, update] : world_.rollout().updates) {
      if (update.state == UpdateState::kRunning && update.past_no_return) {
        return true;
      }
    }
    return false;
  }));
  EXPECT_EQ(world_.Call(core::AbortRollout{kRollout, "enough"}),
            absl::OkStatus());
  ASSERT_TRUE(RunUntil(RolloutState::kAborted));
  const core::RolloutProgress progress = ProgressOf(world_.rollout());
  EXPECT_EQ(progress.done, 1u);
  EXPECT_EQ(progress.skipped, 7u);
  EXPECT_EQ(Reason(world_.Call(core::AbortRollout{kRollout, "again"})),
            "ROLLOUT_FINISHED");
}

TEST_F(RolloutScenario, FinishesWhereverTheServiceIsKilled) {
  world_.Start(SpecOf(0, absl::Seconds(5)));
  int round = 0;
  ASSERT_TRUE(world_.RunUntil([&] {
    if (++round % 7 == 0) world_.RestartService();
    return world_.rollout().state == RolloutState::kSucceeded;
  }));
  EXPECT_GT(world_.fleet().epoch, 5u);
  for (int number = 1; number <= 8; ++number) {
    EXPECT_EQ(world_.agent(number).Begun(1), 1);
    EXPECT_EQ(world_.agent(number).Begun(2), 0);
  }
}

TEST_F(RolloutScenario, KeepsASlotOfAHostThatIsGoneAndGoesOnWithTheOthers) {
  world_.Start(SpecOf(0, absl::ZeroDuration()));
  ASSERT_TRUE(world_.RunUntil([&] { return world_.rollout().wave == 2; }));
  FakeAgent* gone = nullptr;
  ASSERT_TRUE(world_.RunUntil([&] {
    for (size_t number = 1; number <= world_.agents(); ++number) {
      FakeAgent& agent = world_.agent(static_cast<int>(number));
      if (!agent.idle()) gone = &agent;
    }
    return gone != nullptr;
  }));
  // It is silent for an hour; nothing but its own word frees its slot.
  for (int minute = 0; minute < 60; ++minute) {
    world_.clock().Advance(absl::Minutes(1));
    for (size_t number = 1; number <= world_.agents(); ++number) {
      FakeAgent& agent = world_.agent(static_cast<int>(number));
      if (&agent != gone) world_.Act(agent);
    }
    for (int i = 0; i < 100; ++i) world_.Deliver();
    world_.Turn();
  }
  const core::Update& update = world_.rollout().updates.at(gone->host());
  EXPECT_EQ(update.state, UpdateState::kRunning);
  EXPECT_EQ(world_.fleet().hosts.at(gone->host()).rollout, kRollout);
  ASSERT_TRUE(RunUntil(RolloutState::kSucceeded));
}

}  // namespace
}  // namespace baton
