#ifndef SERVICE_CORE_COMPILE_H_
#define SERVICE_CORE_COMPILE_H_

#include <string>

#include "absl/status/statusor.h"
#include "service/core/fleet.h"

namespace baton::core {

// Compiles the rollout against the fleet as it is: hosts that can be updated in
// the order of their names, cut into waves; the others with a reason each.
//
// A wave's percentage is of the hosts that can be updated, rounded up. A wave
// that asks for more than is left takes what is left; later ones stay empty.
//
// Errors:
//   NOT_FOUND            DRIVER_NOT_FOUND
//   FAILED_PRECONDITION  EMPTY_SELECTION: no host can be updated
//   INVALID_ARGUMENT     WAVES_LEAVE_HOSTS: the waves do not cover the
//                        selection and the last one is not "rest"
absl::StatusOr<RolloutPlan> CompilePlan(const Fleet& fleet,
                                        const Rollout& rollout);

// Returns "sha256:…" over the spec and the plan but for its digest, its time
// and the counts of vGPUs, which change by themselves.
std::string PlanDigest(const RolloutSpec& spec, const RolloutPlan& plan);

// Returns what differs between two plans of one rollout, for people, e.g.
// "'hosts/b' is now blocked: HOST_OFFLINE; 'hosts/d' joins wave 'rest'". At
// most ten differences are spelled out.
std::string PlanDifference(const RolloutPlan& before, const RolloutPlan& after);

// Returns all of `spec`, one field a line, equal for equal specs only.
std::string CanonicalText(const RolloutSpec& spec);

}  // namespace baton::core

#endif  // SERVICE_CORE_COMPILE_H_
