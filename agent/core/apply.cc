#include "agent/core/apply.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/core/consequence.h"
#include "agent/core/errors.h"

namespace baton::agent::core {
namespace {

constexpr absl::Duration kDeadlineMin = absl::Milliseconds(1);
constexpr absl::Duration kDeadlineMax = absl::Hours(1);

// The first cause stays the reason; what follows from it is added to the
// message.
void Note(absl::string_view reason, absl::string_view message, Update& update) {
  if (update.reason.empty()) update.reason = std::string(reason);
  if (!update.message.empty()) update.message += "; ";
  absl::StrAppend(&update.message, message);
}

void Finish(End end, Update& update) {
  update.phase = Phase::kEnded;
  update.end = end;
  update.failures = 0;
  update.finished_attempt = update.order.attempt;
}

void StandStillCancelled(Update& update) {
  update.phase = Phase::kCancelled;
  if (!update.gate_touched) Finish(End::kCancelled, update);
}

// Whether the old driver is still in and the update can stop here. From Pause
// on the shim goes on by itself.
bool Cancellable(const Update& update) {
  if (update.way == Way::kBack || update.paused) return false;
  switch (update.phase) {
    case Phase::kAccepted:
    case Phase::kPrepared:
    case Phase::kGateClosed:
      return true;
    case Phase::kIdle:
    case Phase::kUnknown:
    case Phase::kPaused:
    case Phase::kSaved:
    case Phase::kUnloaded:
    case Phase::kSwitched:
    case Phase::kRestored:
    case Phase::kVerified:
    case Phase::kResumed:
    case Phase::kConfirmed:
    case Phase::kCommitted:
    case Phase::kCancelling:
    case Phase::kCancelled:
    case Phase::kEnded:
      return false;
  }
  return false;
}

// Whether a wish to cancel comes when the update can only go on.
bool TooLateToCancel(const Update& update) {
  const bool cancelling =
      update.phase == Phase::kCancelling || update.phase == Phase::kCancelled;
  return update.past_no_return || (update.paused && !cancelling);
}

// Takes a wish to cancel into account where the update stands between steps.
void HonourCancel(Update& update) {
  if (!update.cancel_wanted || update.running.has_value()) return;
  if (!Cancellable(update)) return;
  update.phase = Phase::kCancelling;
  update.failures = 0;
}

void WantCancel(absl::string_view reason, absl::string_view message,
                Update& update) {
  if (update.cancel_wanted) return;
  update.cancel_wanted = true;
  ++update.sequence;
  Note(reason, message, update);
  HonourCancel(update);
}

// Forgets the last update, and keeps what the agent may obey.
void Begin(Order order, Update& update) {
  Update next;
  next.epoch = update.epoch;
  next.finished_attempt = update.finished_attempt;
  next.boot_id = update.boot_id;
  next.order = std::move(order);
  next.phase = Phase::kAccepted;
  next.sequence = 1;
  update = std::move(next);
}

std::string ProblemIn(const Order& order) {
  const Deadlines& d = order.deadlines;
  for (const absl::Duration each :
       {d.prepare, d.gate, d.pause, d.save, d.unload, d.restore, d.verify,
        d.resume, d.confirm}) {
    if (each < kDeadlineMin || each > kDeadlineMax) {
      return absl::StrCat("has a deadline of ", absl::FormatDuration(each),
                          ", want 1ms to 1h");
    }
  }
  if (order.driver.empty()) return "names no driver";
  if (order.digest.empty()) return "names no digest";
  return "";
}

// Keeps what the step said of vGPUs. Whether one is preserved is for the steps
// that look, once it is known at all; the longest blackout stays.
void Merge(Step step, const Outcome& outcome, Update& update) {
  // A cancel that failed has not looked.
  const bool cancelled =
      step == Step::kCancel && outcome.record.code == absl::StatusCode::kOk;
  const bool looked =
      step == Step::kVerify || step == Step::kConfirm || cancelled;
  for (const VirtualGpuResult& vgpu : outcome.vgpus) {
    const auto [at, is_new] = update.vgpus.try_emplace(vgpu.partition_id);
    VirtualGpuResult& known = at->second;
    known.partition_id = vgpu.partition_id;
    if (!vgpu.guest.empty()) known.guest = vgpu.guest;
    if (looked || is_new) {
      known.preserved = vgpu.preserved;
      known.difference = vgpu.difference;
    }
    if (vgpu.blackout.has_value()) {
      known.blackout =
          std::max(*vgpu.blackout, known.blackout.value_or(*vgpu.blackout));
    }
  }
}

// One record per step taken; tries of the same step replace each other, so
// that what is retried for ever stays bounded.
void Record(const StepEnded& event, Update& update) {
  if (event.step == Step::kInspect) return;
  StepRecord record = event.outcome.record;
  record.step = event.step;
  record.way = update.way;
  const bool again = update.failures > 0 && !update.steps.empty() &&
                     update.steps.back().step == record.step &&
                     update.steps.back().way == record.way;
  if (again) {
    update.steps.back() = std::move(record);
  } else {
    update.steps.push_back(std::move(record));
  }
}

void Quarantine(absl::string_view reason, absl::string_view message,
                Update& update) {
  Note(reason, message, update);
  Finish(End::kQuarantined, update);
}

void FinishReopened(Update& update) {
  if (update.phase == Phase::kCancelled) {
    Finish(End::kCancelled, update);
  } else if (update.way == Way::kForward) {
    Finish(End::kDone, update);
  } else {
    Finish(End::kRolledBack, update);
  }
}

void TakePrepared(const Outcome& outcome, Update& update) {
  update.next = outcome.next;
  update.previous = outcome.previous;
  update.next_package = outcome.next_package;
  update.previous_package = outcome.previous_package;
  update.one_way = outcome.one_way;
}

// All went well but for whoever was lost on the way: a person looks before
// placement is reopened.
void DoomWhereOneIsLost(Update& update) {
  for (const auto& [partition_id, vgpu] : update.vgpus) {
    if (vgpu.preserved) continue;
    update.doomed = true;
    Note("VGPU_LOST",
         absl::StrCat("vGPU of '", vgpu.guest, "' is lost: ", vgpu.difference),
         update);
  }
}

void Succeed(Step step, const Outcome& outcome, Phase to, Update& update) {
  update.failures = 0;
  switch (step) {
    case Step::kReopenGate:
      FinishReopened(update);
      return;
    case Step::kCancel:
      if (outcome.adapter == AdapterState::kBroken) {
        Quarantine("ADAPTER_BROKEN",
                   "engines were resumed, but the old driver is broken",
                   update);
        return;
      }
      DoomWhereOneIsLost(update);
      if (update.doomed) {
        Finish(End::kQuarantined, update);
      } else {
        StandStillCancelled(update);
      }
      return;
    case Step::kPrepare:
      TakePrepared(outcome, update);
      break;
    case Step::kCommit:
      update.phase = to;
      DoomWhereOneIsLost(update);
      if (update.doomed) Finish(End::kQuarantined, update);
      return;
    case Step::kCloseGate:
    case Step::kPause:
    case Step::kSave:
    case Step::kUnload:
    case Step::kSwitch:
    case Step::kRestore:
    case Step::kVerify:
    case Step::kResume:
    case Step::kConfirm:
    case Step::kInspect:
      break;
  }
  update.phase = to;
  HonourCancel(update);
}

void GoBack(Phase from, Update& update) {
  update.way = Way::kBack;
  update.phase = from;
}

std::string FailureOf(Step step, const Update& update,
                      const StepRecord& record) {
  return absl::StrCat("step '", Name(step), "'",
                      update.way == Way::kBack ? " on the way back" : "",
                      " failed: ", record.message);
}

void Fail(Step step, const Outcome& outcome, Update& update) {
  ++update.failures;
  const Consequence consequence = ConsequenceOf(update, step, outcome);
  if (consequence == Consequence::kRetry) {
    HonourCancel(update);
    return;
  }
  update.failures = 0;
  if (consequence == Consequence::kAsk) {
    // How far the shim went may be all that was wanted: no reason for an end.
    Note(update.reason, FailureOf(step, update, outcome.record), update);
    update.phase = Phase::kUnknown;
    return;
  }
  Note(outcome.record.reason, FailureOf(step, update, outcome.record), update);
  switch (consequence) {
    case Consequence::kRetry:
    case Consequence::kAsk:
      return;
    case Consequence::kCancel:
      update.past_no_return = false;
      update.phase = Phase::kCancelling;
      return;
    case Consequence::kLeave:
      StandStillCancelled(update);
      return;
    case Consequence::kBackSameBlocks:
      GoBack(Phase::kSaved, update);
      return;
    case Consequence::kBackReverse:
      GoBack(Phase::kGateClosed, update);
      return;
    case Consequence::kGoOnDoomed:
      update.doomed = true;
      update.phase = ArcOutOf(update.way, update.phase)->to;
      return;
    case Consequence::kCancelDoomed:
      update.doomed = true;
      update.phase = Phase::kCancelling;
      return;
    case Consequence::kQuarantine:
      Finish(End::kQuarantined, update);
      return;
  }
}

void Recover(const Outcome& seen, Update& update) {
  const Standing standing = StandingOf(update, seen);
  update.failures = 0;
  // How far it had come with the gate is not journalled: reopening a gate that
  // was never closed does nothing.
  update.gate_touched = true;
  if (standing.quarantine) {
    Quarantine(
        "ADAPTER_LOST",
        absl::StrCat("the agent asked and found the adapter '",
                     Name(seen.adapter), "' in attempt ", seen.adapter_attempt),
        update);
    return;
  }
  update.way = standing.way;
  update.phase = standing.phase;
  if (standing.phase == Phase::kCancelling) {
    update.past_no_return = false;  // the old driver is still in
    Note("AGENT_RESTARTED", "the agent was restarted", update);
    return;
  }
  update.past_no_return = true;
  if (standing.phase == Phase::kCommitted) DoomWhereOneIsLost(update);
  if (standing.way == Way::kBack && update.reason.empty()) {
    Note("AGENT_RESTARTED", "the agent was restarted on the way back", update);
  }
  const bool ends = update.doomed && standing.phase == Phase::kCommitted;
  if (ends) Finish(End::kQuarantined, update);
}

bool OfAnotherLife(const Outcome& outcome, const Update& update) {
  return !outcome.shim_instance.empty() && !update.shim_instance.empty() &&
         outcome.shim_instance != update.shim_instance;
}

bool IsAmong(const VirtualGpuIdentity& vgpu,
             const std::vector<VirtualGpuIdentity>& present) {
  return std::find(present.begin(), present.end(), vgpu) != present.end();
}

// Takes note of the vGPUs that went with what held them, but for those that are
// `still` there. Returns how many they are. From Pause on nobody else can give
// back what was stopped and saved, whoever is there now.
size_t CountLost(const std::vector<VirtualGpuIdentity>& still,
                 absl::string_view difference, Update& update) {
  size_t lost = 0;
  for (const VirtualGpuIdentity& vgpu : update.present) {
    if (!update.paused && IsAmong(vgpu, still)) continue;
    VirtualGpuResult& result = update.vgpus[vgpu.partition_id];
    result.partition_id = vgpu.partition_id;
    result.guest = vgpu.guest;
    result.preserved = false;
    result.difference = std::string(difference);
    ++lost;
  }
  return lost;
}

// The shim that the attempt was begun with is gone, and what it held with it.
// The one that answers finds its own driver well and knows of no update, so
// nothing that it says may be taken for a clean end.
void GoOnWithAnotherShim(Step step, const Outcome& seen, Update& update) {
  update.failures = 0;
  update.gate_touched |= step == Step::kInspect;
  const size_t lost =
      CountLost(seen.present,
                "its state is lost with the shim that was restarted", update);
  if (update.paused || lost > 0) {
    Quarantine(
        "SHIM_RESTARTED",
        absl::StrCat("the shim was restarted ",
                     update.paused ? "after Pause was begun" : "before Pause",
                     ": the state of ", lost, " vGPUs is lost with it; step '",
                     Name(step), "' found the adapter '", Name(seen.adapter),
                     "'"),
        update);
    update.reason = "SHIM_RESTARTED";  // whatever had gone wrong before
    return;
  }
  update.shim_instance = seen.shim_instance;
  Note("SHIM_RESTARTED", "the shim was restarted before Pause", update);
  const bool cancelled =
      step == Step::kCancel && seen.record.code == absl::StatusCode::kOk;
  update.phase = Phase::kCancelling;
  if (cancelled) StandStillCancelled(update);
}

// The host went down in mid-update, and came up again: what was saved, and
// every vGPU, went with it. Nobody has to be asked.
void GoOnAfterReboot(absl::string_view boot_id, Update& update) {
  const std::string what = absl::StrCat(
      "the host was rebooted (boot id ", update.boot_id, ", now ", boot_id,
      ") ", update.paused ? "after Pause was begun" : "before Pause");
  // How far it had come with the gate is not journalled.
  update.gate_touched = true;
  const size_t lost =
      CountLost({}, "its state is lost with the host, which went down", update);
  if (update.paused || lost > 0) {
    Quarantine(
        "HOST_REBOOTED",
        absl::StrCat(what, ": the state of ", lost, " vGPUs is lost with it"),
        update);
    update.reason = "HOST_REBOOTED";  // whatever had gone wrong before
    return;
  }
  // The shim, if it is there, knows of no update: only the gate is to be seen
  // to.
  Note("HOST_REBOOTED", what, update);
  update.phase = Phase::kCancelled;
}

absl::Status CheckEpoch(uint64_t epoch, const Update& update) {
  if (epoch < update.epoch) return StaleEpochError(epoch, update.epoch);
  return absl::OkStatus();
}

// What holds for every order but a repeat of the attempt that `update` is of.
absl::Status CheckAttempt(absl::string_view rollout, uint64_t attempt,
                          const Update& update) {
  if (attempt == 0) return BadOrderError("has attempt 0, want at least 1");
  if (rollout.empty()) return BadOrderError("names no rollout");
  if (attempt <= update.finished_attempt) {
    return AttemptFinishedError(attempt, update.finished_attempt);
  }
  if (Active(update)) {
    return AttemptRunningError(attempt, update.order.attempt);
  }
  return absl::OkStatus();
}

bool Repeats(uint64_t attempt, const Update& update) {
  return update.phase != Phase::kIdle && attempt == update.order.attempt;
}

// The service asks again: it gets the recorded end again.
void ShowAgain(Update& update) {
  if (update.phase != Phase::kEnded) return;
  update.acknowledged = 0;
  ++update.asked_again;
}

}  // namespace

absl::Status Apply(const Welcomed& event, Update& update) {
  if (absl::Status ok = CheckEpoch(event.epoch, update); !ok.ok()) return ok;
  update.epoch = event.epoch;
  return absl::OkStatus();
}

absl::Status Apply(const StartOrdered& event, Update& update) {
  const Order& order = event.order;
  if (absl::Status ok = CheckEpoch(event.epoch, update); !ok.ok()) return ok;
  const bool repeat = Repeats(order.attempt, update);
  if (!repeat) {
    absl::Status ok = CheckAttempt(order.rollout, order.attempt, update);
    if (!ok.ok()) return ok;
    if (event.now > event.not_after) {
      return OrderExpiredError(order.attempt, event.now - event.not_after);
    }
  }

  // Nothing below this line can fail.
  update.epoch = event.epoch;
  if (repeat) {
    ShowAgain(update);
    return absl::OkStatus();
  }
  Begin(order, update);
  // The attempt has a slot: only an end of it frees that.
  if (!order.unknown.empty()) {
    Note("STEP_UNKNOWN", absl::StrCat("the order ", order.unknown), update);
    Finish(End::kCancelled, update);
  } else if (const std::string problem = ProblemIn(order); !problem.empty()) {
    Note("BAD_ORDER", absl::StrCat("the order ", problem), update);
    Finish(End::kCancelled, update);
  }
  return absl::OkStatus();
}

absl::Status Apply(const CancelOrdered& event, Update& update) {
  if (absl::Status ok = CheckEpoch(event.epoch, update); !ok.ok()) return ok;
  const bool repeat = Repeats(event.attempt, update);
  if (!repeat) {
    absl::Status ok = CheckAttempt(event.rollout, event.attempt, update);
    if (!ok.ok()) return ok;
  }

  // Nothing below this line can fail.
  update.epoch = event.epoch;
  if (!repeat) {
    // Its start never came. It must not any more: the attempt ends here.
    Order order;
    order.rollout = event.rollout;
    order.attempt = event.attempt;
    Begin(std::move(order), update);
    Note("CANCELLED_BY_SERVICE", "cancelled before it was started", update);
    Finish(End::kCancelled, update);
    return absl::OkStatus();
  }
  if (update.phase == Phase::kEnded) {
    ShowAgain(update);
  } else if (Cancellable(update) || update.phase == Phase::kUnknown) {
    WantCancel("CANCELLED_BY_SERVICE", "the service cancelled it", update);
  } else if (!update.cancel_wanted && TooLateToCancel(update)) {
    update.cancel_wanted = true;
    ++update.sequence;
    absl::StrAppend(&update.message, update.message.empty() ? "" : "; ",
                    "the service's cancel came after Pause was begun and was "
                    "ignored");
  }
  return absl::OkStatus();
}

absl::Status Apply(const ReportAcknowledged& event, Update& update) {
  if (event.attempt != update.order.attempt) return absl::OkStatus();
  const uint64_t known = std::min(event.sequence, update.sequence);
  update.acknowledged = std::max(update.acknowledged, known);
  return absl::OkStatus();
}

absl::Status Apply(const StopRequested& event, Update& update) {
  if (Cancellable(update)) WantCancel(event.reason, event.message, update);
  return absl::OkStatus();
}

absl::Status Apply(const Restarted& event, Update& update) {
  const bool rebooted = !event.boot_id.empty() && !update.boot_id.empty() &&
                        event.boot_id != update.boot_id;
  if (!Active(update)) {
    update.boot_id = event.boot_id;
    return absl::OkStatus();
  }
  update.running = std::nullopt;
  update.failures = 0;
  update.phase = Phase::kUnknown;
  ++update.sequence;
  if (rebooted) GoOnAfterReboot(event.boot_id, update);
  update.boot_id = event.boot_id;
  return absl::OkStatus();
}

absl::Status Apply(const StepStarted& event, Update& update) {
  const std::optional<Arc> arc = ArcOutOf(update.way, update.phase);
  const bool planned = event.step == Step::kInspect
                           ? update.phase == Phase::kUnknown
                           : arc.has_value() && arc->step == event.step;
  if (update.running.has_value() || !planned) {
    return StepUnexpectedError(update.way, update.phase, event.step);
  }
  update.running = event.step;
  ++update.sequence;
  if (event.step == Step::kCloseGate) update.gate_touched = true;
  // Whoever may have been told "before" is told "after", by Reopen.
  if (event.step == Step::kPrepare && !update.order.hook_before.empty()) {
    update.gate_touched = true;
  }
  if (event.step == Step::kPause) update.paused = true;
  if (event.step == Step::kUnload) update.past_no_return = true;
  return absl::OkStatus();
}

absl::Status Apply(const StepEnded& event, Update& update) {
  if (update.running != event.step) {
    return StepUnexpectedError(update.way, update.phase, event.step);
  }

  // Nothing below this line can fail.
  const Outcome& outcome = event.outcome;
  update.running = std::nullopt;
  ++update.sequence;
  Record(event, update);
  Merge(event.step, outcome, update);
  if (outcome.saved.has_value()) update.saved = *outcome.saved;
  if (event.step == Step::kPrepare && update.shim_instance.empty()) {
    update.shim_instance = outcome.shim_instance;
    update.present = outcome.present;
  }
  if (OfAnotherLife(outcome, update)) {
    GoOnWithAnotherShim(event.step, outcome, update);
  } else if (outcome.record.code != absl::StatusCode::kOk) {
    Fail(event.step, outcome, update);
  } else if (event.step == Step::kInspect) {
    Recover(outcome, update);
  } else {
    Succeed(event.step, outcome, ArcOutOf(update.way, update.phase)->to,
            update);
  }
  return absl::OkStatus();
}

}  // namespace baton::agent::core
