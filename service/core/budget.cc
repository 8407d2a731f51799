#include "service/core/budget.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace baton::core {
namespace {

constexpr size_t kHoldersMax = 10;

std::vector<std::string> HoldersOf(const Ledger::Account& account) {
  const std::set<std::string>& names = account.hosts;
  const auto end =
      std::next(names.begin(),
                static_cast<ptrdiff_t>(std::min(names.size(), kHoldersMax)));
  return {names.begin(), end};
}

uint32_t PercentOf(uint32_t percent, uint32_t hosts) {
  return static_cast<uint32_t>(uint64_t{percent} * hosts / 100);
}

}  // namespace

const Unavailable& CountUnavailable(const Fleet& fleet) {
  return fleet.ledger.fleet().count;
}

std::vector<BudgetGate> BudgetGates(const Fleet& fleet, const Rollout& rollout,
                                    const Host& host) {
  const Ledger& ledger = fleet.ledger;
  std::vector<BudgetGate> gates;
  gates.push_back({"", "", ledger.fleet().count, rollout.plan->max_unavailable,
                   HoldersOf(ledger.fleet())});
  for (const DomainLimit& domain : rollout.spec.limits.domains) {
    const std::string value = LabelOf(host, domain.label);
    if (value.empty()) continue;
    const Ledger::Account& account = ledger.Domain(domain.label, value);
    gates.push_back({domain.label, value, account.count, domain.max_unavailable,
                     HoldersOf(account)});
  }
  return gates;
}

std::string BudgetText(const std::vector<BudgetGate>& gates) {
  return absl::StrJoin(
      gates, "; ", [](std::string* text, const BudgetGate& gate) {
        absl::StrAppend(text,
                        gate.label.empty()
                            ? "fleet"
                            : absl::StrCat(gate.label, "=", gate.value),
                        " ", gate.unavailable.total(), " of ", gate.limit);
      });
}

Domains DomainsOf(const Rollout& rollout, const Host& host) {
  Domains domains;
  for (const DomainLimit& domain : rollout.spec.limits.domains) {
    domains.push_back(LabelOf(host, domain.label));
  }
  return domains;
}

bool Admissions::HasRoom(const Rollout& rollout) const {
  return CountUnavailable(fleet_).total() + hosts_ <
         rollout.plan->max_unavailable;
}

bool Admissions::HasRoom(const Rollout& rollout, const Domains& domains) const {
  for (size_t i = 0; i < domains.size(); ++i) {
    if (domains[i].empty()) continue;
    const DomainLimit& limit = rollout.spec.limits.domains[i];
    const auto added = domains_.find({limit.label, domains[i]});
    const uint32_t taken =
        fleet_.ledger.Domain(limit.label, domains[i]).count.total() +
        (added == domains_.end() ? 0 : added->second);
    if (taken >= limit.max_unavailable) return false;
  }
  return HasRoom(rollout);
}

void Admissions::Add(const Host& host) {
  ++hosts_;
  for (const std::string& label : fleet_.ledger.labels()) {
    const std::string value = LabelOf(host, label);
    if (!value.empty()) ++domains_[{label, value}];
  }
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
