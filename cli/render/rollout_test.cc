#include "cli/render/rollout.h"

#include "cli/render/golden.h"
#include "gtest/gtest.h"

namespace baton::cli {
namespace {

constexpr Look kTable = {Detail::kTable, Colour::kNever};
constexpr Look kWide = {Detail::kWide, Colour::kNever};

TEST(RolloutRenderTest, Tables) {
  v1::ListRolloutsResponse rollouts;
  *rollouts.add_rollouts() = Sample<v1::Rollout>("rollout.txtpb");
  v1::Rollout& held = *rollouts.add_rollouts();
  held.set_name("rollouts/careful");
  held.set_state(v1::ROLLOUT_STATE_HELD);
  held.set_reason("HELD_BY_OPERATOR");
  held.set_message("held by ana: lunch");
  ExpectGolden("rollout_table", RolloutTable(rollouts, kTable));
  ExpectGolden("rollout_wide", RolloutTable(rollouts, kWide));
}

TEST(RolloutRenderTest, OneRollout) {
  v1::Rollout rollout = Sample<v1::Rollout>("rollout.txtpb");
  ExpectGolden("rollout_get", RolloutText(rollout, kTable));
  ExpectGolden("rollout_get_wide", RolloutText(rollout, kWide));
}

TEST(RolloutRenderTest, AllOfAPolicy) {
  const auto rollout = Sample<v1::Rollout>("rollout_policy.txtpb");
  ExpectGolden("rollout_policy", RolloutText(rollout, kTable));
  ExpectGolden("plan_policy", PlanText(rollout, "baton", kTable));
}

TEST(RolloutRenderTest, APlanWhoseWindowsNeverOpenLongEnoughSaysSo) {
  auto rollout = Sample<v1::Rollout>("rollout_policy.txtpb");
  rollout.mutable_plan()->clear_estimated_end_time();
  EXPECT_NE(PlanText(rollout, "baton", kTable)
                .find("takes about 24h02m; its windows never open long "
                      "enough\n"),
            std::string::npos);
}

TEST(RolloutRenderTest, APlanThatWouldExceedItsBlackoutSaysSo) {
  auto rollout = Sample<v1::Rollout>("rollout_policy.txtpb");
  rollout.mutable_plan()->mutable_predicted_blackout()->set_seconds(2);
  EXPECT_NE(PlanText(rollout, "baton", kTable)
                .find("longest blackout predicted: 2.04 s\nthat is longer than "
                      "the 2.00 s that the policy allows: it would stop at "
                      "the first such host\n"),
            std::string::npos)
      << PlanText(rollout, "baton", kTable);
}

TEST(RolloutRenderTest, ADraftSaysItsDefaults) {
  v1::Rollout rollout;
  rollout.set_name("rollouts/r2");
  rollout.set_state(v1::ROLLOUT_STATE_DRAFT);
  rollout.mutable_spec()->set_driver("drivers/softgpu/versions/2.0");
  rollout.mutable_spec()->set_selector("*");
  ExpectGolden("rollout_draft", RolloutText(rollout, kTable));
}

TEST(RolloutRenderTest, PlanEndsWithWhatToType) {
  const auto rollout = Sample<v1::Rollout>("rollout.txtpb");
  ExpectGolden("plan", PlanText(rollout, "baton", kTable));
  const std::string text = PlanText(rollout, "baton --server unix:/s", kTable);
  EXPECT_TRUE(text.ends_with(
      "\n  baton --server unix:/s rollout start r1 --digest sha256:d1\n"))
      << text;
}

TEST(RolloutRenderTest, ProgressNamesEveryCountThatIsNotZero) {
  v1::RolloutProgress progress;
  EXPECT_EQ(ProgressText(progress), "0 of 0 hosts done");
  progress.set_total(7);
  progress.set_pending(1);
  progress.set_running(1);
  progress.set_done(1);
  progress.set_cancelled(1);
  progress.set_rolled_back(1);
  progress.set_quarantined(1);
  progress.set_skipped(1);
  EXPECT_EQ(ProgressText(progress),
            "1 of 7 hosts done, 1 running, 1 pending, 1 cancelled, "
            "1 rolled back, 1 quarantined, 1 skipped");
}

}  // namespace
}  // namespace baton::cli
