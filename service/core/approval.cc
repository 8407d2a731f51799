#include "service/core/approval.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace baton::core {

uint32_t ApprovalsOf(const Rollout& rollout, uint32_t index) {
  const std::string name = WaveNameOf(rollout, index);
  return static_cast<uint32_t>(std::count_if(
      rollout.approvals.begin(), rollout.approvals.end(),
      [&](const Approval& approval) {
        return approval.wave == name && approval.digest == rollout.plan->digest;
      }));
}

bool LacksApprovals(const Rollout& rollout, uint32_t index) {
  const PlannedWave& wave = rollout.plan->waves[index];
  return !wave.hosts.empty() && ApprovalsOf(rollout, index) < wave.approvals;
}

std::string ApprovalsText(const Rollout& rollout, uint32_t index) {
  return absl::StrCat("wave '", WaveNameOf(rollout, index), "' has ",
                      ApprovalsOf(rollout, index), " of ",
                      rollout.plan->waves[index].approvals, " approvals");
}

}  // namespace baton::core
