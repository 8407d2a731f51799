#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/fail_point.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/port/touch.h"
#include "driver-shim/port/update_steps.h"

// The steps up to the point of no return.

namespace baton::port {
namespace {

// What the shim allocates in a blackout of as many vGPUs as a board can have.
constexpr size_t kHeapBytes = size_t{1} << 20;

absl::Status NoDriver(const std::string& fault) {
  return ErrorWithReason(absl::StatusCode::kAborted, "DRIVER_CRASHED",
                         fault.empty() ? "driver is not there" : fault);
}

}  // namespace

// ---- Prepare ----

UpdateSteps::Outcome UpdateSteps::Prepare(const StepOrder& order) {
  const Budget budget(clock_, order.deadline);
  Outcome outcome = {.state = AdapterState::kRunning};
  StepReport& report = outcome.report;
  DropStandbys();
  if (!Watch()) {
    report.status = NoDriver(fault_);
    return Broken(std::move(report), budget);
  }
  if (const Verdict verdict = CheckCapable(caps_); verdict.has_value()) {
    report.status = ErrorWithReason(absl::StatusCode::kFailedPrecondition,
                                    "HOT_UPDATE_UNSUPPORTED", verdict->message);
    report.rule = absl::StrCat("R", verdict->rule);
    return outcome;
  }
  // A driver that does not answer now would not save either.
  const Answer alive = driver_->Census(
      HostCommand::kCensus, device_.Identity().functions_max, budget.Left());
  Note(report, alive.status());
  if (Lost(alive.status())) return Broken(std::move(report), budget);
  next_ = order.image;
  if (report.status.ok()) report.status = OpenStandbys(budget);
  if (!report.status.ok()) {
    DropStandbys();
    return outcome;
  }
  before_ = {};
  at_unload_.clear();
  blackouts_.clear();
  saved_ = {};
  outcome.state = AdapterState::kPrepared;
  return outcome;
}

// Opens the next image, and the present one again: going back must neither take
// longer than going forward, nor find the old image gone.
absl::Status UpdateSteps::OpenStandbys(const Budget& budget) {
  for (const DriverImage& wanted : {next_, image_}) {
    ASSIGN_OR_RETURN(std::unique_ptr<DriverProcess> process,
                     Open(wanted, budget.Left()));
    standbys_.push_back({.image = wanted, .process = std::move(process)});
  }
  TouchCodeAndStack();
  TouchHeap(kHeapBytes);
  return absl::OkStatus();
}

// ---- Pause ----

UpdateSteps::Outcome UpdateSteps::Pause(const StepOrder& order,
                                        AdapterState from) {
  const Budget budget(clock_, order.deadline);
  Outcome outcome = {.state = from};
  StepReport& report = outcome.report;
  save_ = {};
  if (from != AdapterState::kPrepared) {
    // Engines ran with the blocks that are held: they are stale, and the driver
    // that is to save now owns what it was handed.
    const Answer settled = driver_->Call(HostCommand::kSettle, budget.Left());
    Note(report, settled.status());
    if (Lost(settled.status())) return Broken(std::move(report), budget);
    if (!settled.ok()) return outcome;
    store_->Clear();
  }
  report.status = device_.PauseEngines(budget.Left());
  if (!report.status.ok()) return outcome;
  FAIL_POINT("shim.engines_stopped");
  std::vector<CensusEntry> census;
  const absl::Status counted = QuiesceAndCount(budget, census);
  Note(report, counted);
  if (Lost(counted)) return Broken(std::move(report), budget);
  if (!counted.ok()) {
    const Answer run = driver_->Call(HostCommand::kRun, budget.Left());
    if (Lost(run.status())) return Broken(std::move(report), budget);
    const absl::Status resumed = device_.ResumeEngines(budget.Left());
    if (!resumed.ok()) LogError(resumed.message());
    report.vgpus = Blackouts({});
    return outcome;
  }
  origin_ = from;
  Adopt(census);
  before_ = std::move(census);
  report.census = before_;
  outcome.state = AdapterState::kPaused;
  return outcome;
}

absl::Status UpdateSteps::QuiesceAndCount(const Budget& budget,
                                          std::vector<CensusEntry>& census) {
  ASSIGN_OR_RETURN(
      const DriverProcess::Answer counted,
      driver_->Census(HostCommand::kQuiesce, device_.Identity().functions_max,
                      budget.Left()));
  ASSIGN_OR_RETURN(const std::vector<FunctionState> functions,
                   device_.Functions());
  ASSIGN_OR_RETURN(census, TakeCensus(functions, counted.census));
  completed_.clear();
  for (const FunctionState& function : functions) {
    completed_[function.partition_id] = function.commands_completed;
  }
  return absl::OkStatus();
}

// ---- Save ----

UpdateSteps::Outcome UpdateSteps::Save(const StepOrder& order) {
  const Budget budget(clock_, order.deadline);
  Outcome outcome = {.state = AdapterState::kPaused};
  StepReport& report = outcome.report;
  driver_->AllowSaves();
  const Answer answer = driver_->Call(HostCommand::kSave, budget.Left());
  FAIL_POINT("shim.saved");
  save_ = {.result = answer.ok() ? SaveOutcome::Result::kSucceeded
                                 : SaveOutcome::Result::kFailed,
           .blocks = driver_->saved_blocks()};
  Note(report, answer.status());
  const std::string reason = Reason(answer.status());
  if (reason == "DRIVER_CRASHED") return Broken(std::move(report), budget);
  // One that hangs may yet return: Cancel waits for it.
  if (reason == "DRIVER_HUNG") driver_->RefuseSaves();
  if (!answer.ok()) return outcome;
  report.status = JudgeSave(report);
  if (report.status.ok()) outcome.state = AdapterState::kSaved;
  return outcome;
}

absl::Status UpdateSteps::JudgeSave(StepReport& report) {
  ASSIGN_OR_RETURN(const std::vector<SavedBlock> blocks, store_->Read());
  saved_ = store_->Digest(blocks);
  save_.blocks = saved_.blocks;
  report.saved = saved_;
  Verdict verdict = CheckSavedAnything(blocks.size(), before_.size());
  if (!verdict.has_value()) verdict = CheckLabels(blocks, before_.items());
  if (!verdict.has_value()) return absl::OkStatus();
  report.rule = absl::StrCat("R", verdict->rule);
  report.driver_log = driver_->LastLines();
  report.entry_point = EntryPointName(EntryPoint::kSaveMemory);
  return ErrorWithReason(
      absl::StatusCode::kInternal, "RULE_BROKEN",
      absl::StrCat("rule R", verdict->rule, " is broken: ", verdict->message));
}

// ---- Cancel ----

UpdateSteps::Outcome UpdateSteps::Cancel(const StepOrder& order,
                                         AdapterState from) {
  const Budget budget(clock_, order.deadline);
  if (from == AdapterState::kRunning || from == AdapterState::kPrepared) {
    DropStandbys();
    return {.state = AdapterState::kRunning};
  }
  if (!Watch()) {
    return CancelLost({.status = NoDriver(fault_)}, budget);
  }
  if (driver_->busy()) return CancelHung(order, budget);
  return CancelSaved({}, budget);
}

// Whether a Cancel that another shim began went past CancelHotUpdate.
bool UpdateSteps::CancelWasSent(absl::Duration timeout) {
  const std::optional<HostCommand> unheard = driver_->Unheard(timeout);
  return unheard == HostCommand::kCensus || unheard == HostCommand::kRun;
}

// There is no driver any more that could be told.
UpdateSteps::Outcome UpdateSteps::CancelLost(StepReport report,
                                             const Budget& budget) {
  const bool dead = driver_ == nullptr || !driver_->Alive();
  // All that it knew is saved, and no guest has gone on since.
  if (dead && save_.result == SaveOutcome::Result::kSucceeded &&
      !EnginesRan()) {
    return CancelByReload(budget);
  }
  return Broken(std::move(report), budget);
}

// It is loaded once more, with its own blocks.
UpdateSteps::Outcome UpdateSteps::CancelByReload(const Budget& budget) {
  LogWarning("the driver died after Save: it is loaded again with its blocks");
  const auto order = [&](AdapterStep step) {
    return StepOrder{.step = step, .deadline = budget.Left(), .image = image_};
  };
  Outcome restored = Restore(order(AdapterStep::kRestore));
  if (restored.state != AdapterState::kRestored) {
    return Broken(std::move(restored.report), budget);
  }
  Outcome verified = Verify(order(AdapterStep::kVerify));
  if (verified.state != AdapterState::kVerified) {
    return Broken(std::move(verified.report), budget);
  }
  Outcome resumed = Resume(order(AdapterStep::kResume));
  if (resumed.state != AdapterState::kResumed) {
    return Broken(std::move(resumed.report), budget);
  }
  StepReport report = std::move(verified.report);
  report.census = {};
  Outcome committed = Commit(order(AdapterStep::kCommit));
  report.status = committed.report.status;
  if (committed.state == AdapterState::kBroken) return committed;
  report.vgpus = Blackouts(std::move(report.vgpus));
  // It may have refused to be told that all is over, but lives.
  if (!report.status.ok()) fault_ = std::string(report.status.message());
  return {std::move(report), AdapterState::kRunning};
}

// Save has not returned. The guests go on at once; then there is time.
UpdateSteps::Outcome UpdateSteps::CancelHung(const StepOrder& order,
                                             const Budget& budget) {
  StepReport report;
  report.status = device_.ResumeEngines(budget.Left());
  const Answer late = driver_->AwaitLate(budget.Left());
  if (driver_->busy() || Lost(late.status())) {
    Note(report, late.status());
    report.status = late.status();
    LogError(
        absl::StrCat("attempt ", order.attempt, ": ", late.status().message()));
    return Broken(std::move(report), budget);
  }
  // What hung may have been another call than Save.
  if (save_.result != SaveOutcome::Result::kNotTried) {
    save_ = {.result = late.ok() ? SaveOutcome::Result::kSucceeded
                                 : SaveOutcome::Result::kFailed,
             .blocks = driver_->saved_blocks()};
  } else {
    // It may have been Commit, and then the driver still works on views of the
    // blocks that are cleared next.
    const Answer settled = driver_->Call(HostCommand::kSettle, budget.Left());
    Note(report, settled.status());
    if (Lost(settled.status())) return Broken(std::move(report), budget);
  }
  return CancelSaved(std::move(report), budget);
}

UpdateSteps::Outcome UpdateSteps::CancelSaved(StepReport report,
                                              const Budget& budget) {
  fault_.clear();  // it answers again
  if (JudgeCancel(save_) == CancelVerdict::kSend &&
      !CancelWasSent(budget.Left())) {
    const Answer cancelled =
        driver_->Call(HostCommand::kCancelSave, budget.Left());
    FAIL_POINT("shim.cancel_sent");
    Note(report, cancelled.status());
    if (Lost(cancelled.status())) return CancelLost(std::move(report), budget);
    // It refused, but lives: it goes on, and the operator is told.
    if (!cancelled.ok()) {
      fault_ = std::string(cancelled.status().message());
      if (report.rule.empty()) report.rule = "R11";
    }
  }
  const Answer counted = driver_->Census(
      HostCommand::kCensus, device_.Identity().functions_max, budget.Left());
  if (Lost(counted.status())) {
    Note(report, counted.status());
    return CancelLost(std::move(report), budget);
  }
  const auto functions = device_.Functions();
  if (functions.ok() && counted.ok()) {
    std::vector<CensusEntry> now = TakeJointCensus(*functions, counted->census);
    // After a Save that hung the guests have been going on already.
    const bool ran =
        std::any_of(functions->begin(), functions->end(),
                    [](const auto& f) { return f.started_at > f.stopped_at; });
    report.vgpus = ran ? CompareIdentity(before_.items(), std::move(now))
                       : Compare(before_.items(), now);
  } else {
    report.vgpus = Unseen(std::string(
        (functions.ok() ? counted.status() : functions.status()).message()));
  }
  const Answer run = driver_->Call(HostCommand::kRun, budget.Left());
  if (Lost(run.status())) {
    Note(report, run.status());
    return CancelLost(std::move(report), budget);
  }
  FAIL_POINT("shim.cancelled_driver_runs");
  const absl::Status resumed =
      device_.ResumeEngines(std::max(budget.Left(), absl::Seconds(1)));
  store_->Clear();
  saved_ = {};
  save_ = {};
  if (report.status.ok()) report.status = resumed;
  report.vgpus = Blackouts(std::move(report.vgpus));
  // A reverse update that is cancelled leaves the driver that was to go.
  if (origin_ != AdapterState::kPrepared) return {report, origin_};
  DropStandbys();
  return {std::move(report), AdapterState::kRunning};
}

// Everybody who was there at Pause, and why nobody can say how they are.
std::vector<VirtualGpuResult> UpdateSteps::Unseen(
    const std::string& why) const {
  std::vector<VirtualGpuResult> results;
  for (const CensusEntry& entry : before_) {
    results.push_back({.partition_id = entry.vgpu.partition_id,
                       .guest = entry.vgpu.guest,
                       .preserved = false,
                       .difference = why});
  }
  return results;
}

// Adds each vGPU's blackout, the longest of the attempt, once engines run.
std::vector<VirtualGpuResult> UpdateSteps::Blackouts(
    std::vector<VirtualGpuResult> results) {
  const auto functions = device_.Functions();
  if (!functions.ok()) return results;
  for (const FunctionState& function : *functions) {
    const absl::Duration blackout = function.started_at - function.stopped_at;
    if (function.stopped_at == absl::ZeroDuration() ||
        blackout < absl::ZeroDuration()) {
      continue;
    }
    absl::Duration& longest = blackouts_[function.partition_id];
    longest = std::max(longest, blackout);
  }
  for (const CensusEntry& entry : before_) {
    const bool there =
        std::any_of(results.begin(), results.end(), [&](const auto& result) {
          return result.partition_id == entry.vgpu.partition_id;
        });
    if (there) continue;
    results.push_back({.partition_id = entry.vgpu.partition_id,
                       .guest = entry.vgpu.guest,
                       .preserved = true});
  }
  for (VirtualGpuResult& result : results) {
    const auto found = blackouts_.find(result.partition_id);
    if (found != blackouts_.end()) result.blackout = found->second;
  }
  return results;
}

}  // namespace baton::port
