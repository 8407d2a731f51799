#include "tests/sim/sim_host.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/record.h"
#include "base/check.h"
#include "base/reason.h"

namespace baton::sim {
namespace {

using agent::Job;
using agent::JobResult;
using agent::StagedPackage;
using agent::core::End;
using agent::core::Phase;
using agent::core::Step;

constexpr size_t kMailboxMax = 256;
constexpr absl::Duration kLookInterval = absl::Seconds(20);
constexpr absl::Duration kRetryLook = absl::Milliseconds(200);
constexpr absl::Duration kFetchTime = absl::Milliseconds(500);

absl::Status Refuse(absl::string_view reason) {
  return ErrorWithReason(absl::StatusCode::kUnavailable, reason, "injected");
}

}  // namespace

// Gate, stage, machine, journal and uplink.
class SimHost::Ports final : public agent::Gate,
                             public agent::Stage,
                             public agent::Machine,
                             public agent::Journal,
                             public agent::Uplink {
 public:
  explicit Ports(SimHost& host) : host_(host) {}

  absl::Status Close(absl::Duration) override {
    if (Fails(Step::kCloseGate)) return Refuse("COMMAND_FAILED");
    host_.gate_closed_ = true;
    host_.gate_remembered_ = true;
    host_.gate_lives_ = host_.shim_.lives();
    return absl::OkStatus();
  }

  absl::Status Reopen(absl::Duration) override {
    if (Fails(Step::kReopenGate)) return Refuse("COMMAND_FAILED");
    if (!host_.gate_remembered_) return absl::OkStatus();
    const absl::Status sound = host_.shim_.Sound();
    if (!sound.ok()) {
      host_.port_.Note(absl::InternalError(
          absl::StrCat("S4: the gate was reopened over ", sound.message())));
    }
    if (host_.gate_lives_ != host_.shim_.lives()) {
      host_.port_.Note(absl::InternalError(
          "S4: the gate was reopened though vGPUs went with the host"));
    }
    host_.gate_remembered_ = host_.gate_closed_ = false;
    return absl::OkStatus();
  }

  absl::StatusOr<StagedPackage> Add(const Wanted& wanted, absl::Duration,
                                    const std::atomic<bool>&) override {
    fetched_ += kFetchTime;
    const std::string version =
        wanted.driver.substr(wanted.driver.rfind('/') + 1);
    return PackageOf(version);
  }
  absl::StatusOr<std::optional<StagedPackage>> Current() override {
    return PackageOf(host_.current_);
  }
  absl::Status Switch(const std::string& package) override {
    if (Fails(Step::kSwitch)) return Refuse("DISK_REFUSED");
    host_.current_ = package;
    return absl::OkStatus();
  }

  absl::Status RunHook(const std::string&, const std::string&,
                       absl::Duration) override {
    return absl::OkStatus();
  }
  std::optional<uint64_t> AvailableMemoryBytes() override {
    return uint64_t{1} << 36;
  }

  absl::StatusOr<agent::core::Update> Load() override { return host_.journal_; }
  absl::Status Reserve() override { return absl::OkStatus(); }
  absl::Status Write(const agent::core::Update& update) override {
    if (host_.journal_fails_) return Refuse("JOURNAL_UNUSABLE");
    if (update.epoch < host_.journal_.epoch ||
        update.finished_attempt < host_.journal_.finished_attempt) {
      host_.port_.Note(absl::InternalError("S13: the journal went back"));
    }
    host_.journal_ = update;
    return absl::OkStatus();
  }

  void Publish(agent::View view) override {
    host_.view_ = std::move(view);
    host_.port_.Published(host_.number_);
  }

  absl::Duration TakeTime() {
    return std::exchange(fetched_, absl::ZeroDuration());
  }

 private:
  bool Fails(Step step) {
    const StepFault fault = host_.port_.DrawFault(host_.number_, step);
    return fault != StepFault::kNone;
  }
  StagedPackage PackageOf(const std::string& version) const {
    const bool old = version == host_.images_.old_image.version;
    return {version,
            old ? host_.images_.old_image : host_.images_.new_image,
            {"1b70:0001"},
            1,
            {1, 2}};
  }

  SimHost& host_;
  absl::Duration fetched_ = absl::ZeroDuration();
};

// Carries a job out at once, and gives out its result when its time has passed.
class SimHost::SimWorker final : public agent::Worker {
 public:
  explicit SimWorker(SimHost& host) : host_(host) {}

  void Start(Job job) override {
    JobResult result;
    result.kind = job.kind;
    if (job.kind == Job::Kind::kLook) {
      result.sight = host_.steps_->Look(job.depth);
      result.depth = job.depth;
    } else {
      host_.port_.Trace(host_.number_, "step ", Name(job.action.step),
                        ", attempt ", job.action.attempt);
      result.ended.step = job.action.step;
      result.ended.outcome = host_.steps_->Run(job.action, hurry_);
    }
    const absl::Duration took = absl::Milliseconds(1) + host_.shim_.TakeTime() +
                                host_.ports_->TakeTime();
    host_.port_.After(took, [this, host = &host_, life = host_.life_,
                             ended = std::move(result)]() mutable {
      if (host->life_ != life) return;
      result_ = std::move(ended);
      host->Turn();
    });
  }
  std::optional<JobResult> TakeResult() override {
    return std::exchange(result_, std::nullopt);
  }
  void Hurry() override {}

