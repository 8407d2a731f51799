#ifndef SERVICE_RPC_CONVERT_SPEC_H_
#define SERVICE_RPC_CONVERT_SPEC_H_

#include "absl/status/statusor.h"
#include "baton/v1/rollout.pb.h"
#include "service/core/rollout.h"

namespace baton::rpc {

// As convert.h, for what a rollout is asked to do. What the wire leaves out
// becomes the default that core::RolloutSpec has, here and nowhere else; what
// it sets to 0 stays 0, for the core to refuse.

v1::RolloutSpec ToProto(const core::RolloutSpec& spec);
v1::StepDeadlines ToProto(const core::StepDeadlines& deadlines);

// Time zones are looked up on this machine, which may read a file; each is read
// once in the life of the process.
//
// Errors: INVALID_ARGUMENT (BAD_SPEC): a number of an enum that this release
// does not know; the message names the field
absl::StatusOr<core::RolloutSpec> FromProto(const v1::RolloutSpec& spec);

}  // namespace baton::rpc

#endif  // SERVICE_RPC_CONVERT_SPEC_H_
