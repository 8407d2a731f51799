#include "tests/sim/sim_shim.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace baton::sim {
namespace {

using agent::ShimStep;
using agent::core::Outcome;
using agent::core::Trial;

constexpr uint32_t kVgpus = 2;
constexpr absl::Duration kStepTime = absl::Milliseconds(2);

}  // namespace

SimShim::SimShim(agent::core::Image image, DrawFault draw)
    : draw_(std::move(draw)), image_(std::move(image)) {
  adapter_.set_name("gpu0");
  adapter_.set_model("Baton SoftGPU S1");
  adapter_.set_pci_id("1b70:0001");
  adapter_.set_driver("softgpu");
  adapter_.set_hot_update_capable(true);
  for (uint32_t partition = 1; partition <= kVgpus; ++partition) {
    v1::VirtualGpu& vgpu = *adapter_.add_vgpus();
    vgpu.set_partition_id(partition);
    vgpu.set_profile("S1-64");
    vgpu.set_guest(absl::StrCat("guest-", partition));
    vgpu.set_vram_bytes(64 << 20);
  }
  SetLuids();
}

void SimShim::SetLuids() {
  for (v1::VirtualGpu& vgpu : *adapter_.mutable_vgpus()) {
    vgpu.set_luid(absl::StrCat(lives_, "-", vgpu.partition_id()));
  }
}

void SimShim::Note(absl::string_view what) {
  if (violation.ok()) violation = absl::InternalError(what);
}

absl::StatusOr<agent::Sight> SimShim::Inspect(absl::Duration, agent::Depth) {
  agent::Sight sight;
  sight.adapter = adapter_;
  if (image_.has_value()) {
    sight.adapter.set_driver_version(image_->version);
    sight.adapter.set_image_digest(image_->digest);
  }
  sight.state = state_;
  sight.attempt = attempt_;
  sight.image = image_;
  sight.shim_instance = absl::StrCat("life-", lives_);
  return sight;
}

void SimShim::Reboot(agent::core::Image image) {
  ++lives_;
  image_ = std::move(image);
  state_ = State::kRunning;
  attempt_ = 0;
  engines_run_ = true;
  ++generation_;
  saved_generation_ = 0;
  vgpu_missing_ = vgpu_lost_ = unconfirmed_ = false;
  records_.clear();
  run_ = {};
  told_.clear();
  last_ = Step::kInspect;
  SetLuids();
}

absl::Status SimShim::Sound() const {
  if (!engines_run_) return absl::InternalError("engines stand");
  if (state_ == State::kBroken) return absl::InternalError("a broken driver");
  if (vgpu_lost_) return absl::InternalError("a vGPU is lost");
  if (unconfirmed_) return absl::InternalError("nothing was confirmed");
  return absl::OkStatus();
}

void SimShim::Repair() {
  const bool well = Sound().ok() && state_ == State::kRunning;
  if (well) return;
  Reboot(image_.value_or(agent::core::Image{}));
}

// What the agent's client and the shim's service make of it.
Outcome SimShim::Run(const ShimStep& step) {
  if (!told_.empty() && told_.front().step == step.step &&
      told_.front().attempt == step.attempt) {
    Outcome outcome = std::move(told_.front().outcome);
    told_.pop_front();
    return outcome;
  }
  told_.clear();
  std::vector<ShimStep> orders = {step};
  for (const agent::core::NextStep& next : step.ahead) {
    orders.push_back({next.step, step.attempt, next.deadline, next.image, {}});
  }
  Outcome outcome = Take(orders);
  if (std::exchange(answer_lost_, false)) {
    return Fail(step, StepFault::kAnswerLost);
  }
  if (step.ahead.empty()) return outcome;
  // All but the last, by whose call the shim knows that they were heard.
  for (size_t at = run_.told; at + 1 < run_.reports.size(); ++at) {
    told_.push_back({step.attempt, run_.orders[at].step, run_.reports[at]});
  }
  return outcome;
}

