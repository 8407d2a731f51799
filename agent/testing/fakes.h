#ifndef AGENT_TESTING_FAKES_H_
#define AGENT_TESTING_FAKES_H_

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/ports.h"
#include "agent/steps.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/reason.h"

// One fake per port of the agent. All live in one thread.
namespace baton::agent::testing {

class FakeClock final : public Clock {
 public:
  absl::Time Now() const override {
    return absl::UnixEpoch() + absl::Hours(1) + since_;
  }
  absl::Duration Monotonic() const override { return absl::Hours(9) + since_; }
  void Advance(absl::Duration by) { since_ += by; }

 private:
  absl::Duration since_ = absl::ZeroDuration();
};

class FakeRandom final : public Random {
 public:
  double Uniform() override { return 0.5; }
  uint64_t Bits() override { return ++bits_; }

 private:
  uint64_t bits_ = 0;
};

// What goes wrong with one call.
struct Fault {
  absl::StatusCode code = absl::StatusCode::kInternal;
  core::Trial trial = core::Trial::kTried;
  std::string reason = "BROKE";
  // Where it leaves the adapter; none: where it was.
  std::optional<core::AdapterState> adapter = std::nullopt;
  int times = 1;
};

// A shim with the order of steps that shim.proto tells, and scripted faults.
class FakeShim final : public Shim {
 public:
  explicit FakeShim(const core::Image& loaded)
      : first_(loaded), image_(loaded) {
    adapter_.set_name("gpu0");
    adapter_.set_pci_id("1b70:0001");
    adapter_.set_hot_update_capable(true);
  }

  // The next `fault.times` calls of `step` fail. Loading `version` alone, when
  // one is given.
  void FailNext(core::Step step, Fault fault) {
    faults_[step] = std::move(fault);
  }

  absl::StatusOr<Sight> Inspect(absl::Duration, Depth depth) override {
    if (away > 0) {
      --away;
      return absl::UnavailableError("nobody there");
    }
    Sight sight;
    sight.adapter = adapter_;
    if (image_) sight.adapter.set_driver_version(image_->version);
    sight.state = state_;
    sight.attempt = attempt_;
    sight.image = image_;
    sight.shim_instance = absl::StrCat("life-", lives_);
    if (depth == Depth::kIncident) {
      ++incidents_asked;
      sight.incident_attempt = incident_attempt;
      sight.incident.add_driver_log("the last line");
    }
    return sight;
  }

  core::Outcome Run(const ShimStep& step) override {
    calls.push_back(step.step);
    if (!ahead_.empty() && ahead_.front().first == step.step) {
      core::Outcome outcome = std::move(ahead_.front().second);
      ahead_.pop_front();
      return outcome;
    }
    ahead_.clear();
    core::Outcome outcome = RunOne(step);
    if (!runs_ahead || outcome.record.code != absl::StatusCode::kOk) {
      return outcome;
    }
    for (const core::NextStep& next : step.ahead) {
      const core::Outcome taken =
          RunOne({next.step, step.attempt, next.deadline, next.image, {}});
      ahead_.emplace_back(next.step, taken);
      if (taken.record.code != absl::StatusCode::kOk) break;
    }
    if (!lose_answer) return outcome;
    lose_answer = false;
    return Fail({absl::StatusCode::kUnavailable, core::Trial::kNoAnswer,
                 "SHIM_UNAVAILABLE"});
  }

  // Dies and starts again: with the first driver, other vGPUs, and no memory.
  void Restart() {
    ++lives_;
    image_ = first_;
    state_ = State::kRunning;
    attempt_ = 0;
    engines_run_ = true;
    records_.clear();
    ahead_.clear();
    last_ = core::Step::kInspect;
    SetLuids();
  }

  void AddVgpu(const std::string& guest) {
    v1::VirtualGpu& vgpu = *adapter_.add_vgpus();
    vgpu.set_partition_id(static_cast<uint32_t>(adapter_.vgpus_size()));
    vgpu.set_guest(guest);
    SetLuids();
  }

  v1::Adapter& adapter() { return adapter_; }
  core::AdapterState state() const { return state_; }
  bool engines_run() const { return engines_run_; }
  const std::optional<core::Image>& image() const { return image_; }

  std::vector<core::Step> calls = {};
  int away = 0;  // calls of Inspect that nobody answers
  // Whether it takes what it is to take ahead; one of an older release does
  // not.
  bool runs_ahead = true;
  bool loses = false;  // another vGPU, whose guest ends by itself
  // Whether the next answer of a call that had something ahead gets lost.
  bool lose_answer = false;
  uint64_t incident_attempt = 0;
  int incidents_asked = 0;

 private:
  using State = core::AdapterState;

