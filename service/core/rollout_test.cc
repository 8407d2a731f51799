#include "service/core/rollout.h"

#include "gtest/gtest.h"

namespace baton::core {
namespace {

Update Ended(UpdateState state, absl::Duration blackout) {
  Update update;
  update.state = state;
  update.past_no_return = state != UpdateState::kCancelled;
  update.vgpus = {{1, "", state != UpdateState::kQuarantined, blackout, ""}};
  return update;
}

TEST(RolloutTest, CountsProgress) {
  Rollout rollout;
  rollout.state = RolloutState::kRunning;
  rollout.plan.emplace();
  rollout.plan->hosts = 7;
  rollout.plan->waves.resize(1);
  rollout.wave = 1;
  rollout.updates["a"] = {};
  rollout.updates["b"].state = UpdateState::kRunning;
  rollout.updates["c"] = Ended(UpdateState::kDone, absl::Milliseconds(10));
  rollout.updates["d"] = Ended(UpdateState::kCancelled, absl::Milliseconds(20));
  rollout.updates["e"] =
      Ended(UpdateState::kRolledBack, absl::Milliseconds(30));
  rollout.updates["f"] =
      Ended(UpdateState::kQuarantined, absl::Milliseconds(40));
  rollout.updates["g"].state = UpdateState::kSkipped;
  rollout.updates["g"].reason = "ALREADY_AT_VERSION";

  RolloutProgress want;
  want.total = 7;
  want.pending = want.running = want.done = want.cancelled = 1;
  want.rolled_back = want.quarantined = want.skipped = 1;
  want.failures = 3;
  want.vgpus = 3;
  want.vgpus_preserved = 2;
  want.wave = 1;
  rollout.tally = TallyOf(rollout);
  RolloutProgress progress = ProgressOf(rollout);
  const auto near = [](std::optional<absl::Duration> got, int64_t ms) {
    EXPECT_NEAR(absl::ToDoubleMilliseconds(*got), static_cast<double>(ms),
                static_cast<double>(ms) / 50);
  };
  near(progress.blackout_p50, 20);
  near(progress.blackout_p99, 40);
  near(progress.blackout_max, 40);
  progress.blackout_p50 = progress.blackout_p99 = progress.blackout_max =
      std::nullopt;
  EXPECT_EQ(progress, want);
}

TEST(RolloutTest, ShowsAllAsPendingBeforeItStarts) {
  Rollout rollout;
  EXPECT_EQ(ProgressOf(rollout), RolloutProgress{});
  rollout.plan.emplace();
  rollout.plan->hosts = 3;
  RolloutProgress want;
  want.total = want.pending = 3;
  EXPECT_EQ(ProgressOf(rollout), want);
}

TEST(RolloutTest, CountsToleranceFromWhatWasAccepted) {
  Rollout rollout;
  EXPECT_FALSE(ExceedsTolerance(rollout));
  rollout.plan.emplace();
  rollout.plan->waves.resize(1);
  rollout.plan->failures_max = 1;
  rollout.updates["a"].state = UpdateState::kCancelled;
  rollout.tally = TallyOf(rollout);
  EXPECT_FALSE(ExceedsTolerance(rollout));
  rollout.updates["b"].state = UpdateState::kRolledBack;
  rollout.tally = TallyOf(rollout);
  EXPECT_TRUE(ExceedsTolerance(rollout));
  rollout.failures_accepted = 2;
  EXPECT_FALSE(ExceedsTolerance(rollout));
}

TEST(UpdateTest, TellsTheCauseWithTheDriversOwnStatus) {
  Update update;
  update.state = UpdateState::kCancelled;
  update.reason = "SAVE_FAILED";
  update.message = "the driver refused";
  StepRecord failed;
  failed.step = Step::kSave;
  failed.code = 13;
  failed.nt_status = 0xC0000001;
  failed.entry_point = "DxgkDdiSaveMemoryForHotUpdate";
  failed.rule = "R4";
  update.steps = {StepRecord(), failed};
  EXPECT_EQ(CauseOf(update),
            "CANCELLED: SAVE_FAILED at SAVE: DxgkDdiSaveMemoryForHotUpdate "
            "returned 0xC0000001, rule R4; the driver refused");
}

}  // namespace
}  // namespace baton::core
