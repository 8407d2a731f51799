#ifndef SERVICE_RPC_CALLER_H_
#define SERVICE_RPC_CALLER_H_

#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"

namespace baton::rpc {

// Metadata key in which callers say who they are. It goes into the audit
// records; it is not proof of anything.
inline constexpr char kUserKey[] = "baton-user";

// Returns the name that the caller gave, or "anonymous". Any thread.
//
// Errors: INVALID_ARGUMENT
//   BAD_USER  empty, more than 64 bytes, not printable, or a name that the
//             service or its agents go by
absl::StatusOr<std::string> CallerOf(
    const grpc::CallbackServerContext& context);

}  // namespace baton::rpc

#endif  // SERVICE_RPC_CALLER_H_
