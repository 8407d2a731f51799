// What operators ask of a rollout.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "service/core/approval.h"
#include "service/core/canonical.h"
#include "service/core/compile.h"
#include "service/core/editor.h"
#include "service/core/errors.h"
#include "service/core/names.h"
#include "service/core/policy.h"
#include "service/core/verb.h"
#include "service/core/wave.h"

namespace baton::core {
namespace {

constexpr size_t kRemarkBytesMax = 1024;

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
  const absl::StatusOr<RolloutPlan> now = CompileAgain(fleet, rollout);
  if (!now.ok()) return PlanChangedError(rollout, now.status().message());
  if (now->digest == digest) return absl::OkStatus();
  return PlanChangedError(rollout, PlanDifference(*rollout.plan, *now));
}

absl::Status CheckApprover(const Rollout& rollout, uint32_t wave,
                           const ApproveRollout& event,
                           const std::string& actor) {
  if (actor == rollout.author) {
    return ErrorWithReason(absl::StatusCode::kPermissionDenied, "OWN_ROLLOUT",
                           absl::StrCat("'", event.name, "' was created by '",
                                        actor, "', want somebody else's word"));
  }
  const std::string name = WaveNameOf(rollout, wave);
  for (const Approval& approval : rollout.approvals) {
    if (approval.by != actor || approval.wave != name ||
        approval.digest != event.digest) {
      continue;
    }
    return ErrorWithReason(
        absl::StatusCode::kAlreadyExists, "ALREADY_APPROVED",
        absl::StrCat("'", actor, "' approved wave '", name, "' of '",
                     event.name, "' already, want somebody else's word"));
  }
  if (LacksApprovals(rollout, wave)) return absl::OkStatus();
  return RefusedError(
      "APPROVAL_NOT_NEEDED",
      absl::StrCat(ApprovalsText(rollout, wave), ", want one that lacks some"));
}

// Returns the index of the wave that is to be approved.
absl::StatusOr<uint32_t> WaveToApprove(const Rollout& rollout,
                                       const ApproveRollout& event) {
  if (!event.wave.empty()) return FindWave(rollout, event.wave);
  for (uint32_t wave = rollout.wave; wave < rollout.plan->waves.size();
       ++wave) {
    if (LacksApprovals(rollout, wave)) return wave;
  }
  return RefusedError(
      "APPROVAL_NOT_NEEDED",
      absl::StrCat("no wave of '", event.name, "' lacks approvals"));
}

// Returns the index of the wave that `actor` approves.
absl::StatusOr<uint32_t> CheckApproval(const Rollout& rollout,
                                       const ApproveRollout& event,
                                       const std::string& actor) {
  if (event.remark.size() > kRemarkBytesMax) {
    return ErrorWithReason(
        absl::StatusCode::kInvalidArgument, "BAD_REMARK",
        absl::StrCat("field 'remark' has ", event.remark.size(),
                     " bytes, want at most ", kRemarkBytesMax));
  }
  if (event.digest != rollout.plan->digest) {
    return PlanChangedError(
        rollout, absl::StrCat("got digest '", event.digest, "', it is '",
                              rollout.plan->digest, "'"));
  }
  ASSIGN_OR_RETURN(const uint32_t wave, WaveToApprove(rollout, event));
  RETURN_IF_ERROR(CheckApprover(rollout, wave, event, actor));
  return wave;
}

// Where its state is all that refuses a deletion, says what would do.
absl::Status StillGoesOnError(const absl::Status& refused) {
  if (!absl::IsFailedPrecondition(refused)) return refused;
  const bool ends = Reason(refused) == "ROLLOUT_ABORTING";
  return RefusedError(
      Reason(refused),
      absl::StrCat(refused.message(), ends ? ": " : ": abort it, and ",
                   "delete it once no host is in flight"));
}

// Whether nothing needs the rollout any more.
absl::Status CheckIsNotNeeded(const Fleet& fleet, const Rollout& rollout) {
  if (WantsRollback(rollout)) {
    return RefusedError(
        "ROLLBACK_STARTED",
        absl::StrCat("'", rollout.name,
                     "' is being taken back by the word of '",
                     rollout.take_back->by, "', want that over"));
  }
  // It names this one, and says of what its hosts were taken back.
  const Rollout* rollback = FindRollout(fleet, rollout.rollback);
  if (rollback != nullptr) {
    return RefusedError(
        "ROLLBACK_EXISTS",
        absl::StrCat("'", rollout.name, "' is taken back by '", rollback->name,
                     "', which is ", Name(rollback->state),
                     ", want that one deleted first"));
  }
  if (rollout.tally.Count(UpdateState::kQuarantined) == 0) {
    return absl::OkStatus();
  }
  for (const auto& [name, update] : rollout.updates) {
    if (update.state != UpdateState::kQuarantined) continue;
    const Host* host = FindHost(fleet, name);
    if (host == nullptr || !host->quarantine.has_value() ||
        host->quarantine->rollout != rollout.name) {
      continue;
    }
    // Whoever looks at the host needs to know what happened there.
    return RefusedError(
        "HOST_QUARANTINED",
        absl::StrCat("'", name.str(), "' is quarantined by '", rollout.name,
                     "', which keeps what went wrong there, want that "
                     "quarantine lifted"));
  }
  return absl::OkStatus();
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
        absl::StrCat("the service keeps at most ", kRolloutsMax,
                     " rollouts, want some deleted that have ended"));
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
                   FindFor(editor.fleet(), event.name, event.etag,
                           {RolloutState::kDraft, RolloutState::kPlanned}));
  ASSIGN_OR_RETURN(RolloutPlan plan, CompilePlan(editor.fleet(), *found));
  // Nothing below this line can fail.
  plan.time = editor.at();
  Rollout& rollout = editor.EditRollout(event.name);
  rollout.plan = std::move(plan);
  // What was said of another plan counts for nothing.
  rollout.approvals.erase(
      std::remove_if(rollout.approvals.begin(), rollout.approvals.end(),
                     [&](const Approval& approval) {
                       return approval.digest != rollout.plan->digest;
                     }),
      rollout.approvals.end());
  editor.Enter(rollout, RolloutState::kPlanned);
  editor.Audit("rollout.plan", event.name, rollout.plan->digest);
  return absl::OkStatus();
}

