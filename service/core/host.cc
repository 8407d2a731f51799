#include "service/core/host.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/check.h"

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
      return absl::StrCat("'", host.rollout, "' holds its slot",
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
  Labels labels = host.agent_labels;
  for (const auto& [key, value] : host.operator_labels) labels[key] = value;
  return labels;
}

std::string LabelOf(const Host& host, const std::string& key) {
  for (const Labels* labels : {&host.operator_labels, &host.agent_labels}) {
    const auto found = labels->find(key);
    if (found != labels->end()) return found->second;
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
