#include "agent/agent_loop.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/convert.h"
#include "base/log.h"
#include "base/reason.h"

namespace baton::agent {
namespace {

std::string NameOf(const core::Update& update) {
  return absl::StrCat("attempt ", update.order.attempt, " of '",
                      update.order.rollout, "'");
}

void LogRefusal(const absl::Status& verdict) {
  if (!verdict.ok()) {
    LogWarning(absl::StrCat("refused: ", verdict.message(), " [",
                            Reason(verdict), "]"));
  }
}

void LogStep(const core::StepEnded& ended, const core::Update& update) {
  const core::StepRecord& record = ended.outcome.record;
  const std::string what =
      absl::StrCat(NameOf(update), ", ", core::Name(update.way), ": step '",
                   core::Name(ended.step), "' ",
                   record.code == absl::StatusCode::kOk ? "done" : "failed",
                   " in ", absl::FormatDuration(record.elapsed));
  if (record.code == absl::StatusCode::kOk) {
    LogInfo(what);
  } else {
    LogWarning(
        absl::StrCat(what, ": ", record.message, " [", record.reason, "]"));
  }
}

}  // namespace

AgentLoop::AgentLoop(Options options, core::Update update, Ports ports,
                     Mailbox<Message>& mailbox)
    : options_(std::move(options)),
      ports_(ports),
      mailbox_(mailbox),
      update_(std::move(update)),
      written_(DurablePart()),
      backoff_(options_.retry, ports.random) {
  for (const std::string& hook : options_.hooks) inventory_.add_hooks(hook);
  LogRefusal(core::Apply(core::Restarted{options_.boot_id}, update_));
  if (core::Active(update_)) {
    LogWarning(absl::StrCat("found ", NameOf(update_), " under way"));
  }
}

AgentLoop::Durable AgentLoop::DurablePart() const {
  // Once it has committed, the shim knows nothing of them.
  std::set<uint32_t> lost;
  for (const auto& [partition_id, vgpu] : update_.vgpus) {
    if (!vgpu.preserved) lost.insert(partition_id);
  }
  return {update_.epoch,
          update_.finished_attempt,
          update_.order.attempt,
          core::Active(update_),
          core::Unacknowledged(update_),
          update_.way,
          update_.paused,
          update_.doomed,
          update_.shim_instance,
          std::move(lost)};
}

absl::Status AgentLoop::Turn(absl::Duration wait) {
  for (const Message& message :
       mailbox_.TakeAll(std::min(wait, UntilNextTimer()))) {
    Handle(message);
  }
  if (std::optional<JobResult> result = ports_.worker.TakeResult()) {
    working_ = false;
    HandleResult(*result);
  }
  Remember();
  Act();
  Publish();
  if (!journal_.ok() && AtRest()) return journal_;
  return absl::OkStatus();
}

bool AgentLoop::Stopped() const { return stopping_ && AtRest(); }

// Whether the process can end without leaving guests or the adapter half-way.
// The gate is remembered, and reopened by the next start.
bool AgentLoop::AtRest() const {
  if (working_) return false;
  switch (update_.phase) {
    case core::Phase::kIdle:
    case core::Phase::kEnded:
      return true;
    case core::Phase::kUnknown:
    case core::Phase::kCommitted:
    case core::Phase::kCancelled:
      return update_.failures > 0;  // tried, and could take for ever
    case core::Phase::kAccepted:
    case core::Phase::kPrepared:
    case core::Phase::kGateClosed:
    case core::Phase::kPaused:
    case core::Phase::kSaved:
    case core::Phase::kUnloaded:
    case core::Phase::kSwitched:
    case core::Phase::kRestored:
    case core::Phase::kVerified:
    case core::Phase::kResumed:
    case core::Phase::kConfirmed:
    case core::Phase::kCancelling:
      return false;
  }
  return false;
}

absl::Duration AgentLoop::UntilNextTimer() const {
  if (working_) return absl::InfiniteDuration();
  const absl::Duration at = update_.failures > 0 && core::Active(update_)
                                ? std::min(retry_at_, look_at_)
                                : look_at_;
  return std::max(at - ports_.clock.Monotonic(), absl::ZeroDuration());
}

void AgentLoop::Handle(const Message& message) {
  switch (message.kind) {
    case Message::Kind::kService:
      HandleService(message.service);
      return;
    case Message::Kind::kWake:
      return;
    case Message::Kind::kStop:
      stopping_ = true;
      LogRefusal(core::Apply(core::StopRequested{}, update_));
      if (update_.cancel_wanted) ports_.worker.Hurry();
      return;
  }
}

void AgentLoop::HandleService(const FromService& news) {
  switch (news.kind) {
    case FromService::Kind::kWelcome:
      LogRefusal(core::Apply(core::Welcomed{news.epoch}, update_));
      return;
    case FromService::Kind::kStart:
      // The service repeats it to whoever comes after us.
      if (stopping_ || !journal_.ok()) return;
      LogRefusal(
          core::Apply(core::StartOrdered{news.epoch, news.order, news.not_after,
                                         ports_.clock.Monotonic()},
                      update_));
      return;
    case FromService::Kind::kCancel:
      LogRefusal(core::Apply(core::CancelOrdered{news.epoch, news.order.rollout,
                                                 news.order.attempt},
                             update_));
      if (update_.running == core::Step::kPrepare && update_.cancel_wanted) {
        ports_.worker.Hurry();
      }
      return;
    case FromService::Kind::kAck:
      LogRefusal(core::Apply(
          core::ReportAcknowledged{news.attempt, news.sequence}, update_));
      return;
  }
}

void AgentLoop::HandleResult(const JobResult& result) {
  switch (result.kind) {
    case Job::Kind::kLook:
      HandleSight(result);
      return;
    case Job::Kind::kStep:
      break;
  }
  LogStep(result.ended, update_);
  LogRefusal(core::Apply(result.ended, update_));
  if (update_.failures > 0) {
    retry_at_ = ports_.clock.Monotonic() + backoff_.Next();
  } else {
    backoff_.Reset();
  }
  if (update_.phase == core::Phase::kEnded) {
    LogInfo(absl::StrCat(NameOf(update_), " ended '", core::Name(update_.end),
                         "'", update_.message.empty() ? "" : ": ",
                         update_.message));
    look_at_ = absl::ZeroDuration();
  }
}

void AgentLoop::HandleSight(const JobResult& result) {
  const absl::StatusOr<Sight>& sight = result.sight;
  looked_ = true;
  if (result.depth == Depth::kIncident) {
    asked_incident_ = update_.order.attempt;
    const bool kept =
        sight.ok() && sight->incident_attempt == update_.order.attempt;
    incident_ = kept ? sight->incident : v1::Incident();
  }
  look_at_ = ports_.clock.Monotonic() + options_.look_interval;
  if (sight.ok()) {
    NoteShim(*sight);
    NoteMemory(*sight);
    inventory_.clear_fault();
    inventory_.clear_adapters();
    *inventory_.add_adapters() = sight->adapter;
  } else {
    // What was seen last is still the best guess at what is there.
    inventory_.set_fault(
        absl::StrCat("the shim does not answer: ", sight.status().message()));
  }
  std::string bytes = inventory_.SerializeAsString();
  if (shown_ != nullptr && bytes == inventory_bytes_) return;
  inventory_bytes_ = std::move(bytes);
  shown_ = std::make_shared<const v1::Inventory>(inventory_);
  ++inventories_;
}

// A shim that starts gives its guests new vGPUs: whoever asks why theirs was
// reset finds it here.
void AgentLoop::NoteShim(const Sight& sight) {
  const bool restarted =
      !shim_instance_.empty() && sight.shim_instance != shim_instance_;
  const int vgpus =
      inventory_.adapters_size() > 0 ? inventory_.adapters(0).vgpus_size() : 0;
  if (restarted && vgpus > 0) {
    LogWarning(absl::StrCat("the shim was restarted (", shim_instance_,
                            ", now ", sight.shim_instance, "): the state of ",
                            vgpus, " vGPUs is lost with it"));
  }
  shim_instance_ = sight.shim_instance;
}

// It changes all the time; each word of it is stored and audited.
void AgentLoop::NoteMemory(const Sight& sight) {
  if (!sight.available_memory_bytes.has_value()) return;
  const uint64_t now = *sight.available_memory_bytes;
  const uint64_t said = inventory_.available_memory_bytes();
  if (inventory_.has_available_memory_bytes() && now > said - said / 8 &&
      now < said + said / 4) {
    return;
  }
  inventory_.set_available_memory_bytes(now);
}

bool AgentLoop::LacksIncident() const {
  return update_.phase == core::Phase::kEnded &&
         update_.end != core::End::kDone && core::Unacknowledged(update_) &&
         asked_incident_ != update_.order.attempt;
}

void AgentLoop::Remember() {
  if (!journal_.ok() || DurablePart() == written_) return;
  journal_ = ports_.journal.Write(update_);
  if (journal_.ok()) {
    written_ = DurablePart();
    return;
  }
  LogError(absl::StrCat("cannot remember what is done: ", journal_.message()));
  // Before the point of no return the old driver goes on; after it the guests
  // come first, and the next start asks the shim.
  LogRefusal(core::Apply(
      core::StopRequested{"JOURNAL_FAILED", std::string(journal_.message())},
      update_));
}

void AgentLoop::Act() {
  if (working_) return;
  const absl::Duration now = ports_.clock.Monotonic();
  if (const std::optional<core::Action> action = core::Plan(update_)) {
    const bool waits = action->failures > 0 && now < retry_at_;
    const bool leave = AtRest() && (stopping_ || !journal_.ok());
    if (!waits && !leave && StartStep(*action)) return;
  }
  const bool incident = LacksIncident();
  if (now < look_at_ && !incident) return;
  working_ = true;
  ports_.worker.Start({.kind = Job::Kind::kLook,
                       .depth = incident ? Depth::kIncident : Depth::kPlain});
}

// Whether the journal can hold what an update writes; gives the update up when
// it cannot.
bool AgentLoop::HasRoom() {
  const absl::Status reserved = ports_.journal.Reserve();
  if (reserved.ok()) return true;
  LogError(reserved.message());
  LogRefusal(core::Apply(
      core::StopRequested{Reason(reserved), std::string(reserved.message())},
      update_));
  return false;
}

// Returns false when what is to be durable before the step is not, and another
// step is to be planned.
bool AgentLoop::StartStep(core::Action action) {
  if (action.step == core::Step::kPrepare && !HasRoom()) {
    const std::optional<core::Action> instead = core::Plan(update_);
    return instead.has_value() && StartStep(*instead);
  }
  core::Update started = update_;
  LogRefusal(core::Apply(core::StepStarted{action.step}, started));
  std::swap(started, update_);
  const bool healthy = journal_.ok();
  Remember();
  if (healthy && !journal_.ok()) {
    update_ = std::move(started);  // as if it had never been started
    LogRefusal(core::Apply(
        core::StopRequested{"JOURNAL_FAILED", std::string(journal_.message())},
        update_));
    const std::optional<core::Action> instead = core::Plan(update_);
    return instead.has_value() && StartStep(*instead);
  }
  working_ = true;
  ports_.worker.Start({.kind = Job::Kind::kStep, .action = std::move(action)});
  return true;
}

void AgentLoop::Publish() {
  // Nothing is shown before the first look, nor what is not durable.
  if (!looked_ || !journal_.ok() || LacksIncident()) return;
  const bool show = core::Active(update_) || core::Unacknowledged(update_);
  std::string key =
      absl::StrCat(update_.epoch, "/", update_.finished_attempt, "/",
                   update_.order.attempt, "/", show ? update_.sequence : 0, "/",
                   update_.asked_again, "/", inventories_);
  if (key == published_) return;
  published_ = std::move(key);
  View view;
  view.inventory = shown_;
  view.epoch = update_.epoch;
  view.finished_attempt = update_.finished_attempt;
  if (update_.phase == core::Phase::kEnded) {
    view.finished_state = ToProto(update_.end);
  }
  if (show) view.report = ReportOf(update_);
  const bool wrong = show && asked_incident_ == update_.order.attempt &&
                     incident_.ByteSizeLong() > 0;
  if (wrong) *view.report->mutable_incident() = incident_;
  view.asked_again = update_.asked_again;
  view.may_wait = core::Active(update_) && update_.paused;
  ports_.uplink.Publish(std::move(view));
}

}  // namespace baton::agent
