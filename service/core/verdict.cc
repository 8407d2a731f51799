#include "service/core/verdict.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "service/core/names.h"

namespace baton::core {
namespace {

template <typename Values, typename T>
bool Contains(const Values& values, const T& wanted) {
  for (const T& value : values) {
    if (value == wanted) return true;
  }
  return false;
}

bool AreAtVersion(const std::vector<Adapter>& adapters,
                  const DriverManifest& manifest) {
  return !adapters.empty() &&
         std::all_of(adapters.begin(), adapters.end(),
                     [&](const Adapter& adapter) {
                       return adapter.driver == manifest.driver &&
                              adapter.driver_version == manifest.version;
                     });
}

const Driver* DriverOf(const Fleet& fleet, const Adapter& adapter) {
  return FindDriver(fleet, DriverName(adapter.driver, adapter.driver_version));
}

bool ReadsBack(const Driver& running, const DriverManifest& manifest) {
  return Contains(running.manifest.state_format_reads,
                  manifest.state_format_writes);
}

// What the formats of saved state say against it, one way and the other.
Verdict FormatVerdict(const Fleet& fleet, const Adapter& adapter,
                      const DriverManifest& manifest,
                      const RequireSpec& require) {
  const Driver* running = DriverOf(fleet, adapter);
  if (running == nullptr) return {};
  const DriverManifest& old = running->manifest;
  if (!Contains(manifest.state_format_reads, old.state_format_writes)) {
    return {
        "STATE_FORMAT_UNREADABLE",
        absl::StrCat("adapter '", adapter.name, "': ", adapter.driver_version,
                     " saves in format ", old.state_format_writes, ", which ",
                     manifest.version, " cannot read")};
  }
  if (require.rollback_path && !ReadsBack(*running, manifest)) {
    return {"NO_ROLLBACK_PATH",
            absl::StrCat("adapter '", adapter.name, "': ", manifest.version,
                         " saves in format ", manifest.state_format_writes,
                         ", which ", adapter.driver_version,
                         " cannot read: there is no way back")};
  }
  return {};
}

// What the guests of the adapter say against it.
Verdict GuestVerdict(const Adapter& adapter, const DriverManifest& manifest) {
  if (manifest.guest_driver_min.empty()) return {};
  for (const VirtualGpu& vgpu : adapter.vgpus) {
    if (vgpu.guest_driver.empty()) {
      return {"GUEST_UNKNOWN",
              absl::StrCat("guest '", vgpu.guest,
                           "': its driver's version is not known, want at "
                           "least ",
                           manifest.guest_driver_min)};
    }
    if (CompareVersions(vgpu.guest_driver, manifest.guest_driver_min) >= 0) {
      continue;
    }
    return {
        "GUEST_TOO_OLD",
        absl::StrCat("guest '", vgpu.guest, "' has driver ", vgpu.guest_driver,
                     ", want at least ", manifest.guest_driver_min)};
  }
  return {};
}

// Everything that its shim names: an operator mends it all in one go.
Verdict BlockedVerdict(const Adapter& adapter) {
  constexpr size_t kShownMax = 8;
  std::string message = absl::StrCat("adapter '", adapter.name, "': ");
  for (size_t i = 0; i < adapter.blockers.size(); ++i) {
    if (i > 0) absl::StrAppend(&message, "; ");
    if (i == kShownMax) {
      absl::StrAppend(&message, "and ", adapter.blockers.size() - i, " more");
      break;
    }
    const Blocker& blocker = adapter.blockers[i];
    absl::StrAppend(&message, blocker.message, " [", blocker.reason, "]");
  }
  return {adapter.blockers.front().reason, std::move(message)};
}

// What the adapter itself says against it.
Verdict AdapterVerdict(const Fleet& fleet, const Adapter& adapter,
                       const DriverManifest& manifest,
                       const RequireSpec& require) {
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
  if (!manifest.kernel_release.empty() &&
      manifest.kernel_release != adapter.kernel_release) {
    return {
        "KERNEL_NOT_SUPPORTED",
        absl::StrCat("adapter '", adapter.name, "': its kernel is '",
                     adapter.kernel_release, "', the package's module is for '",
                     manifest.kernel_release, "'")};
  }
  if (!adapter.blockers.empty()) return BlockedVerdict(adapter);
  if (Verdict verdict = FormatVerdict(fleet, adapter, manifest, require);
      !verdict.hot()) {
    return verdict;
  }
  return GuestVerdict(adapter, manifest);
}

Verdict HookVerdict(const Host& host, const HooksSpec& hooks) {
  for (const std::string& hook : {hooks.before, hooks.after}) {
    if (hook.empty() || Contains(host.inventory.hooks, hook)) continue;
    return {"HOOK_UNKNOWN", absl::StrCat("its agent has no hook '", hook, "'")};
  }
  return {};
}

// What the host's state says against it.
Verdict StateVerdict(const Host& host, const std::string& rollout) {
  if (!host.rollout.empty() && host.rollout != rollout) {
    return {"HELD_BY_ROLLOUT",
            absl::StrCat("'", host.rollout.str(), "' holds it")};
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
                  const Rollout& rollout) {
  if (host.quarantine.has_value()) {
    return {"HOST_QUARANTINED", StateMessageOf(host)};
  }
  // Kept packed: read once.
  const std::vector<Adapter> adapters = host.inventory.adapters.Get();
  if (AreAtVersion(adapters, driver.manifest)) {
    return {"ALREADY_AT_VERSION",
            absl::StrCat("it runs ", driver.manifest.version)};
  }
  const Rollout* claimant = ClaimantOf(fleet, host.name);
  if (claimant != nullptr && claimant->name != rollout.name) {
    return {"HELD_BY_ROLLOUT",
            absl::StrCat("'", claimant->name, "' has not finished with it")};
  }
  if (Verdict verdict = StateVerdict(host, rollout.name); !verdict.hot()) {
    return verdict;
  }
  for (const Adapter& adapter : adapters) {
    Verdict verdict =
        AdapterVerdict(fleet, adapter, driver.manifest, rollout.spec.require);
    if (!verdict.hot()) return verdict;
  }
  return HookVerdict(host, rollout.spec.hooks);
}

bool HasWayBack(const Fleet& fleet, const Host& host,
                const DriverManifest& manifest) {
  for (const Adapter& adapter : host.inventory.adapters) {
    const Driver* running = DriverOf(fleet, adapter);
    if (running == nullptr || !ReadsBack(*running, manifest)) return false;
  }
  return true;
}

Verdict MemoryVerdict(const Host& host, uint64_t saved_bytes,
                      const RequireSpec& require) {
  const std::optional<uint64_t>& available =
      host.inventory.available_memory_bytes;
  const uint64_t wanted = saved_bytes + require.spare_memory_bytes;
  if (!available.has_value()) {
    return {"MEMORY_UNKNOWN",
            absl::StrCat("its agent does not say how much memory is free, want "
                         "at least ",
                         wanted, " bytes")};
  }
  if (*available >= wanted) return {};
  return {"MEMORY_SHORT",
          absl::StrCat(*available, " bytes of memory are free, want at least ",
                       wanted, ": ", saved_bytes,
                       " for saved state as predicted, and ",
                       require.spare_memory_bytes, " to spare")};
}

int CompareVersions(absl::string_view a, absl::string_view b) {
  const auto digits_of = [](absl::string_view& text) {
    size_t length = 0;
    while (length < text.size() && absl::ascii_isdigit(text[length])) ++length;
    absl::string_view digits = text.substr(0, length);
    text.remove_prefix(length);
    while (digits.size() > 1 && digits.front() == '0') digits.remove_prefix(1);
    return digits;
  };
  while (!a.empty() && !b.empty()) {
    if (absl::ascii_isdigit(a.front()) && absl::ascii_isdigit(b.front())) {
      const absl::string_view x = digits_of(a);
      const absl::string_view y = digits_of(b);
      if (x.size() != y.size()) return x.size() < y.size() ? -1 : 1;
      if (const int order = x.compare(y); order != 0) return order;
      continue;
    }
    if (a.front() != b.front()) return a.front() < b.front() ? -1 : 1;
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  return static_cast<int>(b.empty()) - static_cast<int>(a.empty());
}

bool IsPassing(const std::string& reason) {
  return reason == "HOST_OFFLINE" || reason == "HOST_UNHEALTHY" ||
         reason == "HOST_CORDONED" || reason == "HELD_BY_ROLLOUT" ||
         reason == "NO_ADAPTER" || reason == "GUEST_UNKNOWN" ||
         reason == "GUEST_TOO_OLD" || reason == "HOOK_UNKNOWN" ||
         reason == "FOREIGN_HOLDER" || reason == "CLIENT_ODD" ||
         absl::StartsWith(reason, "MACHINE_");
}

}  // namespace baton::core
