#ifndef SERVICE_STORE_CODEC_ROLLOUT_H_
#define SERVICE_STORE_CODEC_ROLLOUT_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "baton/store/v1/records.pb.h"
#include "service/core/rollout.h"

namespace baton::store {

// The larger parts of a rollout's record, for codec.cc alone. Decoding fails as
// it says there. What a record of an earlier release does not have becomes the
// default. Time zones are looked up again; one that this machine does not know
// is FAILED_PRECONDITION (TIME_ZONE_UNKNOWN).

void ToProto(const core::RolloutSpec& from, v1::RolloutSpec& to);
absl::Status FromProto(const v1::RolloutSpec& from, core::RolloutSpec& to);

void ToProto(const core::RolloutPlan& from, v1::RolloutPlan& to);
core::RolloutPlan FromProto(const v1::RolloutPlan& from);

}  // namespace baton::store

#endif  // SERVICE_STORE_CODEC_ROLLOUT_H_