Outcome SimShim::Take(const std::vector<ShimStep>& orders) {
  if (run_.orders.size() > 1) {
    if (const Outcome* known = port::Recall(run_, orders)) {
      Outcome outcome = *known;
      if (outcome.record.code != absl::StatusCode::kOk) run_ = {};
      return outcome;
    }
  }
  auto before = std::exchange(run_, {.orders = orders, .told = 1});
  for (const ShimStep& order : orders) {
    Outcome outcome = TakeOne(order);
    if (outcome.trial == Trial::kNoAnswer) {  // it died
      run_ = {};
      return outcome;
    }
    if (outcome.trial == Trial::kRefused) {
      if (!run_.reports.empty()) break;
      run_ = std::move(before);
      return outcome;
    }
    run_.reports.push_back(std::move(outcome));
    if (run_.reports.back().record.code != absl::StatusCode::kOk) break;
  }
  return run_.reports.front();
}

Outcome SimShim::TakeOne(const ShimStep& step) {
  const StepFault fault = draw_(step.step);
  if (fault == StepFault::kNobodyThere) {
    answer_lost_ = true;
    return Fail(step, fault);
  }
  if (!Allowed(step.step)) {
    const auto recorded = records_.find(step.step);
    const bool repeat = recorded != records_.end() && last_ == step.step &&
                        attempt_ == step.attempt;
    if (repeat) return recorded->second;
    if (step.step == Step::kUnload &&
        (state_ == State::kRunning || state_ == State::kPrepared ||
         state_ == State::kPaused)) {
      Note("S2: an unload was asked for with nothing saved");
    }
    Outcome outcome;
    outcome.trial = Trial::kRefused;
    outcome.record.code = absl::StatusCode::kFailedPrecondition;
    outcome.record.reason = "STEP_OUT_OF_ORDER";
    outcome.record.message =
        absl::StrCat("the adapter is '", Name(state_), "'");
    return outcome;
  }
  if (step.step == Step::kPrepare) restored_ = false;
  if (fault == StepFault::kFails || fault == StepFault::kHangs ||
      fault == StepFault::kBreaks || fault == StepFault::kLosesVgpu) {
    attempt_ = step.attempt;
    return Fail(step, fault);
  }
  // However often it is asked: who is missing stays so until a driver is given
  // the blocks again.
  if (step.step == Step::kVerify && vgpu_missing_) {
    return Fail(step, StepFault::kLosesVgpu);
  }
  attempt_ = step.attempt;
  last_ = step.step;
  Outcome outcome = records_[step.step] = Carry(step);
  took_ += kStepTime;
  outcome.record.elapsed = kStepTime;
  answer_lost_ = answer_lost_ || fault == StepFault::kAnswerLost;
  return outcome;
}

bool SimShim::Allowed(Step step) const {
  switch (step) {
    case Step::kPrepare:
      return state_ == State::kRunning || state_ == State::kPrepared;
    case Step::kPause:
      return state_ == State::kPrepared || state_ == State::kResumed ||
             state_ == State::kConfirmed;
    case Step::kSave:
      return state_ == State::kPaused;
    case Step::kCancel:
      return state_ == State::kPrepared || state_ == State::kPaused ||
             state_ == State::kSaved ||
             (state_ == State::kBroken && image_.has_value());
    case Step::kUnload:
      return state_ == State::kSaved || state_ == State::kUnloaded ||
             state_ == State::kRestored || state_ == State::kVerified;
    case Step::kRestore:
      return state_ == State::kUnloaded;
    case Step::kVerify:
      return state_ == State::kRestored;
    case Step::kResume:
      return state_ == State::kVerified;
    case Step::kConfirm:
      return state_ == State::kResumed;
    case Step::kCommit:
      return state_ == State::kConfirmed;
    case Step::kCloseGate:
    case Step::kSwitch:
    case Step::kReopenGate:
    case Step::kInspect:
      return false;
  }
  return false;
}

// Where a step leaves things that fails.
void SimShim::BreakDown(Step step, StepFault fault) {
  if (fault == StepFault::kLosesVgpu) {
    if (step == Step::kVerify) vgpu_missing_ = true;
    return;
  }
  if (step == Step::kUnload) {
    // The driver's host is killed: it is out all the same.
    if (image_.has_value() && !restored_) ++unloads_[attempt_];
    image_ = std::nullopt;
    state_ = State::kUnloaded;
    unconfirmed_ = true;
    return;
  }
  const bool guests_stand =
      step != Step::kPrepare && step != Step::kCancel && step != Step::kCommit;
  const bool broken = fault == StepFault::kBreaks ||
                      (fault == StepFault::kHangs && step == Step::kSave);
  if (!broken || !guests_stand) return;
  engines_run_ = false;
  state_ = State::kBroken;
}

