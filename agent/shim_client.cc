#include "agent/shim_client.h"

#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/convert.h"
#include "agent/link_deadline.h"
#include "base/fail_point.h"
#include "base/reason.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "proto/status_codec.h"

namespace baton::agent {
namespace {

// A shim that was restarted is found again within this many milliseconds.
constexpr int kReconnectMinMs = 20;
constexpr int kReconnectMaxMs = 500;
// How long a try to connect may take (GRPC_ARG_MIN_RECONNECT_BACKOFF_MS): less
// than a look at the shim, which a busy host must not end.
constexpr int kConnectMaxMs = 1000;

std::shared_ptr<grpc::Channel> Dial(const std::string& target) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kReconnectMinMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectMaxMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kReconnectMaxMs);
  // A proxy of the environment has no business between two local processes.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // Each client its own connection: a test may put several on one address.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(),
                                   arguments);
}

// An error status means that nothing was tried, unless it may have come from
// the transport or from time.
core::Trial TrialOf(grpc::StatusCode code) {
  switch (code) {
    case grpc::StatusCode::FAILED_PRECONDITION:
    case grpc::StatusCode::ABORTED:
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::UNIMPLEMENTED:
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return core::Trial::kRefused;
    case grpc::StatusCode::OK:
    case grpc::StatusCode::CANCELLED:
    case grpc::StatusCode::UNKNOWN:
    case grpc::StatusCode::DEADLINE_EXCEEDED:
    case grpc::StatusCode::NOT_FOUND:
    case grpc::StatusCode::ALREADY_EXISTS:
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::OUT_OF_RANGE:
    case grpc::StatusCode::INTERNAL:
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::DATA_LOSS:
    case grpc::StatusCode::DO_NOT_USE:
      return core::Trial::kNoAnswer;
  }
  return core::Trial::kNoAnswer;
}

// `waited`  how long at most
core::Outcome NoResult(const grpc::Status& status, core::Step step,
                       absl::Duration waited) {
  const absl::Status error = FromGrpc(status);
  core::Outcome outcome;
  outcome.trial = TrialOf(status.error_code());
  outcome.record.code = error.code();
  outcome.record.message =
      absl::IsDeadlineExceeded(error)
          ? absl::StrCat("the shim did not answer '", Name(step), "' within ",
                         absl::FormatDuration(waited), ": it hangs")
          : absl::StrCat("shim: ", error.message());
  outcome.record.reason = Reason(error);
  if (outcome.record.reason.empty()) {
    outcome.record.reason =
        absl::StrCat("SHIM_", absl::StatusCodeToString(error.code()));
  }
  return outcome;
}

// How long the answer may take.
absl::Duration InAll(const ShimStep& step) {
  absl::Duration sum = step.deadline;
  for (const core::NextStep& next : step.ahead) sum += next.deadline;
  return sum;
}

template <typename Request>
Request RequestOf(const ShimStep& step) {
  Request request;
  request.mutable_order()->set_attempt(step.attempt);
  ToProto(step.deadline, *request.mutable_order()->mutable_deadline());
  for (const core::NextStep& next : step.ahead) {
    v1::NextStep& added = *request.mutable_order()->add_ahead();
    added.set_step(ToProto(next.step));
    ToProto(next.deadline, *added.mutable_deadline());
    if (next.step == core::Step::kRestore) {
      ToProto(next.image, *added.mutable_image());
    }
  }
  return request;
}

template <typename Request>
Request RequestWithImage(const ShimStep& step) {
  Request request = RequestOf<Request>(step);
  ToProto(step.image, *request.mutable_image());
  return request;
}

void TakeVgpus(
    const google::protobuf::RepeatedPtrField<v1::VirtualGpuResult>& vgpus,
    core::Outcome& outcome) {
  for (const v1::VirtualGpuResult& vgpu : vgpus) {
    outcome.vgpus.push_back(FromProto(vgpu));
  }
}