  core::Outcome RunOne(const ShimStep& step) {
    const auto fault = faults_.find(step.step);
    if (fault != faults_.end() && fault->second.times > 0) {
      --fault->second.times;
      return Fail(fault->second);
    }
    if (!Allowed(step)) {
      // A repeat of what led here gets the recorded result.
      const auto recorded = records_.find(step.step);
      const bool repeat = recorded != records_.end() && last_ == step.step &&
                          attempt_ == step.attempt;
      if (repeat) return recorded->second;
      return Fail({absl::StatusCode::kFailedPrecondition, core::Trial::kRefused,
                   "STEP_OUT_OF_ORDER"});
    }
    attempt_ = step.attempt;
    last_ = step.step;
    return records_[step.step] = Carry(step);
  }

  void SetLuids() {
    for (v1::VirtualGpu& vgpu : *adapter_.mutable_vgpus()) {
      vgpu.set_luid(absl::StrCat(lives_, "-", vgpu.partition_id()));
    }
  }

  core::Outcome Fail(const Fault& fault) {
    if (fault.adapter.has_value()) state_ = *fault.adapter;
    core::Outcome outcome;
    outcome.trial = fault.trial;
    outcome.record.code = fault.code;
    outcome.record.reason = fault.reason;
    outcome.record.message = "the shim says no";
    return outcome;
  }

  bool Allowed(const ShimStep& step) const {
    switch (step.step) {
      case core::Step::kPrepare:
        return state_ == State::kRunning || state_ == State::kPrepared;
      case core::Step::kPause:
        return state_ == State::kPrepared || state_ == State::kResumed ||
               state_ == State::kConfirmed;
      case core::Step::kSave:
        return state_ == State::kPaused;
      case core::Step::kCancel:
        return state_ == State::kPrepared || state_ == State::kPaused ||
               state_ == State::kSaved;
      case core::Step::kUnload:
        return state_ == State::kSaved || state_ == State::kUnloaded ||
               state_ == State::kRestored || state_ == State::kVerified;
      case core::Step::kRestore:
        return state_ == State::kUnloaded;
      case core::Step::kVerify:
        return state_ == State::kRestored;
      case core::Step::kResume:
        return state_ == State::kVerified;
      case core::Step::kConfirm:
        return state_ == State::kResumed;
      case core::Step::kCommit:
        return state_ == State::kConfirmed;
      case core::Step::kCloseGate:
      case core::Step::kSwitch:
      case core::Step::kReopenGate:
      case core::Step::kInspect:
        return false;
    }
    return false;
  }

  void AddLost(core::Outcome& outcome) const {
    if (!loses) return;
    outcome.vgpus.push_back({2, "vm-2", false, std::nullopt, "it ended"});
  }

  core::Outcome Carry(const ShimStep& step) {
    core::Outcome outcome;
    switch (step.step) {
      case core::Step::kPrepare:
        state_ = State::kPrepared;
        break;
      case core::Step::kPause:
        engines_run_ = false;
        state_ = State::kPaused;
        break;
      case core::Step::kSave:
        state_ = State::kSaved;
        outcome.saved = core::SavedState{3, 4096};
        break;
      case core::Step::kCancel:
        engines_run_ = true;
        state_ = State::kRunning;
        attempt_ = 0;
        break;
      case core::Step::kUnload:
        image_ = std::nullopt;
        state_ = State::kUnloaded;
        break;
      case core::Step::kRestore:
        image_ = step.image;
        state_ = State::kRestored;
        break;
      case core::Step::kVerify:
        state_ = State::kVerified;
        outcome.vgpus = {{1, "vm-1", true, std::nullopt, ""}};
        AddLost(outcome);
        break;
      case core::Step::kResume:
        engines_run_ = true;
        state_ = State::kResumed;
        outcome.vgpus = {{1, "vm-1", true, absl::Milliseconds(20), ""}};
        break;
      case core::Step::kConfirm:
        state_ = State::kConfirmed;
        AddLost(outcome);
        break;
      case core::Step::kCommit:
        state_ = State::kRunning;
        attempt_ = 0;
        break;
      case core::Step::kCloseGate:
      case core::Step::kSwitch:
      case core::Step::kReopenGate:
      case core::Step::kInspect:
        break;
    }
    return outcome;
  }

  v1::Adapter adapter_;
  const core::Image first_;
  std::optional<core::Image> image_;
  int lives_ = 1;
  State state_ = State::kRunning;
  uint64_t attempt_ = 0;
  bool engines_run_ = true;
  std::map<core::Step, Fault> faults_ = {};
  std::map<core::Step, core::Outcome> records_ = {};
  core::Step last_ = core::Step::kInspect;  // that succeeded
  // What was taken ahead, and not asked for yet.
  std::deque<std::pair<core::Step, core::Outcome>> ahead_ = {};
};

// Hooks that fail when they are told to, and memory that a test sets.
class FakeMachine final : public Machine {
 public:
  absl::Status RunHook(const std::string& name, const std::string& moment,
                       absl::Duration) override {
    ran.push_back(absl::StrCat(name, " ", moment));
    if (moment != fails) return absl::OkStatus();
    return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "HOOK_FAILED",
                           "the hook says no");
  }
  std::optional<uint64_t> AvailableMemoryBytes() override { return memory; }

