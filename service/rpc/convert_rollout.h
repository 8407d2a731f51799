#ifndef SERVICE_RPC_CONVERT_ROLLOUT_H_
#define SERVICE_RPC_CONVERT_ROLLOUT_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "baton/v1/agent.pb.h"
#include "baton/v1/rollout.pb.h"
#include "baton/v1/update.pb.h"
#include "service/core/capsule.h"
#include "service/core/plan.h"
#include "service/core/rollout.h"
#include "service/core/stops.h"
#include "service/core/update.h"

namespace baton::rpc {

// As convert.h, for rollouts and their updates.

// Whether a rollout is sent with its plan, which names every host.
enum class WithPlan { kYes, kNo };

v1::Rollout ToProto(const core::Rollout& rollout, WithPlan with_plan);

// `update` is `host`'s in `rollout`; `host` is a resource name.
v1::Update ToProto(const core::Rollout& rollout, const std::string& host,
                   const core::Update& update);

v1::Order ToProto(const core::Order& order);
v1::HostEffect ToProto(const core::HostEffect& effect);

// `update` is a resource name.
v1::Capsule ToProto(const std::string& update, const core::Capsule& capsule);
v1::Incident ToProto(const core::Incident& incident);
core::Incident FromProto(const v1::Incident& incident);

// Errors: INVALID_ARGUMENT (BAD_REPORT): a state or a step that this release
// does not know
absl::StatusOr<core::UpdateReport> FromProto(const v1::UpdateReport& report);

// The two resource names in "rollouts/{rollout}/updates/{host}".
struct UpdateNames {
  std::string rollout = "";  // "rollouts/{rollout}"
  std::string host = "";     // "hosts/{host}"

  bool operator==(const UpdateNames&) const = default;
};

// Errors: INVALID_ARGUMENT (BAD_NAME): another form
absl::StatusOr<UpdateNames> ParseUpdateName(absl::string_view name);

}  // namespace baton::rpc

#endif  // SERVICE_RPC_CONVERT_ROLLOUT_H_
