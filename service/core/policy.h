#ifndef SERVICE_CORE_POLICY_H_
#define SERVICE_CORE_POLICY_H_

#include "absl/status/status.h"
#include "service/core/rollout.h"

namespace baton::core {

// Whether `spec` makes sense by itself, the fleet aside. The message names the
// field, what it got and what it would accept.
//
// Errors: INVALID_ARGUMENT with BAD_SPEC, BAD_SELECTOR, or WAVES_EXCEED_WHOLE
// (the percentages add up to more than 100)
absl::Status CheckSpec(const RolloutSpec& spec);

}  // namespace baton::core

#endif  // SERVICE_CORE_POLICY_H_
