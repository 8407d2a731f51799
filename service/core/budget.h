#ifndef SERVICE_CORE_BUDGET_H_
#define SERVICE_CORE_BUDGET_H_

#include <cstdint>
#include <string>
#include <vector>

#include "service/core/fleet.h"

namespace baton::core {

// The hosts of the whole fleet that are out of service: those that hold a slot
// of any rollout and those that are not READY. Counted anew each time, since a
// counter kept beside the hosts can drift.
struct Unavailable {
  uint32_t slots = 0;        // hold a slot
  uint32_t quarantined = 0;  // have none, and
  uint32_t offline = 0;
  uint32_t unhealthy = 0;

  uint32_t total() const { return slots + quarantined + offline + unhealthy; }
  bool operator==(const Unavailable&) const = default;
};

Unavailable CountUnavailable(const Fleet& fleet);

// Returns the first `most` of those hosts, by name.
std::vector<std::string> UnavailableHosts(const Fleet& fleet, size_t most);

// Returns what the limits come to for a plan of `hosts` hosts: at least 1.
uint32_t MaxUnavailable(const LimitsSpec& limits, uint32_t hosts);

// Returns what the tolerance comes to for a plan of `hosts` hosts.
uint32_t FailuresMax(const FailureTolerance& tolerance, uint32_t hosts);

}  // namespace baton::core

#endif  // SERVICE_CORE_BUDGET_H_