Outcome SimShim::Fail(const ShimStep& step, StepFault fault) {
  Outcome outcome;
  outcome.trial = Trial::kTried;
  outcome.record.code = absl::StatusCode::kInternal;
  outcome.record.reason = absl::StrCat(
      fault == StepFault::kLosesVgpu ? "VGPU_LOST" : "STEP_FAILED");
  outcome.record.message = absl::StrCat("the driver ", Name(fault));
  took_ += kStepTime;
  if (fault == StepFault::kAnswerLost || fault == StepFault::kNobodyThere) {
    outcome.trial = Trial::kNoAnswer;
    outcome.record.code = absl::StatusCode::kUnavailable;
    outcome.record.reason = "SHIM_UNAVAILABLE";
    return outcome;
  }
  if (fault == StepFault::kHangs) {
    took_ += step.deadline;
    outcome.record.code = absl::StatusCode::kDeadlineExceeded;
    outcome.record.reason = "DEADLINE_EXCEEDED";
  }
  BreakDown(step.step, fault);
  if (step.step == Step::kVerify && vgpu_missing_) {
    outcome.vgpus = {{1, "guest-1", false, std::nullopt, "missing"},
                     {2, "guest-2", true, std::nullopt, ""}};
  }
  return outcome;
}

void SimShim::CarryCancel() {
  engines_run_ = true;
  ++generation_;
  saved_generation_ = 0;
  if (state_ != State::kBroken) state_ = State::kRunning;
  attempt_ = 0;
}

void SimShim::CarryUnload(const ShimStep& step) {
  if (engines_run_ || saved_generation_ != generation_) {
    Note("S2: unloaded with guests that were not saved");
  }
  if (image_.has_value() && !restored_ && ++unloads_[step.attempt] > 1) {
    Note("S5: one attempt unloaded the old driver twice");
  }
  image_ = std::nullopt;
  state_ = State::kUnloaded;
  unconfirmed_ = true;
}

void SimShim::CarryRestore(const ShimStep& step) {
  if (saved_generation_ != generation_) {
    Note("S4: blocks were given back that guests have left behind");
  }
  image_ = step.image;
  restored_ = true;
  vgpu_missing_ = false;
  state_ = State::kRestored;
}

Outcome SimShim::Carry(const ShimStep& step) {
  Outcome outcome;
  switch (step.step) {
    case Step::kPrepare:
      state_ = State::kPrepared;
      break;
    case Step::kPause:
      engines_run_ = false;
      state_ = State::kPaused;
      break;
    case Step::kSave:
      saved_generation_ = generation_;
      state_ = State::kSaved;
      outcome.saved = agent::core::SavedState{3, 4096};
      break;
    case Step::kCancel:
      CarryCancel();
      break;
    case Step::kUnload:
      CarryUnload(step);
      break;
    case Step::kRestore:
      CarryRestore(step);
      break;
    case Step::kVerify:
      state_ = State::kVerified;
      outcome.vgpus = {{1, "guest-1", true, std::nullopt, ""},
                       {2, "guest-2", true, std::nullopt, ""}};
      break;
    case Step::kResume:
      engines_run_ = true;
      ++generation_;
      vgpu_lost_ = vgpu_lost_ || vgpu_missing_;
      state_ = State::kResumed;
      outcome.vgpus = {
          {1, "guest-1", !vgpu_missing_, absl::Milliseconds(20), ""},
          {2, "guest-2", true, absl::Milliseconds(20), ""}};
      break;
    case Step::kConfirm:
      unconfirmed_ = false;
      state_ = State::kConfirmed;
      break;
    case Step::kCommit:
      saved_generation_ = 0;
      state_ = State::kRunning;
      attempt_ = 0;
      break;
    case Step::kCloseGate:
    case Step::kSwitch:
    case Step::kReopenGate:
    case Step::kInspect:
      break;
  }
  return outcome;
}

}  // namespace baton::sim
