#include "cli/render/watch_model.h"

#include <vector>

#include "cli/render/golden.h"
#include "gtest/gtest.h"

namespace baton::cli {
namespace {

using Changes = std::vector<WatchChange>;

v1::WatchRolloutResponse Everything() {
  v1::WatchRolloutResponse message;
  *message.mutable_rollout() = Sample<v1::Rollout>("rollout.txtpb");
  *message.mutable_updates() =
      Sample<v1::ListUpdatesResponse>("updates.txtpb").updates();
  return message;
}

TEST(WatchModelTest, TheFirstMessageLeavesOutWhoWaits) {
  WatchModel model;
  EXPECT_EQ(
      model.Fold(Everything()),
      (Changes{{"rollouts/r1", "RUNNING", "-", ""},
               {"host-1", "DONE", "REOPEN_GATE", "longest blackout 51.0 ms"},
               {"host-2", "RUNNING", "UNLOAD", ""},
               {"host-3", "ROLLED_BACK", "REOPEN_GATE",
                "driver could not start [DRIVER_FAILED]"}}));
}

TEST(WatchModelTest, TheSameAgainChangesNothing) {
  WatchModel model;
  model.Fold(Everything());
  EXPECT_EQ(model.Fold(Everything()), Changes());
}

TEST(WatchModelTest, OnlyWhatDiffersIsAChange) {
  WatchModel model;
  model.Fold(Everything());
  v1::WatchRolloutResponse message = Everything();
  message.mutable_updates(1)->set_step(v1::STEP_RESTORE);
  message.mutable_rollout()->mutable_progress()->set_done(2);
  EXPECT_EQ(model.Fold(message),
            (Changes{{"host-2", "RUNNING", "RESTORE", ""}}));
  EXPECT_EQ(model.rollout().progress().done(), 2u);
}

TEST(WatchModelTest, ARolloutThatEndsComesAfterTheHostsThatEndedIt) {
  WatchModel model;
  model.Fold(Everything());
  v1::WatchRolloutResponse message = Everything();
  message.mutable_rollout()->set_state(v1::ROLLOUT_STATE_SUCCEEDED);
  message.mutable_updates(1)->set_state(v1::UPDATE_STATE_DONE);
  EXPECT_EQ(model.Fold(message),
            (Changes{{"host-2", "DONE", "UNLOAD", "longest blackout -"},
                     {"rollouts/r1", "SUCCEEDED", "-", ""}}));
}

TEST(WatchModelTest, ThePlanStaysThoughLaterMessagesLackIt) {
  WatchModel model;
  model.Fold(Everything());
  v1::WatchRolloutResponse message;
  *message.mutable_rollout() = Everything().rollout();
  message.mutable_rollout()->clear_plan();
  message.mutable_rollout()->set_state(v1::ROLLOUT_STATE_HELD);
  message.mutable_rollout()->set_reason("HELD_BY_OPERATOR");
  message.mutable_rollout()->set_message("held by ana: lunch");
  EXPECT_EQ(model.Fold(message),
            (Changes{{"rollouts/r1", "HELD", "-",
                      "held by ana: lunch [HELD_BY_OPERATOR]"}}));
  EXPECT_EQ(model.rollout().plan().waves_size(), 3);
}

// It kept hosts and plan of one that was deleted while the service was away.
TEST(Regression, AnotherRolloutOfTheNameHasNothingOfTheOneBefore) {
  WatchModel model;
  model.Fold(Everything());
  v1::WatchRolloutResponse message;
  message.mutable_rollout()->set_name("rollouts/r1");
  message.mutable_rollout()->set_state(v1::ROLLOUT_STATE_DRAFT);
  message.mutable_rollout()->mutable_create_time()->set_seconds(1);
  EXPECT_EQ(model.Fold(message), (Changes{{"rollouts/r1", "DRAFT", "-", ""}}));
  EXPECT_TRUE(model.updates().empty());
  EXPECT_EQ(model.rollout().plan().waves_size(), 0);
}

TEST(WatchModelTest, LinesHaveTimeSubjectStateStepMessage) {
  const absl::Time time = absl::FromUnixSeconds(1715938200);
  EXPECT_EQ(WatchLine({"host-3", "RUNNING", "SAVE", ""}, time),
            "2024-05-17T09:30:00Z host-3 RUNNING SAVE");
  EXPECT_EQ(WatchLine({"host-3", "CANCELLED", "SAVE", "two\nlines"}, time),
            "2024-05-17T09:30:00Z host-3 CANCELLED SAVE two lines");
}

TEST(WatchModelTest, SummarySaysHostsVgpusAndBlackout) {
  EXPECT_EQ(WatchSummary(Everything().rollout()),
            "rollout r1 RUNNING: 1 of 5 hosts done, 1 running, 2 pending, "
            "1 rolled back; 8 of 8 vGPUs kept; blackout p50 21.3 ms  "
            "p99 44.0 ms  max 51.0 ms");
}

}  // namespace
}  // namespace baton::cli
