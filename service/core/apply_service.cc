// Time, the service's own life, and what it decides by itself. A decision is
// checked as if anybody had made it, so that no fault of Decide() can break
// what must never break.

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "service/core/budget.h"
#include "service/core/editor.h"
#include "service/core/errors.h"
#include "service/core/gates.h"
#include "service/core/names.h"
#include "service/core/tolerance.h"
#include "service/core/wave.h"

namespace baton::core {
namespace {

absl::Status OvertakenError(absl::string_view what) {
  return ErrorWithReason(absl::StatusCode::kFailedPrecondition,
                         "DECISION_OVERTAKEN", what);
}

absl::StatusOr<const Rollout*> FindIn(const Fleet& fleet,
                                      const std::string& name,
                                      std::initializer_list<RolloutState> in) {
  const Rollout* rollout = FindRollout(fleet, name);
  if (rollout == nullptr) return RolloutNotFoundError(name);
  if (std::find(in.begin(), in.end(), rollout->state) != in.end()) {
    return rollout;
  }
  return OvertakenError(
      absl::StrCat("'", name, "' is ", Name(rollout->state), " by now"));
}

absl::StatusOr<const Update*> FindPending(const Rollout& rollout,
                                          const std::string& host) {
  const auto found = rollout.updates.find(host);
  if (found == rollout.updates.end()) {
    return UpdateNotFoundError(UpdateName(rollout.name, host));
  }
  if (found->second.state == UpdateState::kPending &&
      found->second.wave == rollout.wave) {
    return &found->second;
  }
  return OvertakenError(
      absl::StrCat("'", host, "' is not waiting in '", rollout.name, "'"));
}

absl::Status CheckGates(const AdmitHost& event,
                        const std::vector<Gate>& gates) {
  for (const Gate& gate : gates) {
    if (gate.verdict == GateVerdict::kPass) continue;
    return OvertakenError(absl::StrCat("'", event.rollout, "' may not start '",
                                       event.host, "': ", gate.reason, ", ",
                                       gate.message));
  }
  return absl::OkStatus();
}

// What `rollback` took back is over.
void EndTakenBack(const Rollout& rollback, Editor& editor) {
  Rollout& original = editor.EditRollout(rollback.spec.rollback_of);
  original.reason = "TAKEN_BACK";
  original.message = absl::StrCat("'", rollback.name, "' took it back");
  editor.Enter(original, RolloutState::kRolledBack);
}

}  // namespace

absl::Status On(const Tick&, Editor&) { return absl::OkStatus(); }

absl::Status On(const DiskSeen& event, Editor& editor) {
  editor.SetDiskFree(event.free_bytes);
  return absl::OkStatus();
}

absl::Status On(const ServiceStarted&, Editor& editor) {
  editor.StartEpoch();
  editor.Audit("service.start", "",
               absl::StrCat("epoch ", editor.fleet().epoch));
  return absl::OkStatus();
}

absl::Status On(const LoseHost& event, Editor& editor) {
  const Host* host = FindHost(editor.fleet(), event.host);
  if (host == nullptr) return HostNotFoundError(event.host);
  if (host->stream != event.stream || event.stream == 0 ||
      editor.at() - host->last_heard < editor.fleet().settings.lost_after) {
    return OvertakenError(absl::StrCat("'", event.host, "' was heard"));
  }
  editor.TouchHost(event.host).stream = 0;
  return absl::OkStatus();
}

absl::Status On(const DistrustStore&, Editor& editor) {
  const StoreDoubt& doubt = editor.fleet().store_doubt;
  const bool stop = !doubt.sign.empty() && !doubt.answered &&
                    !editor.fleet().emergency_stop.has_value();
  if (!stop && doubt.epoch <= editor.fleet().epoch) {
    return OvertakenError("the store is not in doubt");
  }
  // Nothing below this line can fail.
  // One above: what the process before sent in that epoch is stale from now.
  if (doubt.epoch > editor.fleet().epoch) editor.RaiseEpoch(doubt.epoch + 1);
  std::string detail = absl::StrCat("epoch ", editor.fleet().epoch);
  if (stop) {
    editor.SetEmergencyStop(EmergencyStopRecord{
        editor.actor(), absl::StrCat(kStoreIsOlder, ": ", doubt.sign),
        editor.at()});
    editor.AnswerDoubt();
    absl::StrAppend(&detail, ", stopped");
  }
  editor.Audit("fleet.distrust_store", "fleet",
               absl::StrCat(kStoreIsOlder, ": ", detail, ": ", doubt.sign));
  return absl::OkStatus();
}

absl::Status On(const AdmitHost& event, Editor& editor) {
  const Fleet& fleet = editor.fleet();
  ASSIGN_OR_RETURN(const Rollout* rollout,
                   FindIn(fleet, event.rollout, {RolloutState::kRunning}));
  RETURN_IF_ERROR(FindPending(*rollout, event.host).status());
  const Host* found = FindHost(fleet, event.host);
  if (found == nullptr) return HostNotFoundError(event.host);
  if (!LetsStart(fleet, *rollout)) {
    return OvertakenError(
        absl::StrCat("'", event.rollout, "' starts no host now"));
  }
  RETURN_IF_ERROR(CheckGates(event, HostGates(fleet, *rollout, *found)));
  if (event.attempt != found->attempt + 1) {
    return OvertakenError(absl::StrCat("'", event.host, "' is at attempt ",
                                       found->attempt, ", got ",
                                       event.attempt));
  }
  const std::string budget = BudgetText(BudgetGates(fleet, *rollout, *found));
  // Nothing below this line can fail.
  Host& host = editor.EditHost(event.host);
  host.rollout = event.rollout;
  host.attempt = event.attempt;
  Update& update = editor.EditUpdate(event.rollout, event.host);
  if (HasForgivenBlackouts(*rollout, update)) {
    ForgetBlackouts(update, editor.EditRollout(event.rollout));
  }
  Update fresh;  // nothing is left of an attempt before
  fresh.state = UpdateState::kRunning;
  fresh.attempt = event.attempt;
  fresh.wave = update.wave;
  fresh.position = update.position;
  fresh.tries = update.tries + 1;
  fresh.from_version = DriverVersionsOf(host);
  fresh.from_driver = DriverOfAll(host);
  fresh.start_time = editor.at();
  update = std::move(fresh);
  editor.Audit("update.admit", UpdateName(event.rollout, event.host),
               absl::StrCat("attempt ", event.attempt, "; ", budget));
  return absl::OkStatus();
}

absl::Status On(const SkipHost& event, Editor& editor) {
  ASSIGN_OR_RETURN(const Rollout* rollout, FindIn(editor.fleet(), event.rollout,
                                                  {RolloutState::kRunning}));
  RETURN_IF_ERROR(FindPending(*rollout, event.host).status());
  // Nothing below this line can fail.
  Update& update = editor.EditUpdate(event.rollout, event.host);
  update.state = UpdateState::kSkipped;
  update.reason = event.reason;
  update.message = event.message;
  update.end_time = editor.at();
  editor.Audit("update.skip", UpdateName(event.rollout, event.host),
               event.reason);
  return absl::OkStatus();
}

absl::Status On(const EndWave& event, Editor& editor) {
  ASSIGN_OR_RETURN(const Rollout* found,
                   FindIn(editor.fleet(), event.rollout,
                          {RolloutState::kAwaitingApproval,
                           RolloutState::kRunning, RolloutState::kHeld}));
  if (found->wave_ended != absl::InfinitePast() || !WaveHasEnded(*found)) {
    return OvertakenError(absl::StrCat("wave ", found->wave, " of '",
                                       event.rollout, "' goes on"));
  }
  // Nothing below this line can fail.
  Rollout& rollout = editor.EditRollout(event.rollout);
  rollout.wave_ended = editor.at();
  editor.Audit("rollout.end_wave", event.rollout,
               WaveNameOf(rollout, rollout.wave));
  return absl::OkStatus();
}

absl::Status On(const AdvanceWave& event, Editor& editor) {
  ASSIGN_OR_RETURN(const Rollout* found, FindIn(editor.fleet(), event.rollout,
                                                {RolloutState::kRunning}));
  if (ExceededBy(*found, absl::InfinitePast()).has_value() ||
      !MayAdvance(*found) || BakeEnd(*found) > editor.at()) {
    return OvertakenError(absl::StrCat("wave ", found->wave, " of '",
                                       event.rollout, "' has not baked"));
  }
  // Nothing below this line can fail.
  Rollout& rollout = editor.EditRollout(event.rollout);
  const std::string ended = WaveNameOf(rollout, rollout.wave);
  const bool holds = !rollout.plan->waves[rollout.wave].hosts.empty() &&
                     rollout.spec.waves[rollout.wave].hold_after;
  ++rollout.wave;
  rollout.wave_ended = absl::InfinitePast();
  rollout.wave_failures_accepted = 0;
  if (holds) {
    editor.Enter(rollout, RolloutState::kHeld);
    rollout.reason = "HOLD_AFTER_WAVE";
    rollout.message =
        absl::StrCat("wave '", ended, "' has ended, and its policy holds then");
  }
  editor.Audit(
      "rollout.advance", event.rollout,
      absl::StrCat(WaveNameOf(rollout, rollout.wave), holds ? ", held" : ""));
  return absl::OkStatus();
}

absl::Status On(const FinishRollout& event, Editor& editor) {
  ASSIGN_OR_RETURN(
      const Rollout* found,
      FindIn(editor.fleet(), event.rollout,
             {RolloutState::kAwaitingApproval, RolloutState::kRunning,
              RolloutState::kHeld, RolloutState::kAborting}));
  const bool ended = found->tally.Count(UpdateState::kPending) +
                         found->tally.Count(UpdateState::kRunning) ==
                     0;
  if (!ended) {
    return OvertakenError(absl::StrCat("'", event.rollout, "' goes on"));
  }
  // Nothing below this line can fail.
  Rollout& rollout = editor.EditRollout(event.rollout);
  rollout.end_time = editor.at();
  const std::optional<Exceeded> exceeded =
      ExceededBy(rollout, absl::InfinitePast());
  if (rollout.state == RolloutState::kAborting) {
    editor.Enter(rollout, RolloutState::kAborted);
  } else if (exceeded.has_value()) {
    rollout.reason = exceeded->reason;
    rollout.message = exceeded->message;
    if (exceeded->then == OnExceeded::kRollBack) {
      rollout.take_back = TakeBack{editor.actor(), exceeded->message};
    }
    editor.Enter(rollout, RolloutState::kFailed);
  } else {
    rollout.reason.clear();
    rollout.message.clear();
    editor.Enter(rollout, RolloutState::kSucceeded);
    if (!rollout.spec.rollback_of.empty()) EndTakenBack(rollout, editor);
  }
  editor.Audit("rollout.finish", event.rollout, Name(rollout.state));
  return absl::OkStatus();
}

}  // namespace baton::core
