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
// How long after a Commit guests are left alone before it is tidied up.
constexpr absl::Duration kTidyAfter = absl::Milliseconds(500);
// What a step gets at least that another life of the shim had begun.
constexpr absl::Duration kLeast = absl::Seconds(2);

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
  DropLateRun();
  return absl::OkStatus();
}

// When all of a run's time is over, whoever ordered it has made other plans:
// what was begun is brought to an end, and no more.
void VfioAdapter::DropLateRun() {
  Record& record = steps_->record();
  if (!record.begun.has_value()) return;
  port::OrderedRun& run = record.run;
  const size_t next = run.reports.size();
  absl::Duration time = absl::ZeroDuration();
  for (size_t i = next; i < run.orders.size(); ++i) {
    time += run.orders[i].deadline;
  }
  const absl::Duration spent = clock_.Monotonic() - *record.begun;
  if (spent <= time) return;
  LogWarning(absl::StrCat("its orders are ", absl::FormatDuration(spent - time),
                          " late: ends what was begun, and waits"));
  run.orders.resize(std::min(next + 1, run.orders.size()));
  run.told = run.orders.size();
}

void VfioAdapter::Keep(const port::OrderedRun& run) {
  Record& record = steps_->record();
  record.run = run;
  // One that was not begun yet is written down by its first act.
  if (run.reports.empty()) {
    record.begun = std::nullopt;
  } else if (absl::Status kept = steps_->Keep(); !kept.ok()) {
    LogWarning(kept.message());
  }
}

absl::Duration VfioAdapter::Begin(const port::StepOrder& order) {
  Record& record = steps_->record();
  const size_t next = record.run.reports.size();
  const bool ours =
      next < record.run.orders.size() && record.run.orders[next] == order;
  if (ours && record.begun.has_value()) {
    const absl::Duration spent = clock_.Monotonic() - *record.begun;
    return std::max(order.deadline - spent, std::min(order.deadline, kLeast));
  }
  if (!ours) record.run = {.orders = {order}};
  record.begun = clock_.Monotonic();
  return order.deadline;
}

void VfioAdapter::End(const port::StepReport& report) {
  Record& record = steps_->record();
  record.run.reports.push_back(report);
  const bool goes_on = report.status.ok() &&
                       record.run.reports.size() < record.run.orders.size();
  record.begun = std::nullopt;
  if (goes_on) record.begun = clock_.Monotonic();
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
  port::StepOrder limited = order;
  limited.deadline = Begin(order);
  port::StepReport report = Do(limited);
  ended_ = clock_.Monotonic();
  report.elapsed = ended_ - begin;
  KeepIncident(order, report);
  End(report);
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
  if (steps_->record().attempt != 0) return;
  if (steps_->untidy()) {
    if (now - ended_ < kTidyAfter) return;
    steps_->Tidy();
  } else if (now - looked_ < kLookInterval) {
    return;
  } else {
    steps_->Look();
  }
  looked_ = clock_.Monotonic();
}

}  // namespace baton::vfio
