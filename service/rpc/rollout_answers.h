#ifndef SERVICE_RPC_ROLLOUT_ANSWERS_H_
#define SERVICE_RPC_ROLLOUT_ANSWERS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "baton/v1/rollout.pb.h"
#include "service/core/fleet.h"
#include "service/rpc/calls.h"

namespace baton::rpc {

// What the calls of RolloutService answer with.

// Errors, of all: INVALID_ARGUMENT (BAD_NAME), NOT_FOUND (ROLLOUT_NOT_FOUND,
// UPDATE_NOT_FOUND)
absl::StatusOr<const core::Rollout*> FindRolloutFor(const core::Fleet& fleet,
                                                    const std::string& name);
absl::Status FillRollout(const core::Fleet& fleet, const std::string& name,
                         v1::Rollout& rollout);
absl::Status FillUpdate(const core::Fleet& fleet, const std::string& name,
                        v1::Update& update);

// Returns what fills `response` with the rollout that `request` names.
template <typename Request, typename Response>
Respond RolloutOf(const Request* request, Response* response) {
  return [=](const core::Fleet& fleet) {
    return FillRollout(fleet, request->name(), *response->mutable_rollout());
  };
}

// The same with the update.
template <typename Request, typename Response>
Respond UpdateOf(const Request* request, Response* response) {
  return [=](const core::Fleet& fleet) {
    return FillUpdate(fleet, request->name(), *response->mutable_update());
  };
}

}  // namespace baton::rpc

#endif  // SERVICE_RPC_ROLLOUT_ANSWERS_H_
