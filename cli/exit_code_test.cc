#include "cli/exit_code.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace baton::cli {
namespace {

TEST(ExitCodeTest, EveryStatusCodeHasOne) {
  const std::vector<std::pair<absl::StatusCode, int>> cases = {
      {absl::StatusCode::kOk, 0},
      {absl::StatusCode::kCancelled, 1},
      {absl::StatusCode::kUnknown, 1},
      {absl::StatusCode::kInvalidArgument, 1},
      {absl::StatusCode::kDeadlineExceeded, 6},
      {absl::StatusCode::kNotFound, 3},
      {absl::StatusCode::kAlreadyExists, 4},
      {absl::StatusCode::kPermissionDenied, 1},
      {absl::StatusCode::kResourceExhausted, 5},
      {absl::StatusCode::kFailedPrecondition, 4},
      {absl::StatusCode::kAborted, 4},
      {absl::StatusCode::kOutOfRange, 1},
      {absl::StatusCode::kUnimplemented, 1},
      {absl::StatusCode::kInternal, 1},
      {absl::StatusCode::kUnavailable, 5},
      {absl::StatusCode::kDataLoss, 1},
      {absl::StatusCode::kUnauthenticated, 1},
  };
  for (const auto& [code, want] : cases) {
    EXPECT_EQ(static_cast<int>(ExitCodeOf(absl::Status(code, "m"))), want)
        << absl::StatusCodeToString(code);
  }
}

TEST(ExitCodeTest, EveryRolloutStateEndsOrNot) {
  for (int i = v1::RolloutState_MIN; i <= v1::RolloutState_MAX; ++i) {
    const auto state = static_cast<v1::RolloutState>(i);
    const bool ended = state == v1::ROLLOUT_STATE_SUCCEEDED ||
                       state == v1::ROLLOUT_STATE_FAILED ||
                       state == v1::ROLLOUT_STATE_ABORTED ||
                       state == v1::ROLLOUT_STATE_ROLLED_BACK;
    EXPECT_EQ(HasEnded(state), ended) << v1::RolloutState_Name(state);
    EXPECT_EQ(ExitCodeOf(state), state == v1::ROLLOUT_STATE_SUCCEEDED
                                     ? ExitCode::kOk
                                     : ExitCode::kRolloutFailed);
  }
}

TEST(ExitCodeTest, TheTableNamesEveryCode) {
  const std::string table = ExitCodeTable();
  for (const int code : {0, 1, 2, 3, 4, 5, 6, 10, 11, 130}) {
    EXPECT_NE(table.find(absl::StrCat(" ", code, "  ")), std::string::npos)
        << code;
  }
}

}  // namespace
}  // namespace baton::cli
