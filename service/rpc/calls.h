#ifndef SERVICE_RPC_CALLS_H_
#define SERVICE_RPC_CALLS_H_

#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "service/core/event.h"
#include "service/core/fleet.h"
#include "service/runtime/fleet_loop.h"

namespace baton::rpc {

// Fills the response from the fleet after the turn, on the loop thread.
using Respond = std::function<absl::Status(const core::Fleet& fleet)>;

// Each answers one call with one response: checks the size of every field of
// `request`, hands the work to the loop, and finishes the call from there. Both
// messages must outlive the call, as gRPC's do. Never blocks.
//
// Errors: RESOURCE_EXHAUSTED (SERVICE_BUSY), UNAVAILABLE (SERVICE_STOPPING),
// INVALID_ARGUMENT (FIELD_TOO_LONG, BAD_USER), and what `body`, Apply() or
// `respond` say

// Asks for a change.
grpc::ServerUnaryReactor* Change(grpc::CallbackServerContext* context,
                                 const google::protobuf::Message& request,
                                 absl::StatusOr<core::EventBody> body,
                                 runtime::FleetLoop& loop, Respond respond);

// Looks at the fleet.
grpc::ServerUnaryReactor* Look(grpc::CallbackServerContext* context,
                               const google::protobuf::Message& request,
                               runtime::FleetLoop& loop, Respond respond);

// Finishes `context` at once with `status`.
grpc::ServerUnaryReactor* Refuse(grpc::CallbackServerContext* context,
                                 const absl::Status& status);

}  // namespace baton::rpc

#endif  // SERVICE_RPC_CALLS_H_
