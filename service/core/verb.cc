#include "service/core/verb.h"

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "service/core/errors.h"
#include "service/core/names.h"

namespace baton::core {
namespace {

constexpr size_t kReasonBytesMax = 1024;

// Returns the reason for which a rollout in `state` refuses a verb.
absl::string_view RefusalOf(RolloutState state) {
  switch (state) {
    case RolloutState::kDraft:
      return "ROLLOUT_NOT_PLANNED";
    case RolloutState::kPlanned:
      return "ROLLOUT_NOT_STARTED";
    case RolloutState::kAwaitingApproval:
    case RolloutState::kRunning:
      return "ROLLOUT_STARTED";
    case RolloutState::kHeld:
      return "ROLLOUT_HELD";
    case RolloutState::kAborting:
      return "ROLLOUT_ABORTING";
    case RolloutState::kSucceeded:
    case RolloutState::kFailed:
    case RolloutState::kAborted:
    case RolloutState::kRolledBack:
      return "ROLLOUT_FINISHED";
  }
  return "";
}

}  // namespace

absl::StatusOr<const Rollout*> FindFor(const Fleet& fleet,
                                       const std::string& name,
                                       const std::string& etag,
                                       const std::set<RolloutState>& want) {
  RETURN_IF_ERROR(CheckRolloutName(name));
  const Rollout* rollout = FindRollout(fleet, name);
  if (rollout == nullptr) return RolloutNotFoundError(name);
  RETURN_IF_ERROR(CheckEtag(name, etag, rollout->version));
  if (want.count(rollout->state) > 0) return rollout;
  std::string names;
  for (const RolloutState state : want) {
    absl::StrAppend(&names, names.empty() ? "" : " or ", Name(state));
  }
  return RefusedError(
      RefusalOf(rollout->state),
      absl::StrCat("'", name, "' is ", Name(rollout->state), ", want ", names));
}

absl::StatusOr<const Host*> FindFor(const Fleet& fleet, const std::string& name,
                                    const std::string& etag) {
  RETURN_IF_ERROR(CheckHostName(name));
  const Host* host = FindHost(fleet, name);
  if (host == nullptr) return HostNotFoundError(name);
  RETURN_IF_ERROR(CheckEtag(name, etag, host->version));
  return host;
}

absl::Status CheckEtag(absl::string_view name, absl::string_view etag,
                       uint64_t version) {
  if (etag.empty() || etag == EtagOf(version)) return absl::OkStatus();
  return EtagMismatchError(name, etag, EtagOf(version));
}

absl::Status CheckReason(absl::string_view reason) {
  if (!reason.empty() && reason.size() <= kReasonBytesMax) {
    return absl::OkStatus();
  }
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_REASON",
                         absl::StrCat("field 'reason' has ", reason.size(),
                                      " bytes, want 1 to ", kReasonBytesMax));
}

absl::Status RefusedError(absl::string_view reason, absl::string_view message) {
  return ErrorWithReason(absl::StatusCode::kFailedPrecondition, reason,
                         message);
}

}  // namespace baton::core
