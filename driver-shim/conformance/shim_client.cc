#include "driver-shim/conformance/shim_client.h"

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/reason.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/byte_buffer.h"
#include "proto/status_codec.h"

namespace baton::conformance {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

auto Deadline(absl::Duration patience) {
  return absl::ToChronoTime(RealClock().Now() + patience);
}

// What differs between the ten calls: their messages, and which of the
// optional fields these have.
template <typename Response>
void Take(const Response& response, Answer& answer) {
  answer.result = response.result();
  if constexpr (requires { response.census(); }) {
    answer.census = {response.census().begin(), response.census().end()};
  }
  if constexpr (requires { response.vgpus(); }) {
    answer.vgpus = {response.vgpus().begin(), response.vgpus().end()};
  }
  if constexpr (requires { response.saved(); }) {
    answer.saved = response.saved();
  }
  if constexpr (requires { response.ahead(); }) {
    answer.ahead = {response.ahead().begin(), response.ahead().end()};
  }
}

template <typename Request, typename Response>
Answer Invoke(v1::ShimService::Stub& stub,
              grpc::Status (v1::ShimService::Stub::*method)(
                  grpc::ClientContext*, const Request&, Response*),
              const Call& call) {
  Request request;
  *request.mutable_order() = call.order;
  if constexpr (requires { request.mutable_image(); }) {
    *request.mutable_image() = call.image;
  }
  grpc::ClientContext context;
  context.set_deadline(Deadline(call.patience));
  Response response;
  Answer answer;
  const absl::Duration begin = RealClock().Monotonic();
  answer.status = FromGrpc((stub.*method)(&context, request, &response));
  answer.waited = RealClock().Monotonic() - begin;
  if (answer.status.ok()) Take(response, answer);
  return answer;
}

}  // namespace

std::string Describe(const Answer& answer) {
  if (!answer.status.ok()) {
    const std::string reason = Reason(answer.status);
    return absl::StrCat(absl::StatusCodeToString(answer.status.code()), " ",
                        reason.empty() ? "(no reason)" : reason, ": ",
                        answer.status.message());
  }
  if (answer.result.code() == 0) return "done";
  return absl::StrCat("a result of ",
                      absl::StatusCodeToString(
                          static_cast<absl::StatusCode>(answer.result.code())),
                      " ", answer.result.reason(), ": ",
                      answer.result.message());
}

absl::StatusOr<std::unique_ptr<ShimClient>> ShimClient::Connect(
    const std::string& target, absl::Duration timeout) {
  auto channel =
      grpc::CreateChannel(target, grpc::InsecureChannelCredentials());
  if (!channel->WaitForConnected(Deadline(timeout))) {
    return ErrorWithReason(
        absl::StatusCode::kUnavailable, "SHIM_UNREACHABLE",
        absl::StrCat("nobody answers at '", target, "' within ",
                     absl::FormatDuration(timeout)));
  }
  return std::unique_ptr<ShimClient>(new ShimClient(std::move(channel)));
}

Answer ShimClient::Take(const Call& call) {
  using Stub = v1::ShimService::Stub;
  switch (call.verb) {
    case Verb::kPrepare:
      return Invoke(*stub_, &Stub::Prepare, call);
    case Verb::kPause:
      return Invoke(*stub_, &Stub::Pause, call);
    case Verb::kSave:
      return Invoke(*stub_, &Stub::Save, call);
    case Verb::kCancel:
      return Invoke(*stub_, &Stub::Cancel, call);
    case Verb::kUnload:
      return Invoke(*stub_, &Stub::Unload, call);
    case Verb::kRestore:
      return Invoke(*stub_, &Stub::Restore, call);
    case Verb::kVerify:
      return Invoke(*stub_, &Stub::Verify, call);
    case Verb::kResume:
      return Invoke(*stub_, &Stub::Resume, call);
    case Verb::kConfirm:
      return Invoke(*stub_, &Stub::Confirm, call);
    case Verb::kCommit:
      return Invoke(*stub_, &Stub::Commit, call);
  }
  std::abort();
}

absl::StatusOr<v1::InspectResponse> ShimClient::Inspect() {
  grpc::ClientContext context;
  context.set_deadline(Deadline(kPatience));
  v1::InspectResponse response;
  absl::Status status =
      FromGrpc(stub_->Inspect(&context, v1::InspectRequest(), &response));
  if (!status.ok()) return status;
  return response;
}

// By hand: two messages of one field do not want a library.
absl::Status ShimClient::CheckHealth() {
  constexpr absl::string_view kServing("\x08\x01", 2);
  grpc::GenericStub generic(channel_);
  grpc::ClientContext context;
  context.set_deadline(Deadline(kPatience));
  const grpc::ByteBuffer request(nullptr, 0);
  grpc::ByteBuffer response;
  Mutex mu;
  CondVar changed;
  bool over = false;
  absl::Status status;
  generic.UnaryCall(&context, "/grpc.health.v1.Health/Check",
                    grpc::StubOptions(), &request, &response,
                    [&](const grpc::Status& ended) {
                      const MutexLock lock(mu);
                      status = FromGrpc(ended);
                      over = true;
                      changed.SignalAll();
                    });
  {
    const MutexLock lock(mu);
    while (!over) changed.WaitFor(mu, absl::Seconds(1));
  }
  if (!status.ok()) return status;
  grpc::Slice slice;
  if (response.DumpToSingleSlice(&slice).ok() &&
      absl::string_view(reinterpret_cast<const char*>(slice.begin()),
                        slice.size()) == kServing) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError("health service does not say SERVING");
}

}  // namespace baton::conformance
