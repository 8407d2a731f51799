#include "service/core/verdict.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "service/core/names.h"

namespace baton::core {
namespace {

template <typename T>
bool Contains(const std::vector<T>& values, const T& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

bool IsAtVersion(const Host& host, const DriverManifest& manifest) {
  const Packed<Adapter>& adapters = host.inventory.adapters;
  return !adapters.empty() &&
         std::all_of(adapters.begin(), adapters.end(), [&](const Adapter& a) {
           return a.driver == manifest.driver &&
                  a.driver_version == manifest.version;
         });
}

// What the adapter itself says against it.
Verdict AdapterVerdict(const Fleet& fleet, const Adapter& adapter,
                       const DriverManifest& manifest) {
  if (!Contains(manifest.pci_ids, adapter.pci_id)) {
    return {"DEVICE_NOT_SUPPORTED",
            absl::StrCat("adapter '", adapter.name, "' is ", adapter.pci_id,
                         ", which the package is not for")};
  }
  if (adapter.driver.empty() || !adapter.hot_update_capable) {
    return {"HOT_UPDATE_UNSUPPORTED",
            absl::StrCat("adapter '", adapter.name, "': ",
                         adapter.driver.empty()
                             ? "no driver runs"
                             : "its driver does not offer hot update")};
  }
  const Driver* running =
      FindDriver(fleet, DriverName(adapter.driver, adapter.driver_version));
  if (running != nullptr && !Contains(manifest.state_format_reads,
                                      running->manifest.state_format_writes)) {
    return {
        "STATE_FORMAT_UNREADABLE",
        absl::StrCat("adapter '", adapter.name, "': ", adapter.driver_version,
                     " saves in format ", running->manifest.state_format_writes,
                     ", which ", manifest.version, " cannot read")};
  }
  return {};
}

// What the host's state says against it.
Verdict StateVerdict(const Host& host, const std::string& rollout) {
  if (!host.rollout.empty() && host.rollout != rollout) {
    return {"HELD_BY_ROLLOUT", absl::StrCat("'", host.rollout, "' holds it")};
  }
  if (!host.connected()) return {"HOST_OFFLINE", "no agent is connected"};
  if (StateOf(host) == HostState::kUnhealthy) {
    return {"HOST_UNHEALTHY", StateMessageOf(host)};
  }
  if (host.inventory.adapters.empty()) return {"NO_ADAPTER", "it has no GPU"};
  if (host.cordon.has_value()) {
    return {"HOST_CORDONED", absl::StrCat("cordoned by '", host.cordon->by,
                                          "': ", host.cordon->reason)};
  }
  return {};
}

}  // namespace

Verdict VerdictOf(const Fleet& fleet, const Host& host, const Driver& driver,
                  const std::string& rollout) {
  if (host.quarantine.has_value()) {
    return {"HOST_QUARANTINED", StateMessageOf(host)};
  }
  if (IsAtVersion(host, driver.manifest)) {
    return {"ALREADY_AT_VERSION",
            absl::StrCat("it runs ", driver.manifest.version)};
  }
  const Rollout* claimant = ClaimantOf(fleet, host.name);
  if (claimant != nullptr && claimant->name != rollout) {
    return {"HELD_BY_ROLLOUT",
            absl::StrCat("'", claimant->name, "' has not finished with it")};
  }
  if (Verdict verdict = StateVerdict(host, rollout); !verdict.hot()) {
    return verdict;
  }
  for (const Adapter& adapter : host.inventory.adapters) {
    Verdict verdict = AdapterVerdict(fleet, adapter, driver.manifest);
    if (!verdict.hot()) return verdict;
  }
  return {};
}

bool IsPassing(const std::string& reason) {
  return reason == "HOST_OFFLINE" || reason == "HOST_UNHEALTHY" ||
         reason == "HOST_CORDONED" || reason == "HELD_BY_ROLLOUT" ||
         reason == "NO_ADAPTER";
}

}  // namespace baton::core
