#include "service/rpc/calls.h"

#include <string>
#include <utility>

#include "base/status_macros.h"
#include "proto/status_codec.h"
#include "service/rpc/caller.h"
#include "service/rpc/field_limits.h"

namespace baton::rpc {
namespace {

// Finishes `reactor` once the loop has an answer.
runtime::FleetLoop::Done FinishWith(grpc::ServerUnaryReactor* reactor,
                                    Respond respond) {
  return [reactor, respond = std::move(respond)](const absl::Status& status,
                                                 const core::Fleet& fleet) {
    reactor->Finish(ToGrpc(status.ok() ? respond(fleet) : status));
  };
}

absl::Status PostChange(grpc::CallbackServerContext* context,
                        const google::protobuf::Message& request,
                        absl::StatusOr<core::EventBody> body,
                        runtime::FleetLoop& loop,
                        runtime::FleetLoop::Done done) {
  RETURN_IF_ERROR(CheckFieldSizes(request, Speaker::kOperator));
  RETURN_IF_ERROR(body.status());
  ASSIGN_OR_RETURN(std::string caller, CallerOf(*context));
  return loop.Post(std::move(caller), *std::move(body), std::move(done));
}

absl::Status PostLook(const google::protobuf::Message& request,
                      runtime::FleetLoop& loop, runtime::FleetLoop::Done done) {
  RETURN_IF_ERROR(CheckFieldSizes(request, Speaker::kOperator));
  return loop.Read(std::move(done));
}

}  // namespace

grpc::ServerUnaryReactor* Change(grpc::CallbackServerContext* context,
                                 const google::protobuf::Message& request,
                                 absl::StatusOr<core::EventBody> body,
                                 runtime::FleetLoop& loop, Respond respond) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::Status posted =
      PostChange(context, request, std::move(body), loop,
                 FinishWith(reactor, std::move(respond)));
  if (!posted.ok()) reactor->Finish(ToGrpc(posted));
  return reactor;
}

grpc::ServerUnaryReactor* Look(grpc::CallbackServerContext* context,
                               const google::protobuf::Message& request,
                               runtime::FleetLoop& loop, Respond respond) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::Status posted =
      PostLook(request, loop, FinishWith(reactor, std::move(respond)));
  if (!posted.ok()) reactor->Finish(ToGrpc(posted));
  return reactor;
}

grpc::ServerUnaryReactor* Refuse(grpc::CallbackServerContext* context,
                                 const absl::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpc(status));
  return reactor;
}

}  // namespace baton::rpc
