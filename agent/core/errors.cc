#include "agent/core/errors.h"

#include "absl/strings/str_cat.h"
#include "base/reason.h"

namespace baton::agent::core {

absl::Status StaleEpochError(uint64_t got, uint64_t want) {
  return ErrorWithReason(
      absl::StatusCode::kAborted, "STALE_EPOCH",
      absl::StrCat("order of epoch ", got, ", want at least ", want));
}

absl::Status AttemptFinishedError(uint64_t got, uint64_t last) {
  return ErrorWithReason(
      absl::StatusCode::kAborted, "ATTEMPT_FINISHED",
      absl::StrCat("attempt ", got, " has ended, the last one was ", last));
}

absl::Status AttemptRunningError(uint64_t got, uint64_t running) {
  return ErrorWithReason(
      absl::StatusCode::kFailedPrecondition, "ATTEMPT_RUNNING",
      absl::StrCat("attempt ", got, " cannot start while attempt ", running,
                   " is under way"));
}

absl::Status OrderExpiredError(uint64_t attempt, absl::Duration late) {
  return ErrorWithReason(
      absl::StatusCode::kFailedPrecondition, "ORDER_EXPIRED",
      absl::StrCat("attempt ", attempt, " was not to be begun any more ",
                   absl::FormatDuration(late), " ago"));
}

absl::Status BadOrderError(absl::string_view problem) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_ORDER",
                         absl::StrCat("order ", problem));
}

absl::Status StepUnexpectedError(Way way, Phase phase, Step step) {
  return ErrorWithReason(
      absl::StatusCode::kFailedPrecondition, "STEP_UNEXPECTED",
      absl::StrCat("outcome of step '", Name(step), "' does not fit phase '",
                   Name(phase), "' on the way ", Name(way)));
}

}  // namespace baton::agent::core
