#include "cli/render/host.h"

#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/names.h"
#include "cli/render/words.h"

namespace baton::cli {
namespace {

Ink InkOf(v1::HostState state) {
  if (state == v1::HOST_STATE_READY) return Ink::kGood;
  if (state == v1::HOST_STATE_UPDATING) return Ink::kBusy;
  if (state == v1::HOST_STATE_OFFLINE) return Ink::kWarn;
  return Ink::kBad;
}

std::string DriverOf(const v1::Adapter& adapter) {
  return adapter.driver().empty()
             ? "none"
             : absl::StrCat(adapter.driver(), "/", adapter.driver_version());
}

// Each driver once, e.g. "softgpu/1.0,softgpu/2.0".
std::string DriversOf(const v1::Host& host) {
  std::set<std::string> drivers;
  for (const v1::Adapter& adapter : host.adapters()) {
    drivers.insert(DriverOf(adapter));
  }
  return absl::StrJoin(drivers, ",");
}

int VgpusOf(const v1::Host& host) {
  int count = 0;
  for (const v1::Adapter& adapter : host.adapters()) {
    count += adapter.vgpus_size();
  }
  return count;
}

std::string CordonText(const v1::Host& host) {
  if (!host.has_cordon()) return "";
  return absl::StrCat("by ", host.cordon().by(), ": ", host.cordon().reason());
}

std::string ModelsOf(const v1::Host& host) {
  std::set<std::string> models;
  for (const v1::Adapter& adapter : host.adapters()) {
    models.insert(adapter.model());
  }
  return absl::StrJoin(models, ",");
}

std::vector<Cell> Row(const v1::Host& host, const Look& look) {
  std::vector<Cell> row = {
      ShortName(host.name()),    {Word(host.state()), InkOf(host.state())},
      DriversOf(host),           absl::StrCat(VgpusOf(host)),
      ShortName(host.rollout()), CordonText(host)};
  if (look.detail == Detail::kWide) {
    row.insert(row.end(), {ModelsOf(host), host.agent_version(),
                           Text(host.last_heard_time()), LabelsText(host),
                           host.state_message()});
  }
  return row;
}

std::string AdapterText(const v1::Adapter& adapter, const Look& look) {
  Table facts({});
  facts.Add({"model", adapter.model()});
  facts.Add({"PCI id", adapter.pci_id()});
  facts.Add({"driver", DriverOf(adapter)});
  if (look.detail == Detail::kWide) {
    facts.Add({"image", adapter.image_digest()});
  }
  facts.Add({"hot update", adapter.hot_update_capable() ? "yes" : "no"});
  facts.Add({"vGPUs", absl::StrCat(adapter.vgpus_size())});
  if (!adapter.kernel_release().empty()) {
    facts.Add({"kernel", adapter.kernel_release()});
  }
  for (const v1::Blocker& blocker : adapter.blockers()) {
    facts.Add({"blocked",
               {absl::StrCat(blocker.message(), " [", blocker.reason(), "]"),
                Ink::kWarn}});
  }
  if (!adapter.fault().empty()) {
    facts.Add({"fault", {adapter.fault(), Ink::kBad}});
  }
  return absl::StrCat("adapter ", Printable(adapter.name()), "\n",
                      facts.ToString(look.colour, "  "));
}

std::string VgpuTable(const v1::Adapter& adapter, const Look& look) {
  Table table({"PARTITION", "LUID", "PROFILE", "VRAM", "GUEST"});
  for (const v1::VirtualGpu& vgpu : adapter.vgpus()) {
    table.Add({absl::StrCat(vgpu.partition_id()), vgpu.luid(), vgpu.profile(),
               BytesText(vgpu.vram_bytes()), vgpu.guest()});
  }
  return table.empty() ? "" : table.ToString(look.colour, "  ");
}

}  // namespace

std::string HostTable(const v1::ListHostsResponse& hosts, const Look& look) {
  if (hosts.hosts().empty()) return "no hosts\n";
  std::vector<std::string> heading = {"NAME",  "STATE",   "DRIVER",
                                      "VGPUS", "ROLLOUT", "CORDON"};
  if (look.detail == Detail::kWide) {
    heading.insert(heading.end(),
                   {"MODEL", "AGENT", "LAST HEARD", "LABELS", "MESSAGE"});
  }
  Table table(std::move(heading));
  for (const v1::Host& host : hosts.hosts()) table.Add(Row(host, look));
  return table.ToString(look.colour);
}

std::string LabelsText(const v1::Host& host) {
  // The wire's map has no order of its own.
  const std::set<std::pair<std::string, std::string>> labels(
      host.labels().begin(), host.labels().end());
  return Printable(absl::StrJoin(labels, ",", absl::PairFormatter("=")));
}

std::string HostLine(const v1::Host& host) {
  std::string line = absl::StrCat(Word(host.state()), " ", DriversOf(host));
  if (!host.rollout().empty()) {
    absl::StrAppend(&line, " rollout ", ShortName(host.rollout()));
  }
  if (host.has_cordon()) absl::StrAppend(&line, " cordoned ", CordonText(host));
  if (!host.state_message().empty()) {
    absl::StrAppend(&line, " ", host.state_message());
  }
  if (!host.labels().empty()) {
    absl::StrAppend(&line, " labels ", LabelsText(host));
  }
  return Printable(line);
}

std::string HostText(const v1::Host& host, const Look& look) {
  Table facts({});
  facts.Add({"host", {ShortName(host.name()), Ink::kBold}});
  facts.Add({"state", {Word(host.state()), InkOf(host.state())}});
  if (!host.state_message().empty()) {
    facts.Add({"because", host.state_message()});
  }
  facts.Add({"labels", LabelsText(host)});
  facts.Add({"cordon", CordonText(host)});
  facts.Add({"rollout", ShortName(host.rollout())});
  facts.Add({"attempts", absl::StrCat(host.attempt())});
  facts.Add({"agent", host.agent_version()});
  facts.Add({"last heard", Text(host.last_heard_time())});
  if (look.detail == Detail::kWide) {
    facts.Add({"boot id", host.boot_id()});
    facts.Add({"etag", host.etag()});
  }
  std::string text = facts.ToString(look.colour);
  for (const v1::Adapter& adapter : host.adapters()) {
    absl::StrAppend(&text, AdapterText(adapter, look));
    if (look.detail == Detail::kWide) {
      absl::StrAppend(&text, VgpuTable(adapter, look));
    }
  }
  return text;
}

}  // namespace baton::cli
