#include "service/core/budget.h"

#include <algorithm>

namespace baton::core {
namespace {

uint32_t PercentOf(uint32_t percent, uint32_t hosts) {
  return static_cast<uint32_t>(uint64_t{percent} * hosts / 100);
}

}  // namespace

Unavailable CountUnavailable(const Fleet& fleet) {
  Unavailable count;
  for (const auto& [name, host] : fleet.hosts) {
    if (!host.rollout.empty()) {
      ++count.slots;
      continue;
    }
    switch (StateOf(host)) {
      case HostState::kReady:
      case HostState::kUpdating:
        break;
      case HostState::kQuarantined:
        ++count.quarantined;
        break;
      case HostState::kOffline:
        ++count.offline;
        break;
      case HostState::kUnhealthy:
        ++count.unhealthy;
        break;
    }
  }
  return count;
}

std::vector<std::string> UnavailableHosts(const Fleet& fleet, size_t most) {
  std::vector<std::string> names;
  for (const auto& [name, host] : fleet.hosts) {
    if (names.size() == most) break;
    if (StateOf(host) != HostState::kReady) names.push_back(name);
  }
  return names;
}

uint32_t MaxUnavailable(const LimitsSpec& limits, uint32_t hosts) {
  const bool neither = !limits.max_unavailable.has_value() &&
                       !limits.max_unavailable_percent.has_value();
  const uint32_t number = limits.max_unavailable.value_or(neither ? 1 : hosts);
  const uint32_t share =
      PercentOf(limits.max_unavailable_percent.value_or(100), hosts);
  return std::max<uint32_t>(std::min(number, share), 1);
}

uint32_t FailuresMax(const FailureTolerance& tolerance, uint32_t hosts) {
  if (!tolerance.hosts.has_value() && !tolerance.percent.has_value()) return 0;
  const uint32_t number = tolerance.hosts.value_or(hosts);
  return std::min(number, PercentOf(tolerance.percent.value_or(100), hosts));
}

}  // namespace baton::core
