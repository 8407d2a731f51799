#include "driver-shim/port/adapter.h"

#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/port/order.h"

namespace baton::port {
namespace {

absl::Status OutOfOrder(AdapterState state, AdapterStep step) {
  return ErrorWithReason(
      absl::StatusCode::kFailedPrecondition, "STEP_OUT_OF_ORDER",
      absl::StrCat("step ", Name(step), " is out of order: adapter is ",
                   Name(state)));
}

absl::Status Stale(uint64_t attempt, absl::string_view why) {
  return ErrorWithReason(absl::StatusCode::kAborted, "STALE_ATTEMPT",
                         absl::StrCat("attempt ", attempt, " is stale: ", why));
}

// Each entry point with the time of all its calls, as they came first.
std::string TextOf(const std::vector<EntryPointCall>& calls) {
  std::vector<EntryPointCall> sums;
  for (const EntryPointCall& call : calls) {
    auto sum = std::find_if(sums.begin(), sums.end(), [&](const auto& s) {
      return s.entry_point == call.entry_point;
    });
    if (sum == sums.end()) {
      sums.push_back(call);
    } else {
      sum->elapsed += call.elapsed;
    }
  }
  return absl::StrJoin(sums, ", ", [](std::string* out, const auto& sum) {
    absl::StrAppend(out, sum.entry_point, " ",
                    absl::FormatDuration(sum.elapsed));
  });
}

std::string TextOf(const StepOrder& order, const StepReport& report,
                   AdapterState state) {
  return absl::StrCat(
      "attempt ", order.attempt, ": ", Name(order.step),
      report.status.ok() ? " succeeded"
                         : absl::StrCat(" failed: ", report.status.message()),
      " in ", absl::FormatDuration(report.elapsed), ", ",
      absl::FormatDuration(report.driver_time), " of it in the driver (",
      TextOf(report.calls), "), ", report.shim_faults, " page faults here, ",
      report.driver_faults, " in the driver's host, adapter is ", Name(state));
}

// Whether guests stand still in it.
bool InBlackout(AdapterState state) {
  switch (state) {
    case AdapterState::kPaused:
    case AdapterState::kSaved:
    case AdapterState::kUnloaded:
    case AdapterState::kRestored:
    case AdapterState::kVerified:
      return true;
    case AdapterState::kEmpty:
    case AdapterState::kRunning:
    case AdapterState::kPrepared:
    case AdapterState::kResumed:
    case AdapterState::kConfirmed:
    case AdapterState::kBroken:
      return false;
  }
  return false;
}

// Of all threads: digests are taken by several.
uint64_t PageFaults() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_minflt + usage.ru_majflt);
}

}  // namespace

absl::Status DdiAdapter::Start(const DriverImage& image,
                               absl::Duration timeout) {
  RETURN_IF_ERROR(steps_->StartFresh(image, timeout));
  state_ = AdapterState::kRunning;
  return absl::OkStatus();
}

void DdiAdapter::Stop(absl::Duration timeout) {
  const bool paused =
      state_ == AdapterState::kPaused || state_ == AdapterState::kSaved;
  if (paused) {
    const auto cancelled = Take({.step = AdapterStep::kCancel,
                                 .attempt = attempt_,
                                 .deadline = timeout});
    if (!cancelled.ok()) LogWarning(cancelled.status().message());
  }
  steps_->Stop(timeout);
  state_ = AdapterState::kEmpty;
}

AdapterReport DdiAdapter::Inspect() {
  const DeviceIdentity identity = device_.Identity();
  AdapterReport report = {
      .name = name_,
      .model = identity.model,
      .pci_id =
          absl::StrFormat("%04x:%04x", identity.vendor_id, identity.device_id),
      .hot_update_capable = steps_->hot_update_capable(),
      .vgpus = steps_->vgpus(),
      .fault = steps_->fault(),
      .state = state_,
      .attempt = attempt_,
  };
  if (report.fault.empty()) {
    // A driver may not notice for long that its device is gone.
    report.fault = std::string(device_.Functions().status().message());
  }
  const bool loaded =
      state_ != AdapterState::kEmpty && state_ != AdapterState::kUnloaded;
  if (loaded) report.image = steps_->image();
  if (steps_->saved().blocks > 0) report.saved = steps_->saved();
  report.incident = incident_;
  return report;
}

