// What operators ask of a rollout.

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "service/core/compile.h"
#include "service/core/editor.h"
#include "service/core/errors.h"
#include "service/core/names.h"
#include "service/core/policy.h"

namespace baton::core {
namespace {

// The error of a verb that wants the rollout in another state.
absl::Status StateError(const Rollout& rollout, absl::string_view reason,
                        absl::string_view want) {
  return ErrorWithReason(absl::StatusCode::kFailedPrecondition, reason,
                         absl::StrCat("'", rollout.name, "' is ",
                                      Name(rollout.state), ", want ", want));
}

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

// Returns the rollout that a verb is for: there, as its caller saw it, and in
// one of the states `want`.
absl::StatusOr<const Rollout*> Find(const Fleet& fleet, const std::string& name,
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
  return StateError(*rollout, RefusalOf(rollout->state), names);
}

absl::Status PlanChangedError(const Rollout& rollout,
                              absl::string_view difference) {
  return ErrorWithReason(
      absl::StatusCode::kAborted, "PLAN_CHANGED",
      absl::StrCat("plan of '", rollout.name, "' no longer holds: ", difference,
                   "; plan again, review, then start"));
}

// Whether the fleet is still what `rollout` was planned against.
absl::Status CheckDrift(const Fleet& fleet, const Rollout& rollout,
                        const std::string& digest) {
  if (digest != rollout.plan->digest) {
    return PlanChangedError(rollout,
                            absl::StrCat("got digest '", digest, "', it is '",
                                         rollout.plan->digest, "'"));
  }
  const absl::StatusOr<RolloutPlan> now = CompilePlan(fleet, rollout);
  if (!now.ok()) return PlanChangedError(rollout, now.status().message());
  if (now->digest == digest) return absl::OkStatus();
  return PlanChangedError(rollout, PlanDifference(*rollout.plan, *now));
}

}  // namespace

absl::Status On(const CreateRollout& event, Editor& editor) {
  RETURN_IF_ERROR(CheckRolloutName(event.name));
  RETURN_IF_ERROR(CheckSpec(event.spec));
  if (FindRollout(editor.fleet(), event.name) != nullptr) {
    return ErrorWithReason(absl::StatusCode::kAlreadyExists, "ROLLOUT_EXISTS",
                           absl::StrCat("'", event.name, "' exists already"));
  }
  if (FindDriver(editor.fleet(), event.spec.driver) == nullptr) {
    return DriverNotFoundError(event.spec.driver);
  }
  if (editor.fleet().rollouts.size() >= kRolloutsMax) {
    return ErrorWithReason(
        absl::StatusCode::kResourceExhausted, "TOO_MANY_ROLLOUTS",
        absl::StrCat("the service keeps at most ", kRolloutsMax, " rollouts"));
  }
  // Nothing below this line can fail.
  Rollout& rollout = editor.EditRollout(event.name);
  rollout.spec = event.spec;
  rollout.author = editor.actor();
  rollout.create_time = editor.at();
  editor.Audit("rollout.create", event.name, event.spec.driver);
  return absl::OkStatus();
}

absl::Status On(const PlanRollout& event, Editor& editor) {
  ASSIGN_OR_RETURN(const Rollout* found,
                   Find(editor.fleet(), event.name, event.etag,
                        {RolloutState::kDraft, RolloutState::kPlanned}));
  ASSIGN_OR_RETURN(RolloutPlan plan, CompilePlan(editor.fleet(), *found));
  // Nothing below this line can fail.
  plan.time = editor.at();
  Rollout& rollout = editor.EditRollout(event.name);
  rollout.plan = std::move(plan);
  editor.Enter(rollout, RolloutState::kPlanned);
  editor.Audit("rollout.plan", event.name, rollout.plan->digest);
  return absl::OkStatus();
}

absl::Status On(const StartRollout& event, Editor& editor) {
  ASSIGN_OR_RETURN(
      const Rollout* found,
      Find(editor.fleet(), event.name, event.etag, {RolloutState::kPlanned}));
  RETURN_IF_ERROR(CheckDrift(editor.fleet(), *found, event.digest));
  // Nothing below this line can fail.
  Rollout& rollout = editor.EditRollout(event.name);
  rollout.start_time = editor.at();
  editor.Enter(rollout, RolloutState::kRunning);
  editor.MakeUpdates(rollout);
  editor.Audit("rollout.start", event.name, event.digest);
  return absl::OkStatus();
}

absl::Status On(const HoldRollout& event, Editor& editor) {
  RETURN_IF_ERROR(CheckReason(event.reason));
  RETURN_IF_ERROR(
      Find(editor.fleet(), event.name, event.etag, {RolloutState::kRunning})
          .status());
  // Nothing below this line can fail.
  Rollout& rollout = editor.EditRollout(event.name);
  editor.Enter(rollout, RolloutState::kHeld);
  rollout.reason = "HELD_BY_OPERATOR";
  rollout.message =
      absl::StrCat("held by '", editor.actor(), "': ", event.reason);
  editor.Audit("rollout.hold", event.name, event.reason);
  return absl::OkStatus();
}

absl::Status On(const ResumeRollout& event, Editor& editor) {
  ASSIGN_OR_RETURN(
      const Rollout* found,
      Find(editor.fleet(), event.name, event.etag, {RolloutState::kHeld}));
  if (ExceedsTolerance(*found) && !event.accept_failures) {
    return ErrorWithReason(
        absl::StatusCode::kFailedPrecondition, "FAILURE_TOLERANCE_EXCEEDED",
        absl::StrCat("'", event.name, "' has ", found->tally.failures,
                     " failed hosts, ", found->failures_accepted,
                     " accepted and ", found->plan->failures_max,
                     " tolerated: accept the failures to go on"));
  }
  // Nothing below this line can fail.
  Rollout& rollout = editor.EditRollout(event.name);
  if (event.accept_failures) rollout.failures_accepted = rollout.tally.failures;
  rollout.reason.clear();
  rollout.message.clear();
  editor.Enter(rollout, RolloutState::kRunning);
  editor.Audit(
      "rollout.resume", event.name,
      event.accept_failures
          ? absl::StrCat("accepted ", rollout.failures_accepted, " failures")
          : "");
  return absl::OkStatus();
}

absl::Status On(const AbortRollout& event, Editor& editor) {
  RETURN_IF_ERROR(CheckReason(event.reason));
  RETURN_IF_ERROR(Find(editor.fleet(), event.name, event.etag,
                       {RolloutState::kDraft, RolloutState::kPlanned,
                        RolloutState::kRunning, RolloutState::kHeld})
                      .status());
  // Nothing below this line can fail.
  Rollout& rollout = editor.EditRollout(event.name);
  rollout.reason = "ABORTED_BY_OPERATOR";
  rollout.message =
      absl::StrCat("aborted by '", editor.actor(), "': ", event.reason);
  bool in_flight = false;
  for (auto& [host, update] : rollout.updates) {
    if (HasEnded(update.state)) continue;
    Update& edited = editor.EditUpdate(event.name, host);
    if (update.state == UpdateState::kRunning) {
      edited.cancel = Cancel::kEnds;
      in_flight = true;
      continue;
    }
    edited.state = UpdateState::kSkipped;
    edited.reason = "ROLLOUT_ABORTED";
    edited.end_time = editor.at();
  }
  editor.Enter(rollout,
               in_flight ? RolloutState::kAborting : RolloutState::kAborted);
  if (!in_flight) rollout.end_time = editor.at();
  editor.Audit("rollout.abort", event.name, event.reason);
  return absl::OkStatus();
}

}  // namespace baton::core
