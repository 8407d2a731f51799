#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/fail_point.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/port/update_steps.h"

// The steps from the point of no return on.

namespace baton::port {
namespace {

// How often progress is looked for, once the blackout is over.
constexpr absl::Duration kProgressInterval = absl::Milliseconds(1);

}  // namespace

// ---- Unload ----

UpdateSteps::Outcome UpdateSteps::Unload(const StepOrder& order,
                                         AdapterState from) {
  const Budget budget(clock_, order.deadline);
  StepReport report;
  EndDriver(report, budget);
  if (from == AdapterState::kSaved) {
    const auto functions = device_.Functions();
    at_unload_.clear();
    if (functions.ok()) {
      for (const FunctionState& function : *functions) {
        at_unload_[function.partition_id] = function.registers;
      }
    }
  }
  return {std::move(report), AdapterState::kUnloaded};
}

// Stops the driver in order. One that cannot be stopped is ended: the state is
// saved, so nothing is lost with it, and the report says how it went.
void UpdateSteps::EndDriver(StepReport& report, const Budget& budget) {
  if (driver_ == nullptr) return AlertStandby();
  if (!driver_->Alive() || driver_->busy()) {
    AlertStandby();
    driver_->Kill();
    driver_ = nullptr;
    return;
  }
  // What is waited for goes first: there may be fewer cores than work.
  const absl::Status begun = driver_->Begin(HostCommand::kStop, budget.Left());
  AlertStandby();
  const Answer stopped =
      begun.ok() ? driver_->AwaitLate(budget.Left()) : Answer(begun);
  FAIL_POINT("shim.driver_stopped");
  Note(report, stopped.status());
  if (!stopped.ok()) {
    LogWarning(
        absl::StrCat("driver '", image_.driver, "' ", image_.version,
                     " did not stop in order: ", stopped.status().message()));
    report.status = absl::OkStatus();
  }
  if (Lost(stopped.status())) {
    driver_->Kill();
  } else {
    // It runs no driver any more. Taking its address space down need not be
    // waited for.
    driver_->Freeze();
    retired_.push_back(std::move(driver_));
  }
  driver_ = nullptr;
}

// ---- Restore ----

UpdateSteps::Outcome UpdateSteps::Restore(const StepOrder& order) {
  const Budget budget(clock_, order.deadline);
  Outcome outcome = {.state = AdapterState::kUnloaded};
  StepReport& report = outcome.report;
  if (driver_ != nullptr) driver_->Kill();
  driver_ = nullptr;
  const absl::StatusOr<SavedState> checked = store_->Check();
  if (!checked.ok()) {
    report.status = checked.status();
    report.rule = "R5";
    return outcome;
  }
  DriverImage image = order.image;
  std::unique_ptr<DriverProcess> process = TakeStandby(image, budget, report);
  if (process == nullptr) {
    auto opened = Open(image, budget.Left());
    if (!opened.ok()) {
      report.status = opened.status();
      return outcome;
    }
    process = *std::move(opened);
  }
  return RestoreInto(std::move(process), image, budget, std::move(report));
}

UpdateSteps::Outcome UpdateSteps::RestoreInto(
    std::unique_ptr<DriverProcess> process, const DriverImage& image,
    const Budget& budget, StepReport so_far) {
  Outcome outcome = {std::move(so_far), AdapterState::kUnloaded};
  StepReport& report = outcome.report;
  driver_ = std::move(process);
  image_ = image;
  const Answer loaded = driver_->Call(HostCommand::kLoadSaved, budget.Left());
  FAIL_POINT("shim.driver_loaded");
  Note(report, loaded.status());
  if (Lost(loaded.status())) {
    driver_->Kill();
    driver_ = nullptr;
  }
  // One that refused is still there: Unload takes it down in order.
  if (!loaded.ok()) return outcome;
  const Verdict order = CheckOrder(driver_->EntryPoints());
  if (order.has_value()) {
    report.rule = absl::StrCat("R", order->rule);
    report.status = ErrorWithReason(absl::StatusCode::kInternal, "RULE_BROKEN",
                                    order->message);
    return outcome;
  }
  DXGK_GPUPCAPS caps = {};
  caps.Caps.Value = loaded->gpup_caps;
  // It could never be updated again. On the way back it is better than none.
  const Verdict capable = CheckCapable(caps);
  if (capable.has_value() && image.digest == next_.digest) {
    report.rule = absl::StrCat("R", capable->rule);
    report.status = ErrorWithReason(absl::StatusCode::kFailedPrecondition,
                                    "HOT_UPDATE_UNSUPPORTED", capable->message);
    return outcome;
  }
  caps_ = caps;
  save_ = {};  // by the one before
  fault_.clear();
  outcome.state = AdapterState::kRestored;
  return outcome;
}

// ---- Verify ----

UpdateSteps::Outcome UpdateSteps::Verify(const StepOrder& order) {
  const Budget budget(clock_, order.deadline);
  Outcome outcome = {.state = AdapterState::kRestored};
  StepReport& report = outcome.report;
  const Answer counted = driver_->Census(
      HostCommand::kCensus, device_.Identity().functions_max, budget.Left());
  const auto functions = device_.Functions();
  Note(report, counted.status());
  if (report.status.ok()) report.status = functions.status();
  if (!report.status.ok()) {
    if (Lost(counted.status())) {
      driver_->Kill();
      driver_ = nullptr;
      outcome.state = AdapterState::kUnloaded;
    }
    return outcome;
  }
  report.census = TakeJointCensus(*functions, counted->census);
  const std::vector<CensusEntry>& after = report.census.items();
  report.vgpus = Compare(before_.items(), after);
  report.status = Judge(report.vgpus, after);
  if (report.status.ok()) {
    Adopt(after);
    outcome.state = AdapterState::kVerified;
    return outcome;
  }
  report.driver_log = driver_->LastLines();
  const absl::Status witness = CheckWitness(*functions, report);
  if (!witness.ok()) report.status = witness;
  return outcome;
}

Incident UpdateSteps::IncidentOf(uint64_t attempt,
                                 const StepReport& report) const {
  return {
      .attempt = attempt,
      .blocks = saved_.blocks > 0 ? store_->Facts() : std::vector<BlockFacts>(),
      .before = before_,
      .after = report.census,
      .driver_log = report.driver_log};
}

// R14: says who touched a virtual function, if anybody did.
absl::Status UpdateSteps::CheckWitness(
    const std::vector<FunctionState>& functions, StepReport& report) const {
  for (const CensusEntry& entry : before_) {
    const uint32_t id = entry.vgpu.partition_id;
    const auto now =
        std::find_if(functions.begin(), functions.end(),
                     [id](const auto& f) { return f.partition_id == id; });
    const bool gone = now == functions.end();
    const Verdict verdict =
        gone ? FunctionGone(entry) : CheckRegisters(entry, now->registers);
    if (!verdict.has_value()) continue;
    const auto unloaded = at_unload_.find(id);
    const bool by_unload = gone ? unloaded == at_unload_.end()
                                : unloaded != at_unload_.end() &&
                                      unloaded->second != entry.registers;
    report.rule = absl::StrCat("R", verdict->rule);
    report.entry_point = EntryPointName(by_unload ? EntryPoint::kStopDevice
                                                  : EntryPoint::kStartDevice);
    return ErrorWithReason(
        absl::StatusCode::kDataLoss, gone ? "VGPU_MISSING" : "VGPU_CHANGED",
        absl::StrCat(
            "rule R", verdict->rule, " is broken: ", verdict->message,
            ", while the ",
            by_unload ? "old driver was unloaded" : "new driver was loaded"));
  }
  return absl::OkStatus();
}

// ---- Resume ----

UpdateSteps::Outcome UpdateSteps::Resume(const StepOrder& order) {
  const Budget budget(clock_, order.deadline);
  Outcome outcome = {.state = AdapterState::kVerified};
  StepReport& report = outcome.report;
  // First the driver: guests may have something for it at once.
  const Answer run = driver_->Call(HostCommand::kRun, budget.Left());
  Note(report, run.status());
  if (Lost(run.status())) {
    driver_->Kill();
    driver_ = nullptr;
    outcome.state = AdapterState::kUnloaded;
  }
  if (!run.ok()) return outcome;
  FAIL_POINT("shim.driver_runs");
  report.status = device_.ResumeEngines(budget.Left());
  if (!report.status.ok()) return ResumeFailed(std::move(report), budget);
  EndRetired();
  report.vgpus = Blackouts({});
  outcome.state = AdapterState::kResumed;
  return outcome;
}

// Some engines may have run. If all stand again and none moved, the saved
// blocks are still good; else they are stale, as after a Resume.
UpdateSteps::Outcome UpdateSteps::ResumeFailed(StepReport report,
                                               const Budget& budget) {
  const absl::Duration time = std::max(budget.Left(), absl::Seconds(1));
  const absl::Status paused = device_.PauseEngines(time);
  const Answer quiet = driver_->Census(HostCommand::kQuiesce,
                                       device_.Identity().functions_max, time);
  const auto functions = device_.Functions();
  bool untouched = paused.ok() && quiet.ok() && functions.ok();
  if (untouched) {
    const auto now = TakeJointCensus(*functions, quiet->census);
    untouched = Judge(Compare(before_.items(), now), now).ok();
  }
  return {std::move(report),
          untouched ? AdapterState::kVerified : AdapterState::kResumed};
}

// ---- Confirm ----

UpdateSteps::Outcome UpdateSteps::Confirm(const StepOrder& order) {
  const Budget budget(clock_, order.deadline);
  Outcome outcome = {.state = AdapterState::kResumed};
  StepReport& report = outcome.report;
  report.status = AwaitProgress(budget, report.vgpus);
  const Answer counted =
      driver_->Census(HostCommand::kCensus, device_.Identity().functions_max,
                      std::max(budget.Left(), absl::Milliseconds(100)));
  Note(report, counted.status());
  if (Lost(counted.status())) return Broken(std::move(report), budget);
  if (Reason(report.status) == "VGPU_NO_PROGRESS" && report.rule.empty()) {
    report.rule = "R15";
  }
  report.vgpus = Blackouts(std::move(report.vgpus));
  // It is on trial: what it broke while it served for the first time counts.
  if (report.status.ok() && driver_->broken_rule().has_value()) {
    report.status = ErrorWithReason(
        absl::StatusCode::kInternal, "RULE_BROKEN",
        absl::StrCat("rule ", report.rule,
                     " is broken: ", driver_->broken_rule()->message));
  }
  if (report.status.ok()) outcome.state = AdapterState::kConfirmed;
  return outcome;
}

absl::Status UpdateSteps::AwaitProgress(
    const Budget& budget, std::vector<VirtualGpuResult>& results) {
  while (true) {
    ASSIGN_OR_RETURN(const std::vector<FunctionState> functions,
                     device_.Functions());
    results.clear();
    std::vector<std::string> still;
    for (const CensusEntry& entry : before_) {
      VirtualGpuResult result = {.partition_id = entry.vgpu.partition_id,
                                 .guest = entry.vgpu.guest};
      Verdict verdict = FunctionGone(entry);
      for (const FunctionState& function : functions) {
        if (function.partition_id != result.partition_id) continue;
        verdict = CheckGoesOn(entry, completed_[result.partition_id], function);
      }
      result.preserved = !verdict.has_value();
      if (verdict.has_value()) {
        result.difference = "makes no progress";
        still.push_back(verdict->message);
      }
      results.push_back(std::move(result));
    }
    if (still.empty()) return absl::OkStatus();
    if (budget.Left() == absl::ZeroDuration()) {
      return ErrorWithReason(
          absl::StatusCode::kDeadlineExceeded, "VGPU_NO_PROGRESS",
          absl::StrCat(absl::StrJoin(still, ", "), ", after ",
                       absl::FormatDuration(budget.Spent())));
    }
    // The driver's census after this tells of its death.
    if (driver_->AwaitDeath(std::min(kProgressInterval, budget.Left()))) {
      return absl::OkStatus();
    }
  }
}

// ---- Commit ----

UpdateSteps::Outcome UpdateSteps::Commit(const StepOrder& order) {
  const Budget budget(clock_, order.deadline);
  Outcome outcome = {.state = AdapterState::kConfirmed};
  StepReport& report = outcome.report;
  std::vector<HostCommand> commands = {HostCommand::kRestoreComplete,
                                       HostCommand::kSettle};
  // A Commit that another shim began may have come to its second part.
  if (driver_->Unheard(budget.Left()) == HostCommand::kSettle) {
    commands.erase(commands.begin());
  }
  for (const HostCommand command : commands) {
    const Answer answer = driver_->Call(command, budget.Left());
    Note(report, answer.status());
    if (Lost(answer.status())) return Broken(std::move(report), budget);
    if (!answer.ok()) return outcome;
    FAIL_POINT("shim.commit_told");
  }
  store_->Clear();
  FAIL_POINT("shim.blocks_cleared");
  saved_ = {};
  origin_ = AdapterState::kPrepared;
  DropStandbys();
  outcome.state = AdapterState::kRunning;
  return outcome;
}

}  // namespace baton::port
