// How a rollout is stopped, by an operator or by its own policy.

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "service/core/approval.h"
#include "service/core/compile.h"
#include "service/core/editor.h"
#include "service/core/errors.h"
#include "service/core/stops.h"
#include "service/core/tolerance.h"
#include "service/core/verb.h"
#include "service/core/window.h"

namespace baton::core {
namespace {

// Asks hosts in flight to cancel. Those that were asked to end stay so, and
// those past their point of no return are not asked to come again.
void StopInFlight(const std::string& name, Cancel how, Editor& editor) {
  const Rollout& rollout = *FindRollout(editor.fleet(), name);
  for (const std::string& host : rollout.tally.running) {
    const Update& update = rollout.updates.at(host);
    if (update.cancel == Cancel::kEnds || update.cancel == how) continue;
    if (how == Cancel::kRequeues && update.past_no_return) continue;
    editor.EditUpdate(name, host).cancel = how;
  }
}

// Whether StopInFlight() would ask anybody to cancel and to come again.
bool HasHostsToRecall(const Rollout& rollout) {
  for (const std::string& host : rollout.tally.running) {
    const Update& update = rollout.updates.at(host);
    if (update.cancel == Cancel::kNone && !update.past_no_return) return true;
  }
  return false;
}

void Hold(const std::string& name, absl::string_view reason,
          absl::string_view message, Editor& editor) {
  Rollout& rollout = editor.EditRollout(name);
  editor.Enter(rollout, RolloutState::kHeld);
  rollout.reason = std::string(reason);
  rollout.message = std::string(message);
}

// Ends the rollout once nothing of it is in flight.
void Abort(const std::string& name, absl::string_view reason,
           absl::string_view message, Editor& editor) {
  Rollout& rollout = editor.EditRollout(name);
  const bool in_flight = !rollout.tally.running.empty();
  StopInFlight(name, Cancel::kEnds, editor);
  for (auto& [host, update] : rollout.updates) {
    if (update.state != UpdateState::kPending) continue;
    Update& edited = editor.EditUpdate(name, host);
    edited.state = UpdateState::kSkipped;
    edited.reason = "ROLLOUT_ABORTED";
    edited.end_time = editor.at();
  }
  rollout.reason = std::string(reason);
  rollout.message = std::string(message);
  editor.Enter(rollout,
               in_flight ? RolloutState::kAborting : RolloutState::kAborted);
  if (!in_flight) rollout.end_time = editor.at();
}

std::string ByOperator(absl::string_view what, absl::string_view reason,
                       const Editor& editor) {
  return absl::StrCat(what, " by '", editor.actor(), "': ", reason);
}

}  // namespace

absl::Status On(const HoldRollout& event, Editor& editor) {
  RETURN_IF_ERROR(CheckReason(event.reason));
  RETURN_IF_ERROR(
      FindFor(editor.fleet(), event.name, event.etag,
              {RolloutState::kAwaitingApproval, RolloutState::kRunning})
          .status());
  // Nothing below this line can fail.
  Hold(event.name, "HELD_BY_OPERATOR", ByOperator("held", event.reason, editor),
       editor);
  editor.Audit("rollout.hold", event.name, event.reason);
  return absl::OkStatus();
}

absl::Status On(const PauseRollout& event, Editor& editor) {
  RETURN_IF_ERROR(CheckReason(event.reason));
  RETURN_IF_ERROR(Check(event, editor.fleet()));
  // Nothing below this line can fail.
  Hold(event.name, "PAUSED_BY_OPERATOR",
       ByOperator("paused", event.reason, editor), editor);
  StopInFlight(event.name, Cancel::kRequeues, editor);
  editor.Audit("rollout.pause", event.name, event.reason);
  return absl::OkStatus();
}

absl::Status On(const ResumeRollout& event, Editor& editor) {
  ASSIGN_OR_RETURN(
      const Rollout* found,
      FindFor(editor.fleet(), event.name, event.etag, {RolloutState::kHeld}));
  // A deadline is not something to be accepted: whoever resumes knows of it.
  const std::optional<Exceeded> exceeded =
      ExceededBy(*found, absl::InfinitePast());
  if (exceeded.has_value() && !event.accept_failures) {
    return RefusedError(exceeded->reason,
                        absl::StrCat("'", event.name, "': ", exceeded->message,
                                     ", want them accepted to go on"));
  }
  // Nothing below this line can fail.
  Rollout& rollout = editor.EditRollout(event.name);
  if (event.accept_failures) AcceptFailures(rollout);
  if (ExceedsDeadline(rollout, editor.at())) {
    rollout.deadline_time = editor.at() + rollout.spec.deadline;
  }
  rollout.reason.clear();
  rollout.message.clear();
  EnterStarted(rollout, editor);
  editor.Audit(
      "rollout.resume", event.name,
      event.accept_failures
          ? absl::StrCat("accepted ", rollout.failures_accepted, " failures")
          : "");
  return absl::OkStatus();
}

absl::Status On(const AbortRollout& event, Editor& editor) {
  RETURN_IF_ERROR(CheckReason(event.reason));
  RETURN_IF_ERROR(Check(event, editor.fleet()));
  // Nothing below this line can fail.
  Abort(event.name, "ABORTED_BY_OPERATOR",
        ByOperator("aborted", event.reason, editor), editor);
  editor.Audit("rollout.abort", event.name, event.reason);
  return absl::OkStatus();
}

absl::Status On(const RollBackRollout& event, Editor& editor) {
  RETURN_IF_ERROR(CheckReason(event.reason));
  RETURN_IF_ERROR(Check(event, editor.fleet()));
  // Nothing below this line can fail.
  Rollout& rollout = editor.EditRollout(event.name);
  rollout.take_back = TakeBack{editor.actor(), event.reason};
  if (IsActive(rollout.state) && rollout.state != RolloutState::kAborting) {
    Abort(event.name, "ROLLED_BACK_BY_OPERATOR",
          ByOperator("rolled back", event.reason, editor), editor);
  } else {
    editor.Enter(rollout, rollout.state);
  }
  editor.Audit("rollout.roll_back", event.name, event.reason);
  return absl::OkStatus();
}

absl::Status On(const EnforceLimits& event, Editor& editor) {
  const Rollout* found = FindRollout(editor.fleet(), event.rollout);
  if (found == nullptr) return RolloutNotFoundError(event.rollout);
  if (found->state != RolloutState::kRunning &&
      found->state != RolloutState::kAwaitingApproval) {
    return RefusedError("DECISION_OVERTAKEN",
                        absl::StrCat("'", event.rollout, "' is ",
                                     Name(found->state), " by now"));
  }
  const std::optional<Exceeded> exceeded = ExceededBy(*found, editor.at());
  if (!exceeded.has_value()) {
    return RefusedError("DECISION_OVERTAKEN",
                        absl::StrCat("'", event.rollout, "' tolerates it"));
  }
  // Nothing below this line can fail.
  switch (exceeded->then) {
    case OnExceeded::kHold:
      Hold(event.rollout, exceeded->reason, exceeded->message, editor);
      editor.Audit("rollout.hold", event.rollout, exceeded->message);
      break;
    case OnExceeded::kRollBack:
      editor.EditRollout(event.rollout).take_back =
          TakeBack{editor.actor(), exceeded->message};
      Abort(event.rollout, exceeded->reason, exceeded->message, editor);
      editor.Audit("rollout.roll_back", event.rollout, exceeded->message);
      break;
  }
  return absl::OkStatus();
}

absl::Status On(const RecallHosts& event, Editor& editor) {
  const Rollout* rollout = FindRollout(editor.fleet(), event.rollout);
  if (rollout == nullptr) return RolloutNotFoundError(event.rollout);
  if (!HasHostsToRecall(*rollout) ||
      !CancelsInFlight(rollout->spec.windows, editor.at())) {
    return RefusedError(
        "DECISION_OVERTAKEN",
        absl::StrCat("no host of '", event.rollout, "' is to be recalled"));
  }
  // Nothing below this line can fail.
  StopInFlight(event.rollout, Cancel::kRequeues, editor);
  editor.Audit("rollout.recall", event.rollout, "its window closed");
  return absl::OkStatus();
}

absl::Status On(const EmergencyStop& event, Editor& editor) {
  RETURN_IF_ERROR(CheckReason(event.reason));
  // Nothing below this line can fail.
  editor.SetEmergencyStop(
      EmergencyStopRecord{editor.actor(), event.reason, editor.at()});
  for (const std::string& name : editor.fleet().active) {
    StopInFlight(name, Cancel::kRequeues, editor);
  }
  editor.Audit("fleet.stop", "fleet", event.reason);
  return absl::OkStatus();
}

absl::Status On(const LiftEmergencyStop& event, Editor& editor) {
  RETURN_IF_ERROR(CheckReason(event.reason));
  if (!editor.fleet().emergency_stop.has_value()) {
    return RefusedError("FLEET_NOT_STOPPED", "the fleet is not stopped");
  }
  // Nothing below this line can fail.
  editor.SetEmergencyStop(std::nullopt);
  editor.Audit("fleet.lift_stop", "fleet", event.reason);
  return absl::OkStatus();
}

absl::Status On(const CreateRollback& event, Editor& editor) {
  const Fleet& fleet = editor.fleet();
  const Rollout* original = FindRollout(fleet, event.rollout);
  if (original == nullptr) return RolloutNotFoundError(event.rollout);
  if (!WantsRollback(*original)) {
    return RefusedError(
        "DECISION_OVERTAKEN",
        absl::StrCat("'", event.rollout, "' is not to be taken back"));
  }
  Rollout made = MakeRollback(fleet, *original);
  absl::StatusOr<RolloutPlan> plan = CompilePlan(fleet, made);
  // Nothing below this line can fail.
  Rollout& edited = editor.EditRollout(event.rollout);
  if (!plan.ok()) {
    const bool none = edited.tally.Count(UpdateState::kDone) == 0;
    edited.take_back.reset();
    edited.reason = none ? "NOTHING_TO_TAKE_BACK" : "ROLLBACK_BLOCKED";
    edited.message =
        none ? "no host of it runs what it brought: nothing to take back"
             : std::string(plan.status().message());
    editor.Enter(edited, none ? RolloutState::kRolledBack : edited.state);
    editor.Audit("rollout.rollback", event.rollout, edited.message);
    return absl::OkStatus();
  }
  edited.rollback = made.name;
  editor.Enter(edited, edited.state);
  Rollout& rollback = editor.EditRollout(made.name);
  made.version = rollback.version;
  made.create_sequence = rollback.create_sequence;
  rollback = std::move(made);
  rollback.plan = *std::move(plan);
  rollback.create_time = editor.at();
  rollback.start_time = editor.at();
  rollback.deadline_time = editor.at() + rollback.spec.deadline;
  editor.Enter(rollback, RolloutState::kRunning);
  editor.MakeUpdates(rollback);
  editor.Audit("rollout.rollback", rollback.name,
               absl::StrCat("takes back '", event.rollout, "', ",
                            rollback.plan->digest));
  return absl::OkStatus();
}

}  // namespace baton::core
