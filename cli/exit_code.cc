#include "cli/exit_code.h"

#include "absl/strings/str_format.h"

namespace baton::cli {
namespace {

struct Meaning {
  ExitCode code = ExitCode::kOk;
  const char* text = "";
};

constexpr Meaning kMeanings[] = {
    {ExitCode::kOk, "done; watch: the rollout SUCCEEDED"},
    {ExitCode::kRefused, "refused: the request is wrong or not allowed"},
    {ExitCode::kUsage, "the command line or a file given to it is wrong"},
    {ExitCode::kNotFound, "there is no such object"},
    {ExitCode::kWrongState, "refused by its state, or somebody was faster"},
    {ExitCode::kServiceAway, "the service does not answer"},
    {ExitCode::kTooLate, "no answer within --timeout; outcome unknown"},
    {ExitCode::kRolloutFailed, "watch: FAILED, ABORTED or ROLLED_BACK"},
    {ExitCode::kRolloutHeld, "watch --exit-on-hold: the rollout is HELD"},
    {ExitCode::kInterrupted, "watch: Ctrl-C; the rollout goes on"},
};

}  // namespace

ExitCode ExitCodeOf(const absl::Status& status) {
  if (status.ok()) return ExitCode::kOk;
  if (absl::IsNotFound(status)) return ExitCode::kNotFound;
  if (absl::IsFailedPrecondition(status) || absl::IsAborted(status) ||
      absl::IsAlreadyExists(status)) {
    return ExitCode::kWrongState;
  }
  if (absl::IsUnavailable(status) || absl::IsResourceExhausted(status)) {
    return ExitCode::kServiceAway;
  }
  if (absl::IsDeadlineExceeded(status)) return ExitCode::kTooLate;
  return ExitCode::kRefused;
}

ExitCode ExitCodeOf(v1::RolloutState state) {
  return state == v1::ROLLOUT_STATE_SUCCEEDED ? ExitCode::kOk
                                              : ExitCode::kRolloutFailed;
}

bool HasEnded(v1::RolloutState state) {
  return state == v1::ROLLOUT_STATE_SUCCEEDED ||
         state == v1::ROLLOUT_STATE_FAILED ||
         state == v1::ROLLOUT_STATE_ABORTED ||
         state == v1::ROLLOUT_STATE_ROLLED_BACK;
}

std::string ExitCodeTable() {
  std::string table = "Exit codes:\n";
  for (const Meaning& meaning : kMeanings) {
    absl::StrAppendFormat(&table, "  %3d  %s\n", static_cast<int>(meaning.code),
                          meaning.text);
  }
  return table;
}

}  // namespace baton::cli