absl::Status On(const StartRollout& event, Editor& editor) {
  ASSIGN_OR_RETURN(const Rollout* found,
                   FindFor(editor.fleet(), event.name, event.etag,
                           {RolloutState::kPlanned}));
  RETURN_IF_ERROR(CheckDrift(editor.fleet(), *found, event.digest));
  // Nothing below this line can fail.
  Rollout& rollout = editor.EditRollout(event.name);
  rollout.start_time = editor.at();
  rollout.deadline_time = editor.at() + rollout.spec.deadline;
  EnterStarted(rollout, editor);
  editor.MakeUpdates(rollout);
  editor.Audit("rollout.start", event.name, event.digest);
  return absl::OkStatus();
}

absl::Status On(const ApproveRollout& event, Editor& editor) {
  ASSIGN_OR_RETURN(
      const Rollout* found,
      FindFor(editor.fleet(), event.name, event.etag,
              {RolloutState::kPlanned, RolloutState::kAwaitingApproval,
               RolloutState::kRunning, RolloutState::kHeld}));
  ASSIGN_OR_RETURN(const uint32_t wave,
                   CheckApproval(*found, event, editor.actor()));
  // Nothing below this line can fail.
  Rollout& rollout = editor.EditRollout(event.name);
  rollout.approvals.push_back({editor.actor(), WaveNameOf(rollout, wave),
                               event.digest, event.remark, editor.at()});
  if (rollout.state == RolloutState::kAwaitingApproval) {
    EnterStarted(rollout, editor);
  }
  editor.Audit("rollout.approve", event.name,
               absl::StrCat(ApprovalsText(rollout, wave),
                            event.remark.empty() ? "" : ": ", event.remark));
  return absl::OkStatus();
}

absl::Status On(const DeleteRollout& event, Editor& editor) {
  const absl::StatusOr<const Rollout*> found =
      FindFor(editor.fleet(), event.name, event.etag,
              {RolloutState::kDraft, RolloutState::kPlanned,
               RolloutState::kSucceeded, RolloutState::kFailed,
               RolloutState::kAborted, RolloutState::kRolledBack});
  if (!found.ok()) return StillGoesOnError(found.status());
  RETURN_IF_ERROR(CheckIsNotNeeded(editor.fleet(), **found));
  // Nothing below this line can fail.
  const std::string original = (*found)->spec.rollback_of;
  std::string detail = absl::StrCat(
      Name((*found)->state), ", ", (*found)->tally.Count(UpdateState::kDone),
      " of ", (*found)->updates.size(), " hosts done");
  editor.EraseRollout(event.name);
  // It may be taken back anew, as if nobody had asked.
  if (FindRollout(editor.fleet(), original) != nullptr) {
    Rollout& taken_back = editor.EditRollout(original);
    taken_back.take_back.reset();
    taken_back.rollback.clear();
    if (taken_back.state == RolloutState::kRolledBack) {
      taken_back.message = "a rollout that was deleted since took it back";
    }
  }
  editor.Audit("rollout.delete", event.name, detail);
  return absl::OkStatus();
}

void EnterStarted(Rollout& rollout, Editor& editor) {
  const bool awaits = rollout.wave == 0 && LacksApprovals(rollout, 0);
  rollout.reason = awaits ? "APPROVAL_MISSING" : "";
  rollout.message = awaits ? ApprovalsText(rollout, 0) : "";
  editor.Enter(rollout, awaits ? RolloutState::kAwaitingApproval
                               : RolloutState::kRunning);
}

}  // namespace baton::core
