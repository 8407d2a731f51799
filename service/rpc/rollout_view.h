#ifndef SERVICE_RPC_ROLLOUT_VIEW_H_
#define SERVICE_RPC_ROLLOUT_VIEW_H_

#include "absl/status/statusor.h"
#include "baton/v1/rollout.pb.h"
#include "service/rpc/watch_stream.h"

namespace baton::rpc {

// Returns what a watch of a rollout shows: the rollout with each message, its
// plan with the first, and the updates that changed. Ends with the rollout.
//
// Errors: INVALID_ARGUMENT (BAD_NAME, FIELD_TOO_LONG); the stream ends with
// NOT_FOUND when there is none (ROLLOUT_NOT_FOUND), or it is deleted
// (ROLLOUT_DELETED)
absl::StatusOr<WatchStream<v1::WatchRolloutResponse>::View> MakeRolloutView(
    const v1::WatchRolloutRequest& request);

}  // namespace baton::rpc

#endif  // SERVICE_RPC_ROLLOUT_VIEW_H_
