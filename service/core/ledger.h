#ifndef SERVICE_CORE_LEDGER_H_
#define SERVICE_CORE_LEDGER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "service/core/host.h"

namespace baton::core {

// Why a host is out of service: the first of these that is true of it.
enum class Outage : uint8_t {
  kUpdating,     // it holds a slot of any rollout
  kQuarantined,  // a person must look
  kOffline,      // no agent is connected
  kUnhealthy,    // the agent or an adapter reports a fault
  kCordoned      // somebody keeps rollouts away
};

// nullopt: it is in service.
std::optional<Outage> OutageOf(const Host& host);

// How many hosts are out of service, each counted once.
struct Unavailable {
  uint32_t slots = 0;  // as Outage, in its order
  uint32_t quarantined = 0;
  uint32_t offline = 0;
  uint32_t unhealthy = 0;
  uint32_t cordoned = 0;

  uint32_t total() const {
    return slots + quarantined + offline + unhealthy + cordoned;
  }
  // Returns the number of one kind.
  uint32_t& Of(Outage outage);

  bool operator==(const Unavailable&) const = default;
};

// The hosts that are out of service, over the fleet and over each failure
// domain that a label spans: one for all rollouts. Derived, never stored: the
// editor keeps it, and the invariants count it anew.
class Ledger {
 public:
  struct Account {
    Unavailable count = {};
    std::set<std::string> hosts = {};

    bool operator==(const Account&) const = default;
  };

  // Writes down how `host` is now, in place of how it was.
  void Enter(const Host& host);
  void Erase(const std::string& host);

  // Sets the labels whose values are failure domains.
  //
  // `hosts`  the fleet's, by name: at least those that were entered
  void SetLabels(std::set<std::string> labels, const Hosts& hosts);
  const std::set<std::string>& labels() const { return labels_; }

  const Account& fleet() const { return fleet_; }
  // Returns the account of the domain of `label` and `value`; an empty one
  // where nobody is out of service.
  const Account& Domain(const std::string& label,
                        const std::string& value) const;

  bool operator==(const Ledger&) const = default;

 private:
  struct Entry {
    Outage outage = Outage::kUpdating;
    std::map<std::string, std::string> domains = {};  // value by label

    bool operator==(const Entry&) const = default;
  };
  using Key = std::pair<std::string, std::string>;  // label, value

  Entry EntryOf(const Host& host, Outage outage) const;
  void Add(const std::string& host, Entry entry);

  std::set<std::string> labels_;
  std::map<std::string, Entry> entries_;  // by host
  Account fleet_;
  std::map<Key, Account> domains_;  // those that are not empty
};

}  // namespace baton::core

#endif  // SERVICE_CORE_LEDGER_H_
