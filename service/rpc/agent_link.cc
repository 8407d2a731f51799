#include "service/rpc/agent_link.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/fail_point.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "proto/status_codec.h"
#include "service/core/errors.h"
#include "service/core/event.h"
#include "service/core/names.h"
#include "service/rpc/convert.h"
#include "service/rpc/convert_rollout.h"
#include "service/rpc/field_limits.h"

namespace baton::rpc {
namespace {

absl::Status Violation(absl::string_view reason, absl::string_view message) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, reason, message);
}

}  // namespace

absl::Duration Doorway::Enter(const v1::AgentHello& hello) {
  // Its slot waits for its word, and there are few of them.
  if (hello.has_update()) return absl::ZeroDuration();
  // It counts evenly, and never goes back.
  const absl::Duration now = loop_.Now() - absl::UnixEpoch();
  MutexLock lock(mu_);
  return core::Admit(options_, now, admission_);
}

AgentStream* AgentStream::Open(runtime::FleetLoop& loop, OpenStreams& streams,
                               Doorway& doorway) {
  auto stream =
      std::shared_ptr<AgentStream>(new AgentStream(loop, streams, doorway));
  stream->self_ = stream;
  AgentStream* const reactor = stream.get();
  if (reactor->gate_.Enter()) {
    reactor->StartRead(&reactor->request_);
    reactor->FinishIf(reactor->gate_.Leave());
  }
  streams.Add(stream);
  return reactor;
}

// ---- What the agent says.

void AgentStream::OnReadDone(bool ok) {
  if (!ok) return End(absl::OkStatus());  // the agent said all it wanted to
  FAIL_POINT("service.after_hear");
  if (!gate_.Enter()) return;
  {
    MutexLock lock(mu_);
    unsettled_ = 1;
  }
  Settle(Take(request_));
}

absl::Status AgentStream::Take(const v1::ConnectRequest& request) {
  RETURN_IF_ERROR(CheckFieldSizes(request, Speaker::kAgent));
  switch (request.message_case()) {
    case v1::ConnectRequest::kHello:
      return TakeHello(request.hello());
    case v1::ConnectRequest::kHeartbeat:
      return TakeHeartbeat(request.heartbeat());
    case v1::ConnectRequest::kReport:
      return TakeReport(request.report());
    case v1::ConnectRequest::MESSAGE_NOT_SET:
      break;  // what only a newer release knows
  }
  return absl::OkStatus();
}

absl::Status AgentStream::TakeHello(const v1::AgentHello& hello) {
  if (!host_.empty()) {
    return Violation("HELLO_REPEATED",
                     absl::StrCat("agent of \"", host_, "\" said hello twice"));
  }
  RETURN_IF_ERROR(core::CheckHostName(hello.host()));
  if (const absl::Duration wait = doorway_.Enter(hello);
      wait > absl::ZeroDuration()) {
    SendAway(wait);
    return absl::OkStatus();
  }
  host_ = hello.host();
  actor_ = absl::StrCat("agent:", core::ShortName(host_));
  core::HostConnected connected = {
      .host = host_,
      .stream = number_,
      .boot_id = hello.boot_id(),
      .agent_version = hello.agent_version(),
      .labels = FromProto(hello.labels()),
      .epoch = hello.epoch(),
      .finished_attempt = hello.finished_attempt(),
      .finished_quarantined =
          hello.finished_state() == v1::UPDATE_STATE_QUARANTINED,
      .inventory_digest = hello.inventory_digest()};
  // A release that names no inventory always tells it.
  if (hello.has_inventory() || hello.inventory_digest().empty()) {
    connected.inventory = FromProto(hello.inventory());
  }
  if (hello.update().state() == v1::UPDATE_STATE_RUNNING) {
    connected.running_attempt = hello.update().attempt();
    connected.running_rollout = hello.update().rollout();
  }
  if (hello.update().attempt() == hello.finished_attempt()) {
    connected.finished_rollout = hello.update().rollout();
  }
  {
    MutexLock lock(mu_);
    ++unsettled_;
  }
  absl::Status posted =
      loop_.Connect(std::move(connected), shared_from_this(),
                    [self = shared_from_this()](const absl::Status& status,
                                                const core::Fleet& fleet) {
                      self->Welcome(status, fleet);
                    });
  if (!posted.ok()) Settle(posted);
  if (!posted.ok() || !hello.has_update()) return posted;
  return TakeReport(hello.update());
}

absl::Status AgentStream::TakeHeartbeat(const v1::AgentHeartbeat& heartbeat) {
  if (host_.empty())
    return Violation("HELLO_MISSING", "heartbeat before hello");
  core::HostHeard heard = {.host = host_, .stream = number_};
  if (heartbeat.has_inventory()) {
    heard.inventory = FromProto(heartbeat.inventory());
    heard.inventory_digest = heartbeat.inventory_digest();
  } else if (heartbeat.has_change()) {
    heard.change = FromProto(heartbeat.change());
  }
  {
    MutexLock lock(mu_);
    ++unsettled_;
  }
  absl::Status posted =
      loop_.Post(actor_, std::move(heard),
                 [self = shared_from_this()](const absl::Status& status,
                                             const core::Fleet&) {
                   self->Settle(status);
                 });
  if (!posted.ok()) Settle(posted);
  return posted;
}

