#ifndef SERVICE_CORE_APPROVAL_H_
#define SERVICE_CORE_APPROVAL_H_

#include <cstdint>
#include <string>

#include "service/core/rollout.h"

namespace baton::core {

// Approvals count for one wave of the plan that they were given for: those of
// an earlier plan do not. Each of these wants a planned rollout.

// Returns how many people approved the wave at `index`.
uint32_t ApprovalsOf(const Rollout& rollout, uint32_t index);

// Whether the wave at `index` has hosts and fewer approvals than it wants.
bool LacksApprovals(const Rollout& rollout, uint32_t index);

// Returns e.g. "wave 'canary' has 1 of 2 approvals".
std::string ApprovalsText(const Rollout& rollout, uint32_t index);

}  // namespace baton::core

#endif  // SERVICE_CORE_APPROVAL_H_
