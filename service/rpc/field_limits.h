#ifndef SERVICE_RPC_FIELD_LIMITS_H_
#define SERVICE_RPC_FIELD_LIMITS_H_

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace baton::rpc {

// Who speaks: what an agent tells has longer texts than what people type.
enum class Speaker { kOperator, kAgent };

// Checks every text and every list in `message` against its bound, so that
// nothing that is kept or sent on is larger than what it was meant for. The
// bounds are all in field_limits.cc.
//
// Errors: INVALID_ARGUMENT
//   FIELD_TOO_LONG  names the field by its path, its size and its bound
absl::Status CheckFieldSizes(const google::protobuf::Message& message,
                             Speaker speaker);

}  // namespace baton::rpc

#endif  // SERVICE_RPC_FIELD_LIMITS_H_