 private:
  SimHost& host_;
  std::atomic<bool> hurry_ = false;
  std::optional<JobResult> result_ = std::nullopt;
};

SimHost::SimHost(int number, const SimImages& images, const Clock& clock,
                 Random& random, HostPort& port)
    : number_(number),
      images_(images),
      clock_(clock),
      random_(random),
      port_(port),
      shim_(images.old_image,
            [this](Step step) { return port_.DrawFault(number_, step); }),
      ports_(std::make_unique<Ports>(*this)) {
  steps_ = std::make_unique<agent::Steps>(
      agent::Steps::Ports{clock_, shim_, *ports_, *ports_, *ports_});
  Start();
}

SimHost::~SimHost() = default;

void SimHost::Start() {
  ++life_;
  shim_.Forget();
  view_ = std::nullopt;
  worker_ = std::make_unique<SimWorker>(*this);
  mailbox_ = std::make_unique<Mailbox<agent::Message>>(kMailboxMax);
  agent::AgentLoop::Options options;
  options.look_interval = kLookInterval;
  options.boot_id = boot_id();
  // Through the journal's own words: nothing survives that they do not carry.
  loop_ = std::make_unique<agent::AgentLoop>(
      options, agent::UpdateOf(agent::RecordOf(journal_)),
      agent::AgentLoop::Ports{clock_, random_, *ports_, *ports_, *worker_},
      *mailbox_);
  Wake(absl::ZeroDuration());
}

void SimHost::Wake(absl::Duration delay) {
  port_.After(delay, [this, wake = ++wake_] {
    if (wake == wake_) Turn();
  });
}

void SimHost::Turn() {
  const absl::Status turned = loop_->Turn(absl::ZeroDuration());
  Check();
  if (!turned.ok()) {
    journal_fails_ = false;
    RestartAgent();
    return;
  }
  const agent::core::Update& update = loop_->update();
  Wake(update.failures > 0 ? kRetryLook : kLookInterval);
}

void SimHost::Hear(agent::FromService news) {
  CHECK(mailbox_->TryPost({agent::Message::Kind::kService, std::move(news)}));
  Turn();
}

void SimHost::RestartAgent() {
  port_.Trace(number_, "the agent is restarted");
  loop_.reset();
  Start();
  port_.Restarted(number_);
}

void SimHost::Reboot() {
  port_.Trace(number_, "the host reboots");
  shim_.Reboot(current_ == images_.old_image.version ? images_.old_image
                                                     : images_.new_image);
  RestartAgent();
}

void SimHost::FailJournal() { journal_fails_ = true; }

void SimHost::Repair() {
  if (!quarantined_) return;
  shim_.Repair();
  gate_closed_ = gate_remembered_ = quarantined_ = false;
}

// What is true of every agent after every turn.
void SimHost::Check() {
  const agent::core::Update& update = loop_->update();
  if (!shim_.violation.ok()) port_.Note(shim_.violation);
  if (update.epoch < highest_epoch_) {
    port_.Note(absl::InternalError(absl::StrCat(
        "S3: the agent of host-", number_, " forgot epoch ", highest_epoch_)));
  }
  // What is not durable may be forgotten, and is not shown.
  highest_epoch_ = std::max(highest_epoch_, journal_.epoch);
  if (journal_.phase != Phase::kEnded || journal_.end == End::kNone) return;
  const auto [found, inserted] =
      ends_.insert({journal_.order.attempt, journal_.end});
  if (!inserted) {
    if (found->second != journal_.end) {
      port_.Note(absl::InternalError(
          absl::StrCat("S5: attempt ", journal_.order.attempt, " of host-",
                       number_, " ended twice")));
    }
    return;
  }
  port_.Trace(number_, "attempt ", journal_.order.attempt, " ended ",
              Name(journal_.end), " ", journal_.reason);
  quarantined_ = quarantined_ || journal_.end == End::kQuarantined;
  if (journal_.end != End::kQuarantined && gate_closed_ && !quarantined_) {
    port_.Note(absl::InternalError(
        absl::StrCat("L5: host-", number_, " ended with its gate closed")));
  }
}

bool SimHost::AtRest() const {
  return !agent::core::Active(loop_->update()) &&
         !agent::core::Unacknowledged(loop_->update());
}

End SimHost::EndOf(uint64_t attempt) const {
  const auto found = ends_.find(attempt);
  return found == ends_.end() ? End::kNone : found->second;
}

std::string SimHost::boot_id() const {
  return absl::StrCat("boot-", shim_.lives());
}

std::string SimHost::driver_version() const {
  return shim_.image().has_value() ? shim_.image()->version : "";
}

}  // namespace baton::sim
