#ifndef DRIVER_SHIM_RPC_SHIM_SERVER_H_
#define DRIVER_SHIM_RPC_SHIM_SERVER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "driver-shim/rpc/shim_service.h"
#include "grpcpp/server.h"

namespace baton::rpc {

// Serves ShimService, grpc.health.v1 and reflection.
//
// `listen`  "unix:PATH"; only this user can open the socket
// Errors: INVALID_ARGUMENT  it is no unix socket, reason BAD_LISTEN
//         UNAVAILABLE       it cannot be listened on, reason LISTEN_FAILED
absl::StatusOr<std::unique_ptr<grpc::Server>> StartShimServer(
    const std::string& listen, ShimService& service);

}  // namespace baton::rpc

#endif  // DRIVER_SHIM_RPC_SHIM_SERVER_H_
