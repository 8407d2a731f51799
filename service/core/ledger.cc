#include "service/core/ledger.h"

#include <utility>

#include "base/check.h"

namespace baton::core {

std::optional<Outage> OutageOf(const Host& host) {
  if (!host.rollout.empty()) return Outage::kUpdating;
  switch (StateOf(host)) {
    case HostState::kUpdating:
      return Outage::kUpdating;
    case HostState::kQuarantined:
      return Outage::kQuarantined;
    case HostState::kOffline:
      return Outage::kOffline;
    case HostState::kUnhealthy:
      return Outage::kUnhealthy;
    case HostState::kReady:
      break;
  }
  if (host.cordon.has_value()) return Outage::kCordoned;
  return std::nullopt;
}

uint32_t& Unavailable::Of(Outage outage) {
  switch (outage) {
    case Outage::kUpdating:
      return slots;
    case Outage::kQuarantined:
      return quarantined;
    case Outage::kOffline:
      return offline;
    case Outage::kUnhealthy:
      return unhealthy;
    case Outage::kCordoned:
      return cordoned;
  }
  CHECK(false);
}

void Ledger::Enter(const Host& host) {
  Erase(host.name);
  const std::optional<Outage> outage = OutageOf(host);
  if (outage.has_value()) Add(host.name, EntryOf(host, *outage));
}

void Ledger::Erase(const std::string& host) {
  const auto found = entries_.find(host);
  if (found == entries_.end()) return;
  const Entry& entry = found->second;
  --fleet_.count.Of(entry.outage);
  fleet_.hosts.erase(host);
  for (const auto& domain : entry.domains) {
    const auto account = domains_.find({domain.first, domain.second});
    --account->second.count.Of(entry.outage);
    account->second.hosts.erase(host);
    if (account->second.hosts.empty()) domains_.erase(account);
  }
  entries_.erase(found);
}

void Ledger::SetLabels(std::set<std::string> labels, const Hosts& hosts) {
  if (labels == labels_) return;
  labels_ = std::move(labels);
  domains_.clear();
  const std::map<std::string, Entry> entries = std::exchange(entries_, {});
  fleet_ = {};
  for (const auto& [host, entry] : entries) {
    Add(host, EntryOf(hosts.at(host), entry.outage));
  }
}

const Ledger::Account& Ledger::Domain(const std::string& label,
                                      const std::string& value) const {
  static const Account* const kNobody = new Account;
  const auto found = domains_.find({label, value});
  return found == domains_.end() ? *kNobody : found->second;
}

Ledger::Entry Ledger::EntryOf(const Host& host, Outage outage) const {
  Entry entry{outage, {}};
  for (const std::string& label : labels_) {
    std::string value = LabelOf(host, label);
    if (!value.empty()) entry.domains[label] = std::move(value);
  }
  return entry;
}

void Ledger::Add(const std::string& host, Entry entry) {
  ++fleet_.count.Of(entry.outage);
  fleet_.hosts.insert(host);
  for (const auto& domain : entry.domains) {
    Account& account = domains_[{domain.first, domain.second}];
    ++account.count.Of(entry.outage);
    account.hosts.insert(host);
  }
  entries_[host] = std::move(entry);
}

}  // namespace baton::core
