#ifndef PROTO_STATUS_CODEC_H_
#define PROTO_STATUS_CODEC_H_

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace baton {

// The only two places where our errors meet gRPC's. Codes map one to one; the
// reason travels as google.rpc.ErrorInfo in the details, so that clients in
// every language can read it, and survives the round trip. A message that is
// too long for the wire loses its end.
grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace baton

#endif  // PROTO_STATUS_CODEC_H_
