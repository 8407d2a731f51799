#ifndef SERVICE_CORE_CANONICAL_H_
#define SERVICE_CORE_CANONICAL_H_

#include <string>

#include "service/core/rollout.h"

namespace baton::core {

// Returns all of `spec`, one field a line, equal for equal specs only.
std::string CanonicalText(const RolloutSpec& spec);

// Returns "sha256:…" over the spec and the plan but for its digest, its time,
// the counts of vGPUs, which change by themselves, and what is predicted.
std::string PlanDigest(const RolloutSpec& spec, const RolloutPlan& plan);

// Returns what differs between two plans of one rollout, for people, e.g.
// "'hosts/b' is blocked: HOST_OFFLINE, was in wave 'rest' from 1.0". At most
// ten differences are spelled out.
std::string PlanDifference(const RolloutPlan& before, const RolloutPlan& after);

}  // namespace baton::core

#endif  // SERVICE_CORE_CANONICAL_H_
