#include "service/core/host.h"

#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/check.h"
#include "service/core/names.h"

namespace baton::core {
namespace {

// Returns the first fault, "" when there is none.
std::string FaultOf(const Host& host) {
  if (!host.inventory.fault.empty()) return host.inventory.fault;
  for (const Adapter& adapter : host.inventory.adapters) {
    if (!adapter.fault.empty()) {
      return absl::StrCat("adapter '", adapter.name, "': ", adapter.fault);
    }
  }
  return "";
}

}  // namespace

Inventory Changed(Inventory inventory, const InventoryChange& change) {
  std::map<std::string, Adapter> adapters;
  for (Adapter& adapter : inventory.adapters) {
    adapters[adapter.name] = std::move(adapter);
  }
  for (const std::string& name : change.gone) adapters.erase(name);
  for (const Adapter& adapter : change.adapters) {
    adapters[adapter.name] = adapter;
  }
  Inventory changed = change.rest;
  changed.adapters.clear();
  for (auto& [name, adapter] : adapters) {
    changed.adapters.push_back(std::move(adapter));
  }
  return changed;
}

void Pack(const Adapter& adapter, Packer& to) {
  for (const std::string* text :
       {&adapter.name, &adapter.model, &adapter.pci_id, &adapter.driver,
        &adapter.driver_version, &adapter.fault, &adapter.kernel_release}) {
    to.Text(*text);
  }
  to.Digest(adapter.image_digest);
  to.Number(adapter.hot_update_capable ? 1 : 0);
  to.Number(adapter.vgpus.size());
  for (const VirtualGpu& vgpu : adapter.vgpus) {
    to.Number(vgpu.partition_id);
    to.Number(vgpu.vram_bytes);
    for (const std::string* text :
         {&vgpu.luid, &vgpu.profile, &vgpu.guest, &vgpu.guest_driver}) {
      to.Text(*text);
    }
  }
  to.Number(adapter.blockers.size());
  for (const Blocker& blocker : adapter.blockers) {
    to.Text(blocker.reason);
    to.Text(blocker.message);
  }
}

void Unpack(Unpacker& from, Adapter& adapter) {
  for (std::string* text :
       {&adapter.name, &adapter.model, &adapter.pci_id, &adapter.driver,
        &adapter.driver_version, &adapter.fault, &adapter.kernel_release}) {
    *text = from.Text();
  }
  adapter.image_digest = from.Digest();
  adapter.hot_update_capable = from.Number() != 0;
  adapter.vgpus.resize(from.Number());
  for (VirtualGpu& vgpu : adapter.vgpus) {
    vgpu.partition_id = static_cast<uint32_t>(from.Number());
    vgpu.vram_bytes = from.Number();
    for (std::string* text :
         {&vgpu.luid, &vgpu.profile, &vgpu.guest, &vgpu.guest_driver}) {
      *text = from.Text();
    }
  }
  adapter.blockers.resize(from.Number());
  for (Blocker& blocker : adapter.blockers) {
    blocker.reason = from.Text();
    blocker.message = from.Text();
  }
}

KeptInventory::KeptInventory(const Inventory& inventory)
    : adapters(inventory.adapters),
      hooks(inventory.hooks),
      fault(inventory.fault),
      available_memory_bytes(inventory.available_memory_bytes) {}

Inventory KeptInventory::Get() const {
  return {adapters.Get(), fault, available_memory_bytes, hooks.Get()};
}

void Pack(const Label& label, Packer& to) {
  to.Text(label.key);
  to.Text(label.value);
}

void Unpack(Unpacker& from, Label& label) {
  label.key = from.Text();
  label.value = from.Text();
}

KeptLabels PackedLabels(const Labels& labels) {
  std::vector<Label> list;
  list.reserve(labels.size());
  for (const auto& [key, value] : labels) list.push_back({key, value});
  return list;
}

Labels LabelsIn(const KeptLabels& labels) {
  Labels found;
  for (const auto& [key, value] : labels) found[key] = value;
  return found;
}

HostState StateOf(const Host& host) {
  if (host.quarantine.has_value()) return HostState::kQuarantined;
  if (!host.rollout.empty()) return HostState::kUpdating;
  if (!host.connected()) return HostState::kOffline;
  if (!FaultOf(host).empty()) return HostState::kUnhealthy;
  return HostState::kReady;
}

std::string StateMessageOf(const Host& host) {
  switch (StateOf(host)) {
    case HostState::kReady:
      return "";
    case HostState::kUpdating:
      return absl::StrCat("'", host.rollout.str(), "' holds its slot",
                          host.connected() ? "" : "; no agent is connected");
    case HostState::kQuarantined:
      return absl::StrCat("'", host.quarantine->rollout,
                          "' left it: ", host.quarantine->reason, " ",
                          host.quarantine->message);
    case HostState::kOffline:
      return "no agent is connected";
    case HostState::kUnhealthy:
      return FaultOf(host);
  }
  CHECK(false);
}

Labels LabelsOf(const Host& host) {
  Labels labels = LabelsIn(host.agent_labels);
  for (const auto& [key, value] : host.operator_labels) labels[key] = value;
  return labels;
}

std::string LabelOf(const Host& host, const std::string& key) {
  for (const KeptLabels* labels : {&host.operator_labels, &host.agent_labels}) {
    for (const Label& label : *labels) {
      if (label.key == key) return label.value;
    }
  }
  return "";
}

uint32_t VirtualGpusOf(const Host& host) {
  size_t vgpus = 0;
  for (const Adapter& adapter : host.inventory.adapters) {
    vgpus += adapter.vgpus.size();
  }
  return static_cast<uint32_t>(vgpus);
}

std::string DriverOfAll(const Host& host) {
  std::set<std::string> drivers;
  for (const Adapter& adapter : host.inventory.adapters) {
    drivers.insert(adapter.driver.empty()
                       ? ""
                       : DriverName(adapter.driver, adapter.driver_version));
  }
  return drivers.size() == 1 ? *drivers.begin() : "";
}

std::string DriverVersionsOf(const Host& host) {
  std::set<std::string> versions;
  for (const Adapter& adapter : host.inventory.adapters) {
    versions.insert(adapter.driver_version);
  }
  return absl::StrJoin(versions, ",");
}

absl::string_view Name(HostState state) {
  switch (state) {
    case HostState::kReady:
      return "READY";
    case HostState::kUpdating:
      return "UPDATING";
    case HostState::kQuarantined:
      return "QUARANTINED";
    case HostState::kOffline:
      return "OFFLINE";
    case HostState::kUnhealthy:
      return "UNHEALTHY";
  }
  CHECK(false);
}

}  // namespace baton::core