// The calls, for tests that end the process around one.
void PassBefore(core::Step step) {
  switch (step) {
    case core::Step::kPrepare:
      FAIL_POINT("agent.before_prepare");
      return;
    case core::Step::kPause:
      FAIL_POINT("agent.before_pause");
      return;
    case core::Step::kSave:
      FAIL_POINT("agent.before_save");
      return;
    case core::Step::kCancel:
      FAIL_POINT("agent.before_cancel");
      return;
    case core::Step::kUnload:
      FAIL_POINT("agent.before_unload");
      return;
    case core::Step::kRestore:
      FAIL_POINT("agent.before_restore");
      return;
    case core::Step::kVerify:
      FAIL_POINT("agent.before_verify");
      return;
    case core::Step::kResume:
      FAIL_POINT("agent.before_resume");
      return;
    case core::Step::kConfirm:
      FAIL_POINT("agent.before_confirm");
      return;
    case core::Step::kCommit:
      FAIL_POINT("agent.before_commit");
      return;
    case core::Step::kCloseGate:
    case core::Step::kSwitch:
    case core::Step::kReopenGate:
    case core::Step::kInspect:
      return;
  }
}

void PassAfter(core::Step step) {
  switch (step) {
    case core::Step::kPrepare:
      FAIL_POINT("agent.after_prepare");
      return;
    case core::Step::kPause:
      FAIL_POINT("agent.after_pause");
      return;
    case core::Step::kSave:
      FAIL_POINT("agent.after_save");
      return;
    case core::Step::kCancel:
      FAIL_POINT("agent.after_cancel");
      return;
    case core::Step::kUnload:
      FAIL_POINT("agent.after_unload");
      return;
    case core::Step::kRestore:
      FAIL_POINT("agent.after_restore");
      return;
    case core::Step::kVerify:
      FAIL_POINT("agent.after_verify");
      return;
    case core::Step::kResume:
      FAIL_POINT("agent.after_resume");
      return;
    case core::Step::kConfirm:
      FAIL_POINT("agent.after_confirm");
      return;
    case core::Step::kCommit:
      FAIL_POINT("agent.after_commit");
      return;
    case core::Step::kCloseGate:
    case core::Step::kSwitch:
    case core::Step::kReopenGate:
    case core::Step::kInspect:
      return;
  }
}

core::SavedState SavedIn(const v1::SavedState& saved) {
  return {saved.blocks(), saved.size_bytes()};
}

// What a response carries beyond its result.
template <typename Response>
void TakeRest(const Response&, core::Outcome&) {}
void TakeRest(const v1::SaveResponse& response, core::Outcome& outcome) {
  outcome.saved = SavedIn(response.saved());
}
void TakeRest(const v1::CancelResponse& response, core::Outcome& outcome) {
  TakeVgpus(response.vgpus(), outcome);
}
void TakeRest(const v1::VerifyResponse& response, core::Outcome& outcome) {
  TakeVgpus(response.vgpus(), outcome);
}
void TakeRest(const v1::ResumeResponse& response, core::Outcome& outcome) {
  TakeVgpus(response.vgpus(), outcome);
}
void TakeRest(const v1::ConfirmResponse& response, core::Outcome& outcome) {
  TakeVgpus(response.vgpus(), outcome);
}

}  // namespace

ShimClient::ShimClient(Options options)
    : options_(std::move(options)),
      stub_(v1::ShimService::NewStub(Dial(options_.target))) {}

absl::StatusOr<Sight> ShimClient::Inspect(absl::Duration deadline,
                                          Depth depth) {
  grpc::ClientContext context;
  SetDeadline(deadline, context);
  v1::InspectRequest request;
  request.set_incident(depth == Depth::kIncident);
  v1::InspectResponse response;
  FAIL_POINT("agent.before_inspect");
  const grpc::Status status = stub_->Inspect(&context, request, &response);
  if (!status.ok()) return FromGrpc(status);
  Sight sight;
  sight.adapter = response.adapter();
  sight.state = FromProto(response.state());
  sight.attempt = response.attempt();
  sight.shim_instance = response.shim_instance();
  if (response.has_image()) sight.image = FromProto(response.image());
  sight.incident_attempt = response.incident_attempt();
  sight.incident = std::move(*response.mutable_incident());
  return sight;
}