absl::StatusOr<StepReport> DdiAdapter::Take(const StepOrder& order) {
  RETURN_IF_ERROR(CheckAttempt(order));
  const auto recorded = records_.find(order.step);
  // A repeat of what ended the last attempt; no other step leads to kRunning.
  const bool over = attempt_ == 0 && order.attempt == finished_ &&
                    state_ == After(order.step);
  if (over && recorded != records_.end()) return recorded->second;
  switch (Judge(state_, order.step)) {
    case OrderVerdict::kCarryOut:
      break;
    case OrderVerdict::kRepeat:
      if (attempt_ == 0 || recorded == records_.end()) {
        return OutOfOrder(state_, order.step);
      }
      return recorded->second;
    case OrderVerdict::kRefuse:
      return OutOfOrder(state_, order.step);
  }
  const absl::Duration begin = clock_.Monotonic();
  const uint64_t faults = PageFaults();
  UpdateSteps::Outcome outcome = Do(order);
  outcome.report.elapsed = clock_.Monotonic() - begin;
  outcome.report.shim_faults = PageFaults() - faults;
  state_ = outcome.state;
  KeepIncident(order, outcome.report);
  Finish(order, outcome.report);
  // A log line takes as long as a step.
  if (InBlackout(state_) && outcome.report.status.ok()) {
    unlogged_.push_back({order, state_});
  } else {
    Log();
    LogInfo(TextOf(order, outcome.report, state_));
  }
  return std::move(outcome.report);
}

// Says what was not said while guests stood still.
void DdiAdapter::Log() {
  for (const auto& [order, state] : unlogged_) {
    LogInfo(TextOf(order, records_.at(order.step), state));
  }
  unlogged_.clear();
}

absl::Status DdiAdapter::CheckAttempt(const StepOrder& order) const {
  if (attempt_ != 0 && order.attempt != attempt_) {
    return Stale(order.attempt,
                 absl::StrCat("attempt ", attempt_, " is under way"));
  }
  if (attempt_ != 0) return absl::OkStatus();
  if (order.attempt < finished_) {
    return Stale(order.attempt,
                 absl::StrCat("attempt ", finished_, " has ended"));
  }
  // One that was cancelled may be tried again; one that was committed, not.
  if (order.attempt == finished_ && order.step == AdapterStep::kPrepare &&
      records_.contains(AdapterStep::kCommit)) {
    return Stale(order.attempt, "it was committed");
  }
  return absl::OkStatus();
}

UpdateSteps::Outcome DdiAdapter::Do(const StepOrder& order) {
  switch (order.step) {
    case AdapterStep::kPrepare:
      return steps_->Prepare(order);
    case AdapterStep::kPause:
      return steps_->Pause(order, state_);
    case AdapterStep::kSave:
      return steps_->Save(order);
    case AdapterStep::kCancel:
      return steps_->Cancel(order, state_);
    case AdapterStep::kUnload:
      return steps_->Unload(order, state_);
    case AdapterStep::kRestore:
      return steps_->Restore(order);
    case AdapterStep::kVerify:
      return steps_->Verify(order);
    case AdapterStep::kResume:
      return steps_->Resume(order);
    case AdapterStep::kConfirm:
      return steps_->Confirm(order);
    case AdapterStep::kCommit:
      return steps_->Commit(order);
  }
  return {{.status = absl::InternalError("unknown step")}, state_};
}

void DdiAdapter::KeepIncident(const StepOrder& order,
                              const StepReport& report) {
  if (order.step == AdapterStep::kPrepare) incident_ = nullptr;
  if (report.status.ok()) return;
  if (incident_ != nullptr && incident_->attempt == order.attempt) return;
  incident_ = std::make_shared<const Incident>(
      steps_->IncidentOf(order.attempt, report));
}

// Records what succeeded, and begins or ends the attempt.
void DdiAdapter::Finish(const StepOrder& order, const StepReport& report) {
  if (order.step == AdapterStep::kPrepare) {
    records_.clear();
    if (state_ == AdapterState::kPrepared) attempt_ = order.attempt;
  }
  if (attempt_ != 0 && report.status.ok()) records_[order.step] = report;
  if (state_ != AdapterState::kRunning || attempt_ == 0) return;
  finished_ = attempt_;
  attempt_ = 0;
}

void DdiAdapter::Watch() {
  Log();
  const bool alive = steps_->Watch();
  const bool serves =
      state_ == AdapterState::kRunning || state_ == AdapterState::kPrepared ||
      state_ == AdapterState::kResumed || state_ == AdapterState::kConfirmed;
  if (serves && !alive) state_ = AdapterState::kBroken;
}

}  // namespace baton::port
