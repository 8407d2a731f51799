#ifndef CLI_RENDER_ROLLOUT_H_
#define CLI_RENDER_ROLLOUT_H_

#include <string>

#include "baton/v1/rollout.pb.h"
#include "cli/render/table.h"

namespace baton::cli {

// Rollouts as text. Pure; any thread.

// How a state is coloured.
Ink InkOf(v1::RolloutState state);
Ink InkOf(v1::UpdateState state);

// "p50 21.3 ms  p99 44.0 ms  max 51.0 ms", or "none yet".
std::string BlackoutText(const v1::RolloutProgress& progress);

// "5 of 8 hosts done, 1 running, 2 pending": every count that is not zero.
std::string ProgressText(const v1::RolloutProgress& progress);

// "message [REASON]", whatever of it there is.
std::string BecauseText(const v1::Rollout& rollout);

// One line a rollout.
std::string RolloutTable(const v1::ListRolloutsResponse& rollouts,
                         const Look& look);

// Everything of one rollout but its updates.
std::string RolloutText(const v1::Rollout& rollout, const Look& look);

// Who approved what; empty when nobody did.
std::string ApprovalsText(const v1::Rollout& rollout, const Look& look);

// Whole plan: waves with hosts, blocked hosts, digest, and what to type next.
// `command`  how to call this program again, e.g. "baton --server unix:/s"
std::string PlanText(const v1::Rollout& rollout, const std::string& command,
                     const Look& look);

}  // namespace baton::cli

#endif  // CLI_RENDER_ROLLOUT_H_
