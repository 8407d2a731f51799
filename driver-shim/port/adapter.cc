#include "driver-shim/port/adapter.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/check.h"
#include "base/fail_point.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/port/host_protocol.h"
#include "driver-shim/port/order.h"
#include "driver-shim/port/record_codec.h"

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
std::string TextOf(const SharedList<EntryPointCall>& calls) {
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

// What is left to a step that was begun by another shim, however late it is: so
// much of it as was begun can be brought to an end.
constexpr absl::Duration kLeast = absl::Milliseconds(200);

// Of all threads: digests are taken by several.
uint64_t PageFaults() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_minflt + usage.ru_majflt);
}

// Two places for each step: nothing of it is done, and nothing of what it did
// is written down.
void PassBefore(AdapterStep step) {
  switch (step) {
    case AdapterStep::kPrepare:
      FAIL_POINT("shim.before_prepare");
      return;
    case AdapterStep::kPause:
      FAIL_POINT("shim.before_pause");
      return;
    case AdapterStep::kSave:
      FAIL_POINT("shim.before_save");
      return;
    case AdapterStep::kCancel:
      FAIL_POINT("shim.before_cancel");
      return;
    case AdapterStep::kUnload:
      FAIL_POINT("shim.before_unload");
      return;
    case AdapterStep::kRestore:
      FAIL_POINT("shim.before_restore");
      return;
    case AdapterStep::kVerify:
      FAIL_POINT("shim.before_verify");
      return;
    case AdapterStep::kResume:
      FAIL_POINT("shim.before_resume");
      return;
    case AdapterStep::kConfirm:
      FAIL_POINT("shim.before_confirm");
      return;
    case AdapterStep::kCommit:
      FAIL_POINT("shim.before_commit");
      return;
  }
}

void PassAfter(AdapterStep step) {
  switch (step) {
    case AdapterStep::kPrepare:
      FAIL_POINT("shim.after_prepare");
      return;
    case AdapterStep::kPause:
      FAIL_POINT("shim.after_pause");
      return;
    case AdapterStep::kSave:
      FAIL_POINT("shim.after_save");
      return;
    case AdapterStep::kCancel:
      FAIL_POINT("shim.after_cancel");
      return;
    case AdapterStep::kUnload:
      FAIL_POINT("shim.after_unload");
      return;
    case AdapterStep::kRestore:
      FAIL_POINT("shim.after_restore");
      return;
    case AdapterStep::kVerify:
      FAIL_POINT("shim.after_verify");
      return;
    case AdapterStep::kResume:
      FAIL_POINT("shim.after_resume");
      return;
    case AdapterStep::kConfirm:
      FAIL_POINT("shim.after_confirm");
      return;
    case AdapterStep::kCommit:
      FAIL_POINT("shim.after_commit");
      return;
  }
}

}  // namespace

absl::Status DdiAdapter::Start(const DriverImage& image, absl::Duration timeout,
                               const std::string& boot) {
  boot_ = boot;
  device_life_ = device_.Life();
  auto found = RecordFile::Open(RecordPath());
  if (Reason(found.status()) == "FILE_MISSING") {
    return StartFresh(image, timeout);
  }
  absl::Status read = found.status();
  if (found.ok()) {
    record_ = *std::move(found);
    read = ReadRecord();
  }
  if (Reason(read) == "RECORD_OF_ANOTHER_LIFE") {
    LogWarning(read.message());
    return StartFresh(image, timeout);
  }
  if (read.ok()) {
    Recover(timeout);
  } else {
    // Neither what is there nor what the guests have of it is known.
    record_ = nullptr;
    state_ = AdapterState::kBroken;
    steps_->LeaveAlone(std::string(read.message()));
  }
  return absl::OkStatus();
}

absl::Status DdiAdapter::StartFresh(const DriverImage& image,
                                    absl::Duration timeout) {
  record_ = nullptr;
  RETURN_IF_ERROR(steps_->StartFresh(image, timeout));
  FAIL_POINT("shim.before_first_record");
  ASSIGN_OR_RETURN(record_, RecordFile::Create(RecordPath()));
  state_ = AdapterState::kRunning;
  began_anew_ = true;
  WriteRecord();
  return absl::OkStatus();
}

void DdiAdapter::Recover(absl::Duration timeout) {
  const std::optional<AdapterStep> under_way =
      under_way_ ? std::optional(run_.orders[run_.reports.size()].step)
                 : std::nullopt;
  const AdapterState before = state_;
  state_ = steps_->Recover(before, under_way, timeout);
  LogWarning(absl::StrCat(
      "takes over from a shim that ended: adapter was ", Name(before),
      under_way.has_value() ? absl::StrCat(", ", Name(*under_way), " under way")
                            : "",
      attempt_ == 0 ? "" : absl::StrCat(", in attempt ", attempt_), ", and is ",
      Name(state_)));
  if (under_way.has_value()) DropLateRun();
  FAIL_POINT("shim.before_recovered_record");
  WriteRecord();
}

