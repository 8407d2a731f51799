#include "driver-shim/vfio/adapter.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/port/order.h"

namespace baton::vfio {
namespace {

using port::AdapterState;
using port::AdapterStep;

// How often it is looked who is there, outside updates.
constexpr absl::Duration kLookInterval = absl::Seconds(5);

absl::Status OutOfOrder(AdapterState state, AdapterStep step) {
  return ErrorWithReason(
      absl::StatusCode::kFailedPrecondition, "STEP_OUT_OF_ORDER",
      absl::StrCat("step ", port::Name(step), " is out of order: adapter is ",
                   port::Name(state)));
}

absl::Status Stale(uint64_t attempt, absl::string_view why) {
  return ErrorWithReason(absl::StatusCode::kAborted, "STALE_ATTEMPT",
                         absl::StrCat("attempt ", attempt, " is stale: ", why));
}

}  // namespace

absl::Status VfioAdapter::Start(const port::DriverImage& image,
                                const std::string& fresh_instance) {
  RETURN_IF_ERROR(steps_->Start(image, fresh_instance));
  if (steps_->record().attempt == 0) steps_->Look();
  return absl::OkStatus();
}

port::AdapterReport VfioAdapter::Inspect() {
  const Record& record = steps_->record();
  port::AdapterReport report = {
      .name = identity_.name,
      .model = identity_.model,
      .pci_id = identity_.pci_id,
      .hot_update_capable = true,
      .vgpus = steps_->Vgpus(),
      .kernel_release = steps_->kernel_release(),
      .state = record.state,
      .attempt = record.attempt,
  };
  for (const core::Blocker& blocker : steps_->blockers()) {
    report.blockers.push_back({blocker.reason, blocker.message});
  }
  const bool loaded = record.state != AdapterState::kEmpty &&
                      record.state != AdapterState::kUnloaded;
  if (loaded) report.image = record.loaded;
  if (record.attempt != 0) report.saved = steps_->Saved();
  report.incident = incident_;
  return report;
}

absl::StatusOr<port::StepReport> VfioAdapter::Take(
    const port::StepOrder& order) {
  RETURN_IF_ERROR(CheckAttempt(order));
  Record& record = steps_->record();
  const auto recorded = record.reports.find(order.step);
  const bool known = recorded != record.reports.end();
  // A repeat of what ended the last attempt; no other step leads to kRunning.
  const bool over = record.attempt == 0 && order.attempt == record.finished &&
                    record.state == port::After(order.step);
  if (over && known) return recorded->second;
  switch (port::Judge(record.state, order.step)) {
    case port::OrderVerdict::kCarryOut:
      break;
    case port::OrderVerdict::kRepeat:
      if (record.attempt != 0 && known) return recorded->second;
      return OutOfOrder(record.state, order.step);
    case port::OrderVerdict::kRefuse:
      return OutOfOrder(record.state, order.step);
  }
  const absl::Duration begin = clock_.Monotonic();
  port::StepReport report = Do(order);
  report.elapsed = clock_.Monotonic() - begin;
  KeepIncident(order, report);
  if (absl::Status kept = Finish(order, report); !kept.ok()) {
    report.status = std::move(kept);
  }
  LogInfo(absl::StrCat("attempt ", order.attempt, ": ", port::Name(order.step),
                       report.status.ok()
                           ? " succeeded"
                           : absl::StrCat(" failed: ", report.status.message()),
                       " in ", absl::FormatDuration(report.elapsed),
                       ", adapter is ", port::Name(record.state)));
  return report;
}

absl::Status VfioAdapter::CheckAttempt(const port::StepOrder& order) const {
  const Record& record = steps_->record();
  if (record.attempt != 0 && order.attempt != record.attempt) {
    return Stale(order.attempt,
                 absl::StrCat("attempt ", record.attempt, " is under way"));
  }
  if (record.attempt != 0) return absl::OkStatus();
  if (order.attempt < record.finished) {
    return Stale(order.attempt,
                 absl::StrCat("attempt ", record.finished, " has ended"));
  }
  // One that was cancelled may be tried again; one that was committed, not.
  if (order.attempt == record.finished && order.step == AdapterStep::kPrepare &&
      record.reports.contains(AdapterStep::kCommit)) {
    return Stale(order.attempt, "it was committed");
  }
  return absl::OkStatus();
}

port::StepReport VfioAdapter::Do(const port::StepOrder& order) {
  switch (order.step) {
    case AdapterStep::kPrepare:
      return steps_->Prepare(order);
    case AdapterStep::kPause:
      return steps_->Pause(order);
    case AdapterStep::kSave:
      return steps_->Save(order);
    case AdapterStep::kCancel:
      return steps_->Cancel(order);
    case AdapterStep::kUnload:
      return steps_->Unload(order);
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
  std::abort();
}

// Records what succeeded, and begins or ends the attempt, durably.
absl::Status VfioAdapter::Finish(const port::StepOrder& order,
                                 const port::StepReport& report) {
  Record& record = steps_->record();
  if (order.step == AdapterStep::kPrepare) {
    record.reports.clear();
    if (record.state == AdapterState::kPrepared) record.attempt = order.attempt;
  }
  if (record.attempt != 0 && report.status.ok()) {
    record.reports[order.step] = report;
  }
  if (record.state == AdapterState::kRunning && record.attempt != 0) {
    record.finished = record.attempt;
    record.attempt = 0;
  }
  return steps_->Keep();
}

// The first failure of the attempt, with all that is known then.
void VfioAdapter::KeepIncident(const port::StepOrder& order,
                               const port::StepReport& report) {
  if (order.step == AdapterStep::kPrepare) incident_ = nullptr;
  if (report.status.ok()) return;
  if (incident_ != nullptr && incident_->attempt == order.attempt) return;
  port::Incident incident = {
      .attempt = order.attempt,
      .before = steps_->census(),
      .driver_log = {std::string(report.status.message())}};
  for (const auto& [uuid, vgpu] : steps_->record().vgpus) {
    if (vgpu.saved.path.empty()) continue;
    incident.blocks.push_back({.form = "DATA",
                               .bytes = vgpu.saved.bytes,
                               .digest = vgpu.saved.digest});
  }
  incident_ = std::make_shared<const port::Incident>(std::move(incident));
}

void VfioAdapter::Watch() {
  const absl::Duration now = clock_.Monotonic();
  if (steps_->record().attempt != 0 || now - looked_ < kLookInterval) return;
  steps_->Look();
  looked_ = clock_.Monotonic();
}

}  // namespace baton::vfio
