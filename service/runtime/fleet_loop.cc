#include "service/runtime/fleet_loop.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/fail_point.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "service/core/names.h"
#include "service/core/plan.h"

namespace baton::runtime {
namespace {

// However far the next deadline is, the loop looks at the time this often.
constexpr absl::Duration kLongestWait = absl::Seconds(1);

// How often the room on the disk is looked at. Between two looks the store
// grows by far less than what is reserved.
constexpr absl::Duration kDiskLookInterval = absl::Seconds(1);

// How far the clock may be behind the store's time for nobody to be told.
constexpr absl::Duration kClockTolerated = absl::Minutes(1);

// What bounds a turn, and so how long a caller waits for the one before it:
// requests of callers, requests of agents, and decisions past which it decides
// no further.
constexpr size_t kCallersMax = 128;
constexpr size_t kAgentsMax = 64;
constexpr size_t kDecidedMax = 64;

absl::Status StoppingError() {
  return ErrorWithReason(absl::StatusCode::kUnavailable, "SERVICE_STOPPING",
                         "the service stops");
}

}  // namespace

FleetLoop::FleetLoop(const Options& options, const Ports& ports)
    : options_(options),
      ports_(ports),
      outbox_(options.order_repeat),
      mailbox_(options.mailbox_max) {}

absl::StatusOr<std::unique_ptr<FleetLoop>> FleetLoop::Create(
    const Options& options, const Ports& ports) {
  ASSIGN_OR_RETURN(core::Fleet fleet, ports.store.Load());
  return Create(options, ports, std::move(fleet));
}

absl::StatusOr<std::unique_ptr<FleetLoop>> FleetLoop::Create(
    const Options& options, const Ports& ports, core::Fleet fleet) {
  std::unique_ptr<FleetLoop> loop(new FleetLoop(options, ports));
  RETURN_IF_ERROR(loop->Start(std::move(fleet)));
  return loop;
}

absl::Status FleetLoop::Start(core::Fleet fleet) {
  fleet_ = std::move(fleet);
  fleet_.settings = {options_.heartbeat, options_.lost_after,
                     options_.capsule_retention, options_.disk_reserve_bytes};
  const absl::Time wall = ports_.clock.Now();
  if (fleet_.now - wall > kClockTolerated) {
    LogWarning(absl::StrCat(
        "this machine's clock is ", absl::FormatDuration(fleet_.now - wall),
        " behind what the store has seen: the service's time, which windows, "
        "bakes and freezes follow, stays ahead by as much"));
  }
  started_at_ = std::max(wall, fleet_.now);
  started_monotonic_ = ports_.clock.Monotonic();
  core::Event event;
  event.at = started_at_;
  event.body = core::ServiceStarted{};
  ASSIGN_OR_RETURN(core::Changes changes, core::Apply(event, fleet_));
  FAIL_POINT("service.before_epoch");
  return ports_.store.Commit(fleet_, changes);
}

absl::Time FleetLoop::Now() const {
  return started_at_ + (ports_.clock.Monotonic() - started_monotonic_);
}

absl::Status FleetLoop::PostRequest(Request request) {
  if (closed_) return StoppingError();
  if (queued_.fetch_add(1) < options_.mailbox_max &&
      mailbox_.TryPost(std::move(request))) {
    // Closed in between: nobody else would answer what was just queued.
    if (closed_) RefuseQueued();
    return absl::OkStatus();
  }
  --queued_;
  return ErrorWithReason(absl::StatusCode::kResourceExhausted, "SERVICE_BUSY",
                         absl::StrCat("more than ", options_.mailbox_max,
                                      " requests wait: try again later"));
}

absl::Status FleetLoop::Post(std::string actor, core::EventBody body,
                             Done done) {
  Change change;
  change.event.at = Now();
  change.event.actor = std::move(actor);
  change.event.body = std::move(body);
  change.done = std::move(done);
  return PostRequest(std::move(change));
}

absl::Status FleetLoop::Connect(core::HostConnected hello,
                                std::shared_ptr<Link> link, Done done) {
  Change change;
  change.event.at = Now();
  change.event.actor =
      absl::StrCat("agent:", hello.host.substr(hello.host.rfind('/') + 1));
  change.event.body = std::move(hello);
  change.link = std::move(link);
  change.done = std::move(done);
  return PostRequest(std::move(change));
}

absl::Status FleetLoop::Read(Done done) {
  return PostRequest(Look{std::move(done)});
}

absl::Status FleetLoop::ReadAudit(AuditQuery query, AuditDone done) {
  return PostRequest(AuditLook{std::move(query), std::move(done)});
}

absl::Status FleetLoop::ReadCapsule(const std::string& rollout,
                                    const std::string& host, CapsuleDone done) {
  return PostRequest(
      CapsuleLook{core::UpdateName(rollout, host), std::move(done)});
}

void FleetLoop::Stop() {
  stopping_ = true;
  // Wakes the loop; when the mailbox is full it is awake.
  (void)PostRequest(Look{[](const absl::Status&, const core::Fleet&) {}});
}

absl::Status FleetLoop::Run() {
  absl::Status status;
  while (status.ok() && !stopping_) status = RunOnce(LongestWait());
  closed_ = true;
  RefuseWaiting();
  RefuseQueued();
  return status;
}

absl::Duration FleetLoop::LongestWait() const {
  const absl::Duration until = core::NextDeadline(fleet_) - Now();
  return std::clamp(until, absl::ZeroDuration(), kLongestWait);
}

bool FleetLoop::IsOfAgent(const Request& request) {
  const auto* change = std::get_if<Change>(&request);
  if (change == nullptr) return false;
  const core::EventBody& body = change->event.body;
  return std::holds_alternative<core::HostConnected>(body) ||
         std::holds_alternative<core::HostHeard>(body) ||
         std::holds_alternative<core::HostDisconnected>(body) ||
         std::holds_alternative<core::UpdateReported>(body);
}

std::vector<FleetLoop::Request> FleetLoop::TakeBatch(absl::Duration wait) {
  const bool busy = undecided_ || !callers_.empty() || !agents_.empty();
  for (Request& request :
       mailbox_.TakeAll(busy ? absl::ZeroDuration() : wait)) {
    std::deque<Waiting>& line = IsOfAgent(request) ? agents_ : callers_;
    line.emplace_back(++taken_, std::move(request));
  }
  size_t callers = std::min(callers_.size(), kCallersMax);
  size_t agents = std::min(agents_.size(), kAgentsMax);
  std::vector<Request> batch;
  batch.reserve(callers + agents);
  while (callers + agents > 0) {
    const bool caller =
        agents == 0 ||
        (callers > 0 && callers_.front().first < agents_.front().first);
    std::deque<Waiting>& line = caller ? callers_ : agents_;
    batch.push_back(std::move(line.front().second));
    line.pop_front();
    --(caller ? callers : agents);
  }
  turn_time_ = agents_.empty()
                   ? Now()
                   : std::get<Change>(agents_.front().second).event.at;
  return batch;
}

absl::Status FleetLoop::RunOnce(absl::Duration wait) {
  std::vector<Request> batch = TakeBatch(wait);
  core::Changes changes;
  std::vector<absl::Status> verdicts;
  verdicts.reserve(batch.size());
  for (Request& request : batch) {
    verdicts.push_back(ApplyRequest(request, changes));
  }
  ApplyOwn(core::Tick{}, changes);
  LookAtDisk(changes);
  DecideAll(changes);
  if (changes.durable()) {
    absl::Status committed = ports_.store.Commit(fleet_, changes);
    if (!committed.ok()) {
      for (Request& request : batch) Refuse(request, committed);
      queued_ -= batch.size();
      return committed;
    }
  }
  for (size_t i = 0; i < batch.size(); ++i) Answer(batch[i], verdicts[i]);
  queued_ -= batch.size();
  FAIL_POINT("service.after_answer");
  outbox_.Flush(fleet_, changes);
  outbox_.Repeat(fleet_);
  FAIL_POINT("service.after_send");
  feed_.Publish(fleet_, changes);
  return absl::OkStatus();
}

absl::Status FleetLoop::ApplyRequest(Request& request, core::Changes& changes) {
  Change* change = std::get_if<Change>(&request);
  if (change == nullptr) return absl::OkStatus();
  change->event.at = turn_time_;
  absl::StatusOr<core::Changes> changed = core::Apply(change->event, fleet_);
  if (!changed.ok()) return changed.status();
  changes.Merge(*std::move(changed));
  return absl::OkStatus();
}

bool FleetLoop::ApplyOwn(core::EventBody body, core::Changes& changes) {
  core::Event event;
  event.at = turn_time_;
  event.body = std::move(body);
  absl::StatusOr<core::Changes> changed = core::Apply(event, fleet_);
  if (!changed.ok()) {
    LogDebug(absl::StrCat("decision overtaken: ", changed.status().message()));
    return false;
  }
  changes.Merge(*std::move(changed));
  return true;
}

void FleetLoop::LookAtDisk(core::Changes& changes) {
  if (ports_.disk == nullptr || Now() < disk_look_) return;
  disk_look_ = Now() + kDiskLookInterval;
  const absl::StatusOr<uint64_t> free_bytes = ports_.disk->FreeBytes();
  if (free_bytes.ok()) {
    ApplyOwn(core::DiskSeen{*free_bytes}, changes);
  } else {
    LogWarning(free_bytes.status().message());
  }
}

void FleetLoop::DecideAll(core::Changes& changes) {
  size_t decided = 0;
  bool moved = true;
  while (moved && decided < kDecidedMax) {
    moved = false;
    for (core::EventBody& decision : core::Decide(fleet_)) {
      if (!ApplyOwn(std::move(decision), changes)) continue;
      moved = true;
      ++decided;
    }
  }
  undecided_ = moved;
}

void FleetLoop::Answer(Request& request, const absl::Status& verdict) {
  if (auto* look = std::get_if<Look>(&request); look != nullptr) {
    look->done(verdict, fleet_);
    return;
  }
  if (auto* audit = std::get_if<AuditLook>(&request); audit != nullptr) {
    audit->done(ports_.store.ScanAudit(audit->query));
    return;
  }
  if (auto* capsule = std::get_if<CapsuleLook>(&request); capsule != nullptr) {
    capsule->done(ports_.store.LoadCapsule(capsule->update, fleet_.now));
    return;
  }
  Change& change = std::get<Change>(request);
  if (change.done) change.done(verdict, fleet_);
  const auto* hello = std::get_if<core::HostConnected>(&change.event.body);
  if (hello == nullptr || !verdict.ok() || change.link == nullptr) return;
  outbox_.Attach(hello->host, hello->stream, std::move(change.link));
}

void FleetLoop::Refuse(Request& request, const absl::Status& why) {
  if (auto* look = std::get_if<Look>(&request); look != nullptr) {
    look->done(why, fleet_);
  } else if (auto* audit = std::get_if<AuditLook>(&request); audit != nullptr) {
    audit->done(why);
  } else if (auto* capsule = std::get_if<CapsuleLook>(&request);
             capsule != nullptr) {
    capsule->done(why);
  } else if (Change& change = std::get<Change>(request); change.done) {
    change.done(why, fleet_);
  }
}

void FleetLoop::RefuseQueued() {
  for (Request& request : mailbox_.TakeAll(absl::ZeroDuration())) {
    Refuse(request, StoppingError());
    --queued_;
  }
}

void FleetLoop::RefuseWaiting() {
  for (std::deque<Waiting>* line : {&callers_, &agents_}) {
    for (auto& [number, request] : *line) Refuse(request, StoppingError());
    queued_ -= line->size();
    line->clear();
  }
}

}  // namespace baton::runtime
