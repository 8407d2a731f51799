#ifndef SERVICE_CORE_HOST_H_
#define SERVICE_CORE_HOST_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/interned.h"
#include "service/core/compact.h"
#include "service/core/packed.h"
#include "service/core/rare.h"

namespace baton::core {

// What the service knows of one hypervisor host. Fields mean what the fields of
// the same name in baton.v1.Host mean.

using Labels = std::map<std::string, std::string>;

struct VirtualGpu {
  uint32_t partition_id = 0;
  std::string luid = "";
  std::string profile = "";
  std::string guest = "";
  uint64_t vram_bytes = 0;
  std::string guest_driver = "";  // empty: not known

  bool operator==(const VirtualGpu&) const = default;
};

// Why an adapter cannot be updated now, as its shim says.
struct Blocker {
  std::string reason = "";
  std::string message = "";

  bool operator==(const Blocker&) const = default;
};

struct Adapter {
  std::string name = "";
  std::string model = "";
  std::string pci_id = "";
  std::string driver = "";
  std::string driver_version = "";
  std::string image_digest = "";
  bool hot_update_capable = false;
  std::vector<VirtualGpu> vgpus = {};
  std::string fault = "";
  std::vector<Blocker> blockers = {};
  std::string kernel_release = "";  // empty: its driver is no module

  bool operator==(const Adapter&) const = default;
};

struct Inventory {
  std::vector<Adapter> adapters = {};
  std::string fault = "";
  std::optional<uint64_t> available_memory_bytes = std::nullopt;
  std::vector<std::string> hooks = {};  // names, sorted

  bool operator==(const Inventory&) const = default;
};

// The difference between two inventories, named by their agent's digests.
struct InventoryChange {
  std::string base = "";
  std::string digest = "";
  std::vector<Adapter> adapters = {};  // new or changed, whole
  std::vector<std::string> gone = {};  // names
  Inventory rest = {};                 // without adapters

  bool operator==(const InventoryChange&) const = default;
};

// Returns what `inventory` has become, its adapters ordered by name.
Inventory Changed(Inventory inventory, const InventoryChange& change);

void Pack(const Adapter& adapter, Packer& to);
void Unpack(Unpacker& from, Adapter& adapter);

// An inventory as a host keeps it.
struct KeptInventory {
  Packed<Adapter> adapters = {};
  Packed<std::string> hooks = {};
  Interned fault = "";
  std::optional<uint64_t> available_memory_bytes = std::nullopt;

  KeptInventory() = default;
  KeptInventory(const Inventory& inventory);  // NOLINT: it is the same
  Inventory Get() const;

  bool operator==(const KeptInventory&) const = default;
};

// One label as a host keeps it.
struct Label {
  std::string key = "";
  std::string value = "";
};
void Pack(const Label& label, Packer& to);
void Unpack(Unpacker& from, Label& label);

// Whole racks have the same.
using KeptLabels = Packed<Label, Interned>;
KeptLabels PackedLabels(const Labels& labels);
Labels LabelsIn(const KeptLabels& labels);

struct Cordon {
  std::string by = "";
  std::string reason = "";
  absl::Time time = absl::InfinitePast();

  bool operator==(const Cordon&) const = default;
};

// Why a person must look before the host is used again.
struct Quarantine {
  std::string rollout = "";
  std::string reason = "";
  std::string message = "";

  bool operator==(const Quarantine&) const = default;
};

// Derived, never stored: see StateOf().
enum class HostState : uint8_t {
  kReady,
  kUpdating,
  kQuarantined,
  kOffline,
  kUnhealthy
};

struct Host {
  Interned name = "";               // "hosts/{host}"
  KeptLabels agent_labels = {};     // by key
  KeptLabels operator_labels = {};  // by key
  Compact boot_id = "";
  Interned agent_version = "";
  KeptInventory inventory = {};
  Compact inventory_digest = "";  // the agent's name for it; empty: none
  Rare<Cordon> cordon = std::nullopt;
  Rare<Quarantine> quarantine = std::nullopt;
  Interned rollout = "";  // that holds the slot; empty: the slot is free
  uint64_t attempt = 0;   // the last one given out
  uint64_t version = 0;   // the fleet's revision at the last visible change

  // Below: true of this process only, never stored. A stream's number is unique
  // in the life of the process; 0: no stream is open.
  uint64_t stream = 0;
  absl::Time last_heard = absl::InfinitePast();

  // Derived, never stored: the active rollout in which the host's update has
  // not ended, whether it has a slot there or waits for one. Empty: none.
  Interned claimant = "";

  bool connected() const { return stream != 0; }
  bool operator==(const Host&) const = default;
};

// By name.
using Hosts = std::map<Interned, Host, std::less<>>;

// Returns the state. Where several are true the first of: QUARANTINED,
// UPDATING, OFFLINE, UNHEALTHY.
HostState StateOf(const Host& host);

// Returns why the state is what it is, for people; "" when READY.
std::string StateMessageOf(const Host& host);

// Returns what selectors match: the agent's labels, overlaid with the
// operator's.
Labels LabelsOf(const Host& host);

// Returns the value of one of these labels, "" when there is none.
std::string LabelOf(const Host& host, const std::string& key);

// Returns how many virtual GPUs the host has.
uint32_t VirtualGpusOf(const Host& host);

// Returns "drivers/{driver}/versions/{version}" that all adapters run; "" where
// they run several, or none.
std::string DriverOfAll(const Host& host);

// Returns the driver versions of the adapters, each once, joined by ','.
std::string DriverVersionsOf(const Host& host);

// Returns "READY" and so on.
absl::string_view Name(HostState state);

}  // namespace baton::core

#endif  // SERVICE_CORE_HOST_H_
