#ifndef SERVICE_CORE_BUDGET_H_
#define SERVICE_CORE_BUDGET_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "service/core/fleet.h"

namespace baton::core {

// Returns how many hosts of the whole fleet are out of service.
const Unavailable& CountUnavailable(const Fleet& fleet);

// One limit that an admission obeys: over the fleet, or over a failure domain.
struct BudgetGate {
  std::string label = "";  // that spans the domain; empty: the fleet
  std::string value = "";  // of the label
  Unavailable unavailable = {};
  uint32_t limit = 0;
  // The first ten of the hosts that are out of service, by name.
  std::vector<std::string> holders = {};

  // Whether no further host may go out of service.
  bool full() const { return unavailable.total() >= limit; }
  bool operator==(const BudgetGate&) const = default;
};

// Returns the limits under which `rollout`, which is planned, may admit `host`:
// first the fleet's, then those of the host's domains. All of them must have
// room.
std::vector<BudgetGate> BudgetGates(const Fleet& fleet, const Rollout& rollout,
                                    const Host& host);

// Returns the same as arithmetic, e.g. "fleet 4 of 10; rack=r7 0 of 1".
std::string BudgetText(const std::vector<BudgetGate>& gates);

// Returns the failure domains of `rollout` that `host` is in.
Domains DomainsOf(const Rollout& rollout, const Host& host);

// Hosts that are to be admitted at once and are not in the ledger yet.
class Admissions {
 public:
  explicit Admissions(const Fleet& fleet) : fleet_(fleet) {}

  // Whether one more host may go out of service, in the whole fleet and, where
  // that is asked for, in each of `domains`.
  bool HasRoom(const Rollout& rollout) const;
  bool HasRoom(const Rollout& rollout, const Domains& domains) const;

  void Add(const Host& host);

 private:
  const Fleet& fleet_;
  uint32_t hosts_ = 0;
  // By label and value.
  std::map<std::pair<std::string, std::string>, uint32_t> domains_;
};

// Returns what the limits come to for a plan of `hosts` hosts: at least 1.
uint32_t MaxUnavailable(const LimitsSpec& limits, uint32_t hosts);

// Returns what the tolerance comes to for a plan of `hosts` hosts.
uint32_t FailuresMax(const FailureTolerance& tolerance, uint32_t hosts);

}  // namespace baton::core

#endif  // SERVICE_CORE_BUDGET_H_