core::Outcome ShimClient::Run(const ShimStep& step) {
  PassBefore(step.step);
  core::Outcome outcome;
  if (Knows(step)) {
    outcome = std::move(ahead_.front().outcome);
    ahead_.pop_front();
  } else {
    ahead_.clear();
    outcome = Call(step);
  }
  PassAfter(step.step);
  return outcome;
}

bool ShimClient::Knows(const ShimStep& step) const {
  return !ahead_.empty() && ahead_.front().attempt == step.attempt &&
         ahead_.front().step == step.step;
}

// All but the last, which is asked for: by that the shim knows what was heard.
// What was not ordered is not believed.
template <typename Response>
void ShimClient::KeepAhead(const ShimStep& step, const Response& response) {
  if constexpr (requires { response.ahead(); }) {
    for (int i = 0; i + 1 < response.ahead_size(); ++i) {
      const v1::StepTaken& taken = response.ahead(i);
      const size_t at = ahead_.size();
      if (at == step.ahead.size()) return;
      if (ToProto(step.ahead[at].step) != taken.step()) return;
      core::Outcome outcome;
      outcome.record = FromProto(taken.result());
      if (taken.has_saved()) outcome.saved = SavedIn(taken.saved());
      TakeVgpus(taken.vgpus(), outcome);
      ahead_.push_back({step.attempt, step.ahead[at].step, std::move(outcome)});
    }
  }
}

core::Outcome ShimClient::Call(const ShimStep& step) {
  const auto call = [&](auto method, const auto& request,
                        auto response) -> core::Outcome {
    grpc::ClientContext context;
    const absl::Duration most = InAll(step) + options_.margin;
    SetDeadline(most, context);
    const grpc::Status status =
        ((*stub_).*method)(&context, request, &response);
    if (!status.ok()) return NoResult(status, step.step, most);
    core::Outcome outcome;
    outcome.record = FromProto(response.result());
    TakeRest(response, outcome);
    KeepAhead(step, response);
    return outcome;
  };
  using Stub = v1::ShimService::Stub;
  switch (step.step) {
    case core::Step::kPrepare:
      return call(&Stub::Prepare, RequestWithImage<v1::PrepareRequest>(step),
                  v1::PrepareResponse());
    case core::Step::kPause:
      return call(&Stub::Pause, RequestOf<v1::PauseRequest>(step),
                  v1::PauseResponse());
    case core::Step::kSave:
      return call(&Stub::Save, RequestOf<v1::SaveRequest>(step),
                  v1::SaveResponse());
    case core::Step::kCancel:
      return call(&Stub::Cancel, RequestOf<v1::CancelRequest>(step),
                  v1::CancelResponse());
    case core::Step::kUnload:
      return call(&Stub::Unload, RequestOf<v1::UnloadRequest>(step),
                  v1::UnloadResponse());
    case core::Step::kRestore:
      return call(&Stub::Restore, RequestWithImage<v1::RestoreRequest>(step),
                  v1::RestoreResponse());
    case core::Step::kVerify:
      return call(&Stub::Verify, RequestOf<v1::VerifyRequest>(step),
                  v1::VerifyResponse());
    case core::Step::kResume:
      return call(&Stub::Resume, RequestOf<v1::ResumeRequest>(step),
                  v1::ResumeResponse());
    case core::Step::kConfirm:
      return call(&Stub::Confirm, RequestOf<v1::ConfirmRequest>(step),
                  v1::ConfirmResponse());
    case core::Step::kCommit:
      return call(&Stub::Commit, RequestOf<v1::CommitRequest>(step),
                  v1::CommitResponse());
    case core::Step::kCloseGate:
    case core::Step::kSwitch:
    case core::Step::kReopenGate:
    case core::Step::kInspect:
      break;
  }
  std::abort();  // not a step of the shim: a programmer error
}

}  // namespace baton::agent
