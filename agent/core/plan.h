#ifndef AGENT_CORE_PLAN_H_
#define AGENT_CORE_PLAN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "agent/core/phase.h"
#include "agent/core/update.h"

namespace baton::agent::core {

// A step that the shim is to take in the wake of another.
struct NextStep {
  Step step = Step::kSave;
  absl::Duration deadline = absl::ZeroDuration();
  Image image = {};  // for Restore

  bool operator==(const NextStep&) const = default;
};

// The one thing the agent should be doing now, with all that it takes.
struct Action {
  Step step = Step::kPrepare;
  uint64_t attempt = 0;
  absl::Duration deadline = absl::ZeroDuration();
  uint32_t failures = 0;     // more than 0: wait a while before the next try
  Order order = {};          // for Prepare
  Image image = {};          // for Restore
  std::string package = "";  // for Switch; empty: "current" points to nothing
  // While guests stand still: what the shim goes on with by itself, up to
  // Resume. Each is still planned when its turn comes, to learn how it went.
  std::vector<NextStep> ahead = {};
  std::string hook = "";  // for ReopenGate; empty: none

  bool operator==(const Action&) const = default;
};

// Returns the step to run next; none while one runs, or when nothing is to be
// done. Pure: equal updates give equal plans, so it is safe to ask again after
// a crash or twice in a row.
std::optional<Action> Plan(const Update& update);

// How long `step` may take. Cancel has no deadline of its own: it may have to
// wait for a save that hangs, and then undo it. Commit has Confirm's. Switch
// has none at all: a disk that hangs cannot be called back.
absl::Duration DeadlineOf(Step step, const Deadlines& deadlines);

}  // namespace baton::agent::core

#endif  // AGENT_CORE_PLAN_H_
