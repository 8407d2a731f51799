// What operators ask of one host: of its part in a rollout, and of itself.

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "service/core/editor.h"
#include "service/core/errors.h"
#include "service/core/names.h"
#include "service/core/tolerance.h"
#include "service/core/verb.h"

namespace baton::core {
namespace {

// Returns the update that a verb is for, of a rollout that goes on.
absl::StatusOr<const Update*> FindGoingOn(const Fleet& fleet,
                                          const std::string& rollout,
                                          const std::string& host) {
  RETURN_IF_ERROR(CheckRolloutName(rollout));
  if (FindRollout(fleet, rollout) == nullptr) {
    return RolloutNotFoundError(rollout);
  }
  const Update* update = FindUpdate(fleet, rollout, host);
  if (update == nullptr) return UpdateNotFoundError(UpdateName(rollout, host));
  RETURN_IF_ERROR(FindFor(fleet, rollout, "",
                          {RolloutState::kAwaitingApproval,
                           RolloutState::kRunning, RolloutState::kHeld})
                      .status());
  return update;
}

// The error of a verb that wants the update in another state.
absl::Status UpdateStateError(const std::string& rollout,
                              const std::string& host, const Update& update,
                              absl::string_view want) {
  const absl::string_view reason =
      update.state == UpdateState::kPending   ? "UPDATE_PENDING"
      : update.state == UpdateState::kRunning ? "UPDATE_RUNNING"
                                              : "UPDATE_ENDED";
  return RefusedError(reason,
                      absl::StrCat("'", UpdateName(rollout, host), "' is ",
                                   Name(update.state), ", want ", want));
}

absl::Status CheckRetry(const Fleet& fleet, const RetryUpdate& event,
                        const Update& update) {
  if (update.state != UpdateState::kCancelled &&
      update.state != UpdateState::kRolledBack &&
      update.state != UpdateState::kSkipped) {
    return UpdateStateError(event.rollout, event.host, update,
                            "CANCELLED, ROLLED_BACK or SKIPPED");
  }
  // Nobody would ever come for it.
  if (FindHost(fleet, event.host) == nullptr) {
    return HostNotFoundError(event.host);
  }
  const Rollout& rollout = *FindRollout(fleet, event.rollout);
  if (update.wave != rollout.wave) {
    return RefusedError(
        "WAVE_ENDED",
        absl::StrCat("'", event.host, "' is of wave '",
                     WaveNameOf(rollout, update.wave), "', want the one that '",
                     event.rollout, "' works on, '",
                     WaveNameOf(rollout, rollout.wave), "'"));
  }
  const Rollout* claimant = ClaimantOf(fleet, event.host);
  if (claimant == nullptr) return absl::OkStatus();
  return RefusedError(
      "HELD_BY_ROLLOUT",
      absl::StrCat("'", claimant->name, "' has not finished with '", event.host,
                   "', want it free"));
}

// As the plan made it, but for its number.
void Renew(Update& update) {
  Update fresh;
  fresh.wave = update.wave;
  fresh.position = update.position;
  fresh.attempt = update.attempt;
  fresh.from_version = update.from_version;
  update = fresh;
}

}  // namespace

absl::Status On(const SkipUpdate& event, Editor& editor) {
  RETURN_IF_ERROR(CheckReason(event.reason));
  ASSIGN_OR_RETURN(const Update* found,
                   FindGoingOn(editor.fleet(), event.rollout, event.host));
  if (found->state != UpdateState::kPending) {
    return UpdateStateError(event.rollout, event.host, *found, "PENDING");
  }
  // Nothing below this line can fail.
  Update& update = editor.EditUpdate(event.rollout, event.host);
  update.state = UpdateState::kSkipped;
  update.reason = "SKIPPED_BY_OPERATOR";
  update.message =
      absl::StrCat("skipped by '", editor.actor(), "': ", event.reason);
  update.not_before = absl::InfinitePast();
  update.end_time = editor.at();
  editor.Audit("update.skip", UpdateName(event.rollout, event.host),
               event.reason);
  return absl::OkStatus();
}

absl::Status On(const RetryUpdate& event, Editor& editor) {
  RETURN_IF_ERROR(CheckReason(event.reason));
  ASSIGN_OR_RETURN(const Update* found,
                   FindGoingOn(editor.fleet(), event.rollout, event.host));
  RETURN_IF_ERROR(CheckRetry(editor.fleet(), event, *found));
  // Nothing below this line can fail.
  Rollout& rollout = editor.EditRollout(event.rollout);
  rollout.wave_ended = absl::InfinitePast();
  // A failure that was accepted and is tried again leaves no room for another.
  if (CountsAsFailure(*found)) {
    if (rollout.failures_accepted > 0) --rollout.failures_accepted;
    if (rollout.wave_failures_accepted > 0) --rollout.wave_failures_accepted;
  }
  if (HasForgivenBlackouts(rollout, *found)) ForgetBlackouts(*found, rollout);
  Renew(editor.EditUpdate(event.rollout, event.host));
  editor.Audit("update.retry", UpdateName(event.rollout, event.host),
               event.reason);
  return absl::OkStatus();
}

absl::Status On(const ReleaseHost& event, Editor& editor) {
  RETURN_IF_ERROR(CheckReason(event.reason));
  ASSIGN_OR_RETURN(const Host* found,
                   FindFor(editor.fleet(), event.host, event.etag));
  if (found->connected()) {
    return RefusedError("HOST_CONNECTED",
                        absl::StrCat("the agent of '", event.host,
                                     "' is connected, want it gone"));
  }
  if (found->rollout.empty()) {
    return RefusedError(
        "HOST_IDLE", absl::StrCat("'", event.host, "' has no slot, want one"));
  }
  // Nothing below this line can fail.
  Host& host = editor.EditHost(event.host);
  Update& update = editor.EditUpdate(host.rollout, event.host);
  update.state = UpdateState::kQuarantined;
  update.end_time = editor.at();
  update.reason = "RELEASED_BY_OPERATOR";
  update.message =
      absl::StrCat("released by '", editor.actor(), "': ", event.reason);
  host.quarantine = Quarantine{host.rollout, update.reason, update.message};
  host.rollout.clear();
  editor.Audit("host.release", event.host, event.reason);
  return absl::OkStatus();
}

absl::Status On(const LiftQuarantine& event, Editor& editor) {
  RETURN_IF_ERROR(CheckReason(event.reason));
  ASSIGN_OR_RETURN(const Host* found,
                   FindFor(editor.fleet(), event.host, event.etag));
  if (!found->quarantine.has_value()) {
    return RefusedError(
        "HOST_NOT_QUARANTINED",
        absl::StrCat("'", event.host, "' is ", Name(StateOf(*found)),
                     ", want QUARANTINED"));
  }
  // Nothing below this line can fail.
  editor.EditHost(event.host).quarantine.reset();
  editor.Audit("host.lift_quarantine", event.host, event.reason);
  return absl::OkStatus();
}

absl::Status On(const DeleteHost& event, Editor& editor) {
  RETURN_IF_ERROR(CheckReason(event.reason));
  ASSIGN_OR_RETURN(const Host* found,
                   FindFor(editor.fleet(), event.host, event.etag));
  if (found->connected()) {
    return RefusedError("HOST_CONNECTED",
                        absl::StrCat("the agent of '", event.host,
                                     "' is connected, want it gone"));
  }
  if (!found->rollout.empty()) {
    return RefusedError(
        "HOST_UPDATING",
        absl::StrCat("'", found->rollout.str(), "' holds the slot of '",
                     event.host, "', want it released"));
  }
  const Rollout* claimant = ClaimantOf(editor.fleet(), event.host);
  if (claimant != nullptr) {
    return RefusedError(
        "HELD_BY_ROLLOUT",
        absl::StrCat("'", claimant->name, "' has not finished with '",
                     event.host, "', want it skipped there"));
  }
  // Nothing below this line can fail.
  editor.EraseHost(event.host);
  editor.Audit("host.delete", event.host, event.reason);
  return absl::OkStatus();
}

}  // namespace baton::core
