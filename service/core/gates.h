#ifndef SERVICE_CORE_GATES_H_
#define SERVICE_CORE_GATES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "service/core/fleet.h"

namespace baton::core {

// The questions that are asked before a host starts. There is one list of them:
// what admits a host asks it for a yes or no, and what explains asks the same
// list for words.

// Numbers as on the wire.
enum class GateVerdict : uint8_t { kPass = 1, kWait = 2, kStop = 3 };

// As baton.v1.Gate.
struct Gate {
  std::string name = "";
  GateVerdict verdict = GateVerdict::kPass;
  std::string reason = "";
  std::string message = "";
  std::string value = "";
  std::string limit = "";
  std::string holder = "";
  std::optional<absl::Duration> next_check = std::nullopt;

  bool operator==(const Gate&) const = default;
};

// Returns the gates of an active rollout, in this order: emergency_stop,
// freeze, service_disk, state, approval (of the wave that is worked on),
// window, failure_tolerance, wave_failure_tolerance, blackout, deadline, bake.
std::vector<Gate> RolloutGates(const Fleet& fleet, const Rollout& rollout);

// Whether all of them pass, so that hosts of the rollout's wave may start as
// far as the rollout is concerned. Walks nothing.
bool LetsStart(const Fleet& fleet, const Rollout& rollout);

// Returns the gates of a host that waits in an active rollout, in this order:
// verdict, claim, backoff, max_unavailable, and one for each of its failure
// domains.
std::vector<Gate> HostGates(const Fleet& fleet, const Rollout& rollout,
                            const Host& host);

// Returns the earliest time after now at which a gate of an active rollout may
// open or close by itself; InfiniteFuture when none does.
absl::Time NextGateChange(const Fleet& fleet, const Rollout& rollout);

// The state's gate alone, of a rollout in any state.
Gate StateGate(const Rollout& rollout);

// The gate of one wave's approvals alone, of a planned rollout.
Gate ApprovalGate(const Rollout& rollout, uint32_t wave);

// The gate of the failure tolerance alone, of a rollout that was started.
Gate ToleranceGate(const Rollout& rollout);

// The budget of the whole fleet alone, for a planned rollout.
Gate FleetBudgetGate(const Fleet& fleet, const Rollout& rollout);

// Returns "1 host", "2 hosts".
std::string HostsText(size_t number);

}  // namespace baton::core

#endif  // SERVICE_CORE_GATES_H_
