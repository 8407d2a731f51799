#ifndef AGENT_STEPS_H_
#define AGENT_STEPS_H_

#include <atomic>

#include "agent/core/plan.h"
#include "agent/ports.h"
#include "base/clock.h"

namespace baton::agent {

// Carries out one step of the table at a time through the ports. Confined to
// the worker's thread; each call blocks no longer than the step's deadline and
// what the shim client adds to it, and as long as the agent's own disk hangs:
// no deadline bounds that.
class Steps {
 public:
  struct Ports {
    const Clock& clock;
    Shim& shim;
    Gate& gate;
    Stage& stage;
    Machine& machine;
  };

  explicit Steps(Ports ports) : ports_(ports) {}

  // Returns how `action` went. `stop` ends a Prepare early.
  core::Outcome Run(const core::Action& action, const std::atomic<bool>& stop);

  // Returns what the shim says of the adapter, and the machine of itself.
  absl::StatusOr<Sight> Look(Depth depth);

 private:
  core::Outcome Carry(const core::Action& action,
                      const std::atomic<bool>& stop);
  core::Outcome Prepare(const core::Action& action,
                        const std::atomic<bool>& stop);
  absl::Status StageAndCheck(const core::Action& action,
                             const std::atomic<bool>& stop,
                             core::Outcome& outcome);
  absl::Status CheckSameShim(const core::Outcome& found);
  core::Outcome ReopenGate(const core::Action& action);
  core::Outcome Cancel(const core::Action& action);
  core::Outcome Inspect(const core::Action& action);
  core::Outcome AtShim(const core::Action& action);

  const Ports ports_;
};

}  // namespace baton::agent

#endif  // AGENT_STEPS_H_