absl::Status AgentStream::TakeReport(const v1::UpdateReport& report) {
  if (host_.empty()) return Violation("HELLO_MISSING", "report before hello");
  core::UpdateReported reported = {.host = host_, .stream = number_};
  ASSIGN_OR_RETURN(reported.report, FromProto(report));
  {
    MutexLock lock(mu_);
    ++unsettled_;
  }
  absl::Status posted =
      loop_.Post(actor_, std::move(reported),
                 [self = shared_from_this(), attempt = report.attempt(),
                  sequence = report.sequence()](const absl::Status& status,
                                                const core::Fleet&) {
                   self->Acknowledge(status, attempt, sequence);
                 });
  if (!posted.ok()) Settle(posted);
  return posted;
}

void AgentStream::Welcome(const absl::Status& status,
                          const core::Fleet& fleet) {
  if (status.ok()) {
    v1::ConnectResponse response;
    response.mutable_welcome()->set_epoch(fleet.epoch);
    *response.mutable_welcome()->mutable_heartbeat() =
        ToProto(loop_.options().heartbeat);
    *response.mutable_welcome()->mutable_service_time() = ToProto(loop_.Now());
    response.mutable_welcome()->set_inventory_digest(
        core::FindHost(fleet, host_)->inventory_digest.str());
    Push(std::move(response));
  }
  Settle(status);
}

void AgentStream::Acknowledge(const absl::Status& status, uint64_t attempt,
                              uint64_t sequence) {
  const bool refused = !status.ok() && core::IsFinal(status);
  if (refused) {
    LogWarning(absl::StrCat("a report of \"", host_,
                            "\" is left aside: ", status.message()));
  }
  if (status.ok() || refused) {
    v1::ConnectResponse response;
    response.mutable_ack()->set_attempt(attempt);
    response.mutable_ack()->set_sequence(sequence);
    Push(std::move(response));
  }
  Settle(refused ? absl::OkStatus() : status);
}

// The stream ends once this is written; nothing more is read.
void AgentStream::SendAway(absl::Duration wait) {
  {
    MutexLock lock(mu_);
    last_ = ErrorWithReason(
        absl::StatusCode::kResourceExhausted, "TOO_MANY_AGENTS",
        absl::StrCat("too many agents come at once: come again in ",
                     absl::FormatDuration(wait)));
  }
  v1::ConnectResponse response;
  *response.mutable_wait()->mutable_wait() = ToProto(wait);
  Push(std::move(response));
}

void AgentStream::Settle(const absl::Status& status) {
  if (!status.ok()) End(status);
  bool sent_away = false;
  {
    MutexLock lock(mu_);
    if (--unsettled_ > 0) return;
    sent_away = last_.has_value();
  }
  if (!gate_.ending() && !sent_away) StartRead(&request_);
  FinishIf(gate_.Leave());
}

// ---- What the agent is told.

void AgentStream::Send(const core::Order& order) {
  {
    MutexLock lock(mu_);
    order_ = ToProto(order);
    if (writing_ || !gate_.Enter()) return;
    writing_ = true;
  }
  WriteNext();
}

void AgentStream::Push(v1::ConnectResponse response) {
  {
    MutexLock lock(mu_);
    answers_.push_back(std::move(response));
    if (writing_ || !gate_.Enter()) return;
    writing_ = true;
  }
  WriteNext();
}

void AgentStream::WriteNext() {
  bool write = false;
  {
    MutexLock lock(mu_);
    write = !gate_.ending() && (!answers_.empty() || order_.has_value());
    writing_ = write;
    if (write) response_ = TakeNext();
  }
  if (write) {
    FAIL_POINT("service.before_say");
    StartWrite(&response_);
  } else {
    FinishIf(gate_.Leave());
  }
}

v1::ConnectResponse AgentStream::TakeNext() {
  v1::ConnectResponse next;
  if (!answers_.empty()) {
    next = std::move(answers_.front());
    answers_.pop_front();
  } else {
    *next.mutable_order() = *std::exchange(order_, std::nullopt);
  }
  return next;
}

void AgentStream::OnWriteDone(bool ok) {
  FAIL_POINT("service.after_say");
  std::optional<absl::Status> last;
  {
    MutexLock lock(mu_);
    last = last_;
  }
  if (!ok) {
    End(absl::CancelledError("the agent is gone"));
  } else if (last.has_value()) {
    End(*last);
  }
  WriteNext();
}

// ---- Its end.

void AgentStream::OnCancel() { End(absl::CancelledError("the agent is gone")); }

void AgentStream::OnDone() {
  const auto self = std::exchange(self_, nullptr);
  streams_.Remove(this);
  if (host_.empty()) return;
  // When the mailbox is full the loop learns of it by the missing heartbeats.
  loop_
      .Post(actor_, core::HostDisconnected{.host = host_, .stream = number_},
            [](const absl::Status&, const core::Fleet&) {})
      .IgnoreError();
}

void AgentStream::FinishIf(const std::optional<absl::Status>& due) {
  if (due.has_value()) Finish(ToGrpc(*due));
}

}  // namespace baton::rpc
