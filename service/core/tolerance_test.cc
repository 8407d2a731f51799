#include "service/core/tolerance.h"

#include <string>

#include "base/reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/stage.h"

namespace baton::core {
namespace {

using support::HostName;
using support::kRollout;
using support::MakeSpec;
using support::Stage;
using ::testing::HasSubstr;

RolloutSpec SpecOf(absl::Duration per_vgpu_max, absl::Duration p99_max) {
  RolloutSpec spec = MakeSpec();
  spec.blackout = {per_vgpu_max, p99_max};
  return spec;
}

// The stage's vGPUs stand still for 10 and 20 ms.
TEST(ToleranceTest, HoldsOnABlackoutThatIsTooLong) {
  struct Row {
    absl::Duration per_vgpu_max;
    absl::Duration p99_max;
    bool exceeds;
  };
  const absl::Duration ms = absl::Milliseconds(1);
  const Row rows[] = {{20 * ms, 20 * ms, false},
                      {20 * ms - absl::Nanoseconds(1), 20 * ms, true},
                      {20 * ms, 20 * ms - absl::Nanoseconds(1), true},
                      {absl::Hours(1), absl::Hours(1), false}};
  for (const Row& row : rows) {
    Stage stage(3);
    stage.Start(SpecOf(row.per_vgpu_max, row.p99_max));
    stage.Report(1, UpdateState::kDone);
    EXPECT_EQ(stage.rollout().state,
              row.exceeds ? RolloutState::kHeld : RolloutState::kRunning);
    if (!row.exceeds) continue;
    EXPECT_EQ(stage.rollout().reason, "BLACKOUT_EXCEEDED");
    EXPECT_THAT(stage.rollout().message, HasSubstr("over 2 vGPUs"));
    EXPECT_EQ(Reason(stage.Try(ResumeRollout{kRollout})), "BLACKOUT_EXCEEDED");
    stage.Do(ResumeRollout{kRollout, true});
    stage.Settle();
    EXPECT_EQ(stage.update(2).state, UpdateState::kRunning);
    stage.Report(2, UpdateState::kDone);
    EXPECT_EQ(stage.rollout().state, RolloutState::kHeld);
  }
}

// What had been forgiven hid as many that came later.
TEST(Regression, ABlackoutOfAHostThatIsTriedAgainIsNotForgivenTwice) {
  Stage stage(3);
  RolloutSpec spec = SpecOf(absl::Milliseconds(15), absl::Hours(1));
  spec.failure_tolerance.hosts = 2;
  spec.retry.attempts = 2;
  stage.Start(spec);
  stage.Report(1, UpdateState::kCancelled);  // and is tried again by itself
  EXPECT_EQ(stage.rollout().reason, "BLACKOUT_EXCEEDED");
  stage.Do(ResumeRollout{kRollout, true});
  stage.Settle();
  stage.Report(2, UpdateState::kDone);
  EXPECT_EQ(stage.rollout().reason, "BLACKOUT_EXCEEDED");
  stage.Do(ResumeRollout{kRollout, true});
  EXPECT_EQ(stage.rollout().long_blackouts_accepted, 2u);
  stage.Advance(spec.retry.backoff);
  EXPECT_EQ(stage.update(1).attempt, 2u);
  EXPECT_EQ(stage.rollout().long_blackouts_accepted, 1u);
  stage.Report(1, UpdateState::kRolledBack);
  EXPECT_EQ(stage.rollout().state, RolloutState::kHeld);
  EXPECT_EQ(stage.rollout().reason, "BLACKOUT_EXCEEDED");
  stage.Do(RetryUpdate{kRollout, HostName(1), "fixed"});
  EXPECT_EQ(stage.rollout().long_blackouts_accepted, 0u);
}

TEST(ToleranceTest, LetsOneInAHundredBeSlow) {
  Rollout rollout;
  rollout.plan.emplace();
  for (int i = 0; i < 299; ++i) rollout.tally.blackouts.Add(absl::Seconds(1));
  rollout.tally.slow_blackouts = 2;
  EXPECT_FALSE(ExceedsBlackout(rollout));
  rollout.tally.slow_blackouts = 3;
  EXPECT_TRUE(ExceedsBlackout(rollout));
  rollout.tally.blackouts.Add(absl::Seconds(1));
  EXPECT_FALSE(ExceedsBlackout(rollout));
}

TEST(ToleranceTest, CountsTheFailuresOfAWaveByThemselves) {
  Stage stage(4);
  RolloutSpec spec = MakeSpec();
  spec.waves = {{"canary", WaveSize::kHosts, 2}, {"", WaveSize::kRest}};
  spec.waves[0].failure_tolerance = FailureTolerance{0};
  spec.failure_tolerance.hosts = 3;
  stage.Start(spec);
  stage.Report(1, UpdateState::kCancelled);
  EXPECT_EQ(stage.rollout().state, RolloutState::kHeld);
  EXPECT_EQ(stage.rollout().reason, "FAILURE_TOLERANCE_EXCEEDED");
  EXPECT_EQ(stage.rollout().message,
            "wave 'canary' tolerates 0 failed hosts, it has 1");
  stage.Do(ResumeRollout{kRollout, true});
  stage.Settle();
  stage.Report(2, UpdateState::kDone);
  EXPECT_EQ(stage.rollout().wave, 1u);
  // The wave after it has no tolerance of its own.
  stage.Report(3, UpdateState::kCancelled);
  EXPECT_EQ(stage.rollout().state, RolloutState::kRunning);
}

TEST(ToleranceTest, HoldsAtItsDeadlineAndBeginsItAnewOnResume) {
  Stage stage(2);
  RolloutSpec spec = MakeSpec();
  spec.deadline = absl::Hours(1);
  stage.Start(spec);
  stage.Advance(absl::Hours(1) - absl::Seconds(1));
  EXPECT_EQ(stage.rollout().state, RolloutState::kRunning);
  stage.Advance(absl::Seconds(1));
  EXPECT_EQ(stage.rollout().state, RolloutState::kHeld);
  EXPECT_EQ(stage.rollout().reason, "ROLLOUT_DEADLINE");
  stage.Do(ResumeRollout{kRollout});
  stage.Advance(absl::Minutes(59));
  EXPECT_EQ(stage.rollout().state, RolloutState::kRunning);
  stage.Advance(absl::Minutes(1));
  EXPECT_EQ(stage.rollout().state, RolloutState::kHeld);
}

TEST(ToleranceTest, RollsBackWhereThePolicySaysSo) {
  Stage stage(4);
  RolloutSpec spec = MakeSpec();
  spec.on_exceeded = OnExceeded::kRollBack;
  stage.Start(spec);
  stage.Report(1, UpdateState::kDone);
  stage.Report(2, UpdateState::kCancelled);
  EXPECT_EQ(stage.rollout().state, RolloutState::kAborted);
  EXPECT_EQ(stage.rollout().reason, "FAILURE_TOLERANCE_EXCEEDED");
  EXPECT_EQ(stage.rollout().take_back->by, kServiceActor);
  EXPECT_EQ(stage.rollout().rollback, "rollouts/r-rollback");
  EXPECT_EQ(stage.update(1, "rollouts/r-rollback").state,
            UpdateState::kRunning);
}

TEST(ToleranceTest, RollsBackThoughNoHostIsLeftToHold) {
  Stage stage(2);
  RolloutSpec spec = MakeSpec();
  spec.on_exceeded = OnExceeded::kRollBack;
  stage.Start(spec);
  stage.Report(1, UpdateState::kDone);
  stage.Report(2, UpdateState::kCancelled);
  EXPECT_EQ(stage.rollout().state, RolloutState::kFailed);
  EXPECT_EQ(stage.rollout().rollback, "rollouts/r-rollback");
}

}  // namespace
}  // namespace baton::core
