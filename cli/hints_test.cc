#include "cli/hints.h"

#include "base/reason.h"
#include "gtest/gtest.h"

namespace baton::cli {
namespace {

const HintContext kContext = {"baton --server unix:/s", "rollouts/r1"};

absl::Status Error(absl::StatusCode code, absl::string_view reason) {
  return ErrorWithReason(code, reason, "message");
}

TEST(HintsTest, SayWhatToTypeNext) {
  EXPECT_EQ(
      HintFor(Error(absl::StatusCode::kAborted, "PLAN_CHANGED"), kContext),
      "the fleet is no longer what was planned against; review it again: "
      "baton --server unix:/s rollout plan r1");
  EXPECT_EQ(HintFor(Error(absl::StatusCode::kFailedPrecondition,
                          "FAILURE_TOLERANCE_EXCEEDED"),
                    {"baton", "rollouts/r1"}),
            "see baton why r1, then baton rollout resume r1 "
            "--accept-failures, or baton rollout abort r1 --reason TEXT");
}

TEST(HintsTest, SayWhatMakesRoom) {
  EXPECT_EQ(
      HintFor(Error(absl::StatusCode::kResourceExhausted, "TOO_MANY_ROLLOUTS"),
              {"baton", "rollouts/r1"}),
      "baton rollout delete NAME forgets one that has ended; see baton "
      "rollout list");
}

// To whoever wanted it gone it said how to go on with it, and nothing else.
TEST(Regression, AHeldRolloutCanBeEndedToo) {
  EXPECT_EQ(
      HintFor(Error(absl::StatusCode::kFailedPrecondition, "ROLLOUT_HELD"),
              {"baton", "rollouts/r1"}),
      "see baton why r1, then baton rollout resume r1, or baton rollout "
      "abort r1 --reason TEXT");
}

TEST(HintsTest, AReasonWithoutOneGetsThatOfItsCode) {
  EXPECT_EQ(HintFor(Error(absl::StatusCode::kFailedPrecondition, "NEW_REASON"),
                    kContext),
            "baton --server unix:/s why r1 says what stands in the way");
  EXPECT_EQ(HintFor(Error(absl::StatusCode::kFailedPrecondition, "NEW_REASON"),
                    {"baton", "hosts/h"}),
            "");
  EXPECT_EQ(HintFor(absl::UnimplementedError("m"), kContext),
            "this service cannot do that; is it older than this command?");
}

TEST(HintsTest, ErrorsHaveReasonAndHint) {
  EXPECT_EQ(ErrorText(Error(absl::StatusCode::kNotFound, "HOST_NOT_FOUND"),
                      {"baton", "hosts/h"}),
            "error: message [HOST_NOT_FOUND]\nhint: see baton host list\n");
}

TEST(HintsTest, WithoutAReasonTheCodeStandsIn) {
  EXPECT_EQ(ErrorText(absl::InternalError("a\nb"), {}),
            "error: a\n       b [INTERNAL]\n");
}

}  // namespace
}  // namespace baton::cli