  std::vector<std::string> ran = {};
  std::string fails = "";  // the moment
  std::optional<uint64_t> memory = std::nullopt;
};

class FakeGate final : public Gate {
 public:
  absl::Status Close(absl::Duration) override {
    if (close_failures > 0) {
      --close_failures;
      return ErrorWithReason(absl::StatusCode::kDeadlineExceeded,
                             "COMMAND_TOO_SLOW", "the gate is stuck");
    }
    remembered = true;
    open = false;
    return absl::OkStatus();
  }
  absl::Status Reopen(absl::Duration) override {
    if (reopen_failures > 0) {
      --reopen_failures;
      return ErrorWithReason(absl::StatusCode::kFailedPrecondition,
                             "COMMAND_FAILED", "the gate is rusty");
    }
    if (std::exchange(remembered, false)) open = true;
    return absl::OkStatus();
  }

  bool open = true;
  bool remembered = false;
  int close_failures = 0;
  int reopen_failures = 0;
};

class FakeStage final : public Stage {
 public:
  explicit FakeStage(StagedPackage next) : added(std::move(next)) {}

  absl::StatusOr<StagedPackage> Add(const Wanted& wanted, absl::Duration,
                                    const std::atomic<bool>& stop) override {
    if (wanted.size_bytes > free_bytes) {
      return ErrorWithReason(absl::StatusCode::kResourceExhausted, "DISK_FULL",
                             "the disk is full");
    }
    if (stop.load()) return absl::CancelledError("given up");
    if (on_add) on_add();
    if (add_failures > 0) {
      --add_failures;
      return absl::UnavailableError("the line is cut");
    }
    return added;
  }
  absl::StatusOr<std::optional<StagedPackage>> Current() override {
    return installed;
  }
  absl::Status Switch(const std::string& package) override {
    if (switch_failures > 0) {
      --switch_failures;
      return ErrorWithReason(absl::StatusCode::kUnavailable, "DISK_REFUSED",
                             "the disk is full");
    }
    current = package;
    return absl::OkStatus();
  }

  StagedPackage added;  // what Add() returns
  std::optional<StagedPackage> installed = std::nullopt;
  std::string current = "old";
  uint64_t free_bytes = uint64_t{1} << 30;
  std::function<void()> on_add = nullptr;
  int add_failures = 0;
  int switch_failures = 0;
};

// Holds what was written over restarts of the loop.
class FakeJournal final : public Journal {
 public:
  absl::StatusOr<core::Update> Load() override { return written; }
  absl::Status Reserve() override { return reserve; }
  absl::Status Write(const core::Update& update) override {
    if (fail_from > 0 && ++writes >= fail_from) {
      return ErrorWithReason(absl::StatusCode::kUnavailable, "JOURNAL_UNUSABLE",
                             "the disk is gone");
    }
    written = update;
    return absl::OkStatus();
  }

  core::Update written = {};
  absl::Status reserve = absl::OkStatus();
  int fail_from = 0;  // the first write that fails, from 1; 0: none
  int writes = 0;
};

class FakeUplink final : public Uplink {
 public:
  void Publish(View view) override { views.push_back(std::move(view)); }

  std::vector<View> views = {};
};

// Runs each job at once, and gives out its result when it is asked to.
class InlineWorker final : public Worker {
 public:
  explicit InlineWorker(Steps& steps) : steps_(steps) {}

  void Start(Job job) override {
    JobResult result;
    result.kind = job.kind;
    switch (job.kind) {
      case Job::Kind::kStep:
        if (before_step) before_step(job.action);
        result.ended.step = job.action.step;
        result.ended.outcome = steps_.Run(job.action, hurry_);
        break;
      case Job::Kind::kLook:
        result.depth = job.depth;
        result.sight = steps_.Look(job.depth);
        break;
    }
    hurry_ = false;
    result_ = std::move(result);
  }
  std::optional<JobResult> TakeResult() override {
    return std::exchange(result_, std::nullopt);
  }
  void Hurry() override { ++hurries; }

  // Called before each step; a test looks at the world, or posts something.
  std::function<void(const core::Action&)> before_step = nullptr;
  int hurries = 0;

 private:
  Steps& steps_;
  std::atomic<bool> hurry_ = false;
  std::optional<JobResult> result_ = std::nullopt;
};

}  // namespace baton::agent::testing

#endif  // AGENT_TESTING_FAKES_H_