// When all of a run's time is over, whoever ordered it has made other plans:
// what is under way is brought to an end, and no more.
void DdiAdapter::DropLateRun() {
  const size_t next = run_.reports.size();
  absl::Duration time = absl::ZeroDuration();
  for (size_t i = next; i < run_.orders.size(); ++i) {
    time += run_.orders[i].deadline;
  }
  const absl::Duration spent = clock_.Monotonic() - begun_;
  if (spent <= time) return;
  LogWarning(absl::StrCat("its orders are ", absl::FormatDuration(spent - time),
                          " late: ends what was begun, and waits"));
  run_.orders.resize(next + 1);
  run_.told = next + 1;
}

std::string DdiAdapter::RecordPath() const {
  return absl::StrCat(steps_->directory(), "/record");
}

absl::Status DdiAdapter::ReadRecord() {
  ASSIGN_OR_RETURN(const absl::string_view record, record_->Read());
  RecordReader reader(reinterpret_cast<const std::byte*>(record.data()),
                      record.size());
  std::string boot;
  std::string device_life;
  reader(boot, device_life);
  if (record.empty() || boot != boot_ || device_life != device_life_) {
    return ErrorWithReason(
        absl::StatusCode::kFailedPrecondition, "RECORD_OF_ANOTHER_LIFE",
        absl::StrCat("what the shim before knew is of another life of ",
                     boot != boot_ ? "the machine" : "the device",
                     ": its vGPUs are gone"));
  }
  uint64_t format = 0;
  uint64_t protocol = 0;
  reader(format, protocol);
  if (format != kRecordFormat || protocol != kHostProtocol) {
    return ErrorWithReason(
        absl::StatusCode::kFailedPrecondition, "RECORD_UNKNOWN",
        absl::StrCat("the shim before was of another release: its record has "
                     "format ",
                     format, ".", protocol, ", want ", kRecordFormat, ".",
                     kHostProtocol));
  }
  Fields(reader, *this);
  const bool sound = reader.whole() &&
                     (!under_way_ || run_.reports.size() < run_.orders.size());
  if (sound) return absl::OkStatus();
  return ErrorWithReason(absl::StatusCode::kDataLoss, "RECORD_DAMAGED",
                         "record of the shim before makes no sense");
}

void DdiAdapter::WriteRecord() {
  if (record_ == nullptr) return;
  steps_->NoteHost();
  const auto fill = [this](std::byte* room, size_t bytes) {
    RecordWriter writer(room, bytes);
    writer(boot_, device_life_, kRecordFormat, uint64_t{kHostProtocol});
    Fields(writer, *this);
    return writer.fits() ? bytes - writer.left() : size_t{0};
  };
  if (record_->Write(fill)) return;
  // A driver that says very much: what it said and was called for goes first.
  const auto shorten = [](StepReport& report) {
    report.calls = {};
    report.driver_log.clear();
  };
  for (auto& [step, report] : records_) shorten(report);
  for (StepReport& report : run_.reports) shorten(report);
  incident_ = nullptr;
  CHECK(record_->Write(fill));
}

void DdiAdapter::Keep(const OrderedRun& run) {
  run_ = run;
  // One that was not begun yet is written down by its first step.
  if (!run_.reports.empty()) WriteRecord();
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
  record_ = nullptr;
  // Last: without it nobody looks for what is gone.
  unlink(RecordPath().c_str());
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
    report.fault = std::string(device_.CheckAlive().message());
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
      under_way_ = false;
      return OutOfOrder(state_, order.step);
  }
  const absl::Duration begin = clock_.Monotonic();
  const uint64_t faults = PageFaults();
  StepOrder carried_out = order;
  carried_out.deadline = Begin(order);
  PassBefore(order.step);
  UpdateSteps::Outcome outcome = Do(carried_out);
  PassAfter(order.step);
  outcome.report.elapsed = clock_.Monotonic() - begin;
  outcome.report.shim_faults = PageFaults() - faults;
  state_ = outcome.state;
  KeepIncident(order, outcome.report);
  Finish(order, outcome.report);
  End(outcome.report);
  // A log line takes as long as a step.
  if (InBlackout(state_) && outcome.report.status.ok()) {
    unlogged_.push_back({order, state_});
  } else {
    Log();
    LogInfo(TextOf(order, outcome.report, state_));
  }
  return std::move(outcome.report);
}

// Writes down that the step is being taken, unless that was done when the one
// before it had ended. Returns how long it may take.
absl::Duration DdiAdapter::Begin(const StepOrder& order) {
  const size_t next = run_.reports.size();
  const bool ours = next < run_.orders.size() && run_.orders[next] == order;
  if (ours && under_way_) {
    // Whoever began it may have died over it: its time goes on.
    const absl::Duration spent = clock_.Monotonic() - begun_;
    return std::max(order.deadline - spent, std::min(order.deadline, kLeast));
  }
  if (!ours) run_ = {.orders = {order}};
  under_way_ = true;
  begun_ = clock_.Monotonic();
  WriteRecord();
  return order.deadline;
}

// Writes down what the step did, and that the next one is being taken.
void DdiAdapter::End(const StepReport& report) {
  run_.reports.push_back(report);
  under_way_ = report.status.ok() && run_.reports.size() < run_.orders.size();
  begun_ = clock_.Monotonic();
  WriteRecord();
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
  if (!serves || alive) return;
  state_ = AdapterState::kBroken;
  steps_->DropStandbys();
  WriteRecord();
}

}  // namespace baton::port
