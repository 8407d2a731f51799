#include "service/rpc/convert.h"

#include <algorithm>
#include <cstdint>

#include "base/check.h"
#include "service/core/fleet.h"

namespace baton::rpc {
namespace {

// The overloads below would hide those of the header.
using ::baton::rpc::ToProto;

// What Timestamp and Duration allow: seconds of the years 1 to 9999, and of ten
// thousand years. Whatever is past them was sent by mistake, and would be
// unreadable to clients.
constexpr int64_t kFirst = -62'135'596'800;
constexpr int64_t kLast = 253'402'300'799;
constexpr int64_t kLongest = 315'576'000'000;
constexpr int32_t kNanosMax = 999'999'999;

v1::VirtualGpu ToProto(const core::VirtualGpu& vgpu) {
  v1::VirtualGpu proto;
  proto.set_partition_id(vgpu.partition_id);
  proto.set_luid(vgpu.luid);
  proto.set_profile(vgpu.profile);
  proto.set_guest(vgpu.guest);
  proto.set_vram_bytes(vgpu.vram_bytes);
  proto.set_guest_driver(vgpu.guest_driver);
  return proto;
}

core::VirtualGpu FromProto(const v1::VirtualGpu& proto) {
  return {.partition_id = proto.partition_id(),
          .luid = proto.luid(),
          .profile = proto.profile(),
          .guest = proto.guest(),
          .vram_bytes = proto.vram_bytes(),
          .guest_driver = proto.guest_driver()};
}

v1::Adapter ToProto(const core::Adapter& adapter) {
  v1::Adapter proto;
  proto.set_name(adapter.name);
  proto.set_model(adapter.model);
  proto.set_pci_id(adapter.pci_id);
  proto.set_driver(adapter.driver);
  proto.set_driver_version(adapter.driver_version);
  proto.set_image_digest(adapter.image_digest);
  proto.set_hot_update_capable(adapter.hot_update_capable);
  proto.set_fault(adapter.fault);
  proto.set_kernel_release(adapter.kernel_release);
  for (const core::Blocker& blocker : adapter.blockers) {
    v1::Blocker& added = *proto.add_blockers();
    added.set_reason(blocker.reason);
    added.set_message(blocker.message);
  }
  for (const core::VirtualGpu& vgpu : adapter.vgpus) {
    *proto.add_vgpus() = ToProto(vgpu);
  }
  return proto;
}

core::Adapter FromProto(const v1::Adapter& proto) {
  core::Adapter adapter = {.name = proto.name(),
                           .model = proto.model(),
                           .pci_id = proto.pci_id(),
                           .driver = proto.driver(),
                           .driver_version = proto.driver_version(),
                           .image_digest = proto.image_digest(),
                           .hot_update_capable = proto.hot_update_capable(),
                           .fault = proto.fault(),
                           .kernel_release = proto.kernel_release()};
  for (const v1::Blocker& blocker : proto.blockers()) {
    adapter.blockers.push_back({blocker.reason(), blocker.message()});
  }
  for (const v1::VirtualGpu& vgpu : proto.vgpus()) {
    adapter.vgpus.push_back(FromProto(vgpu));
  }
  return adapter;
}

v1::HostState ToProto(core::HostState state) {
  switch (state) {
    case core::HostState::kReady:
      return v1::HOST_STATE_READY;
    case core::HostState::kUpdating:
      return v1::HOST_STATE_UPDATING;
    case core::HostState::kQuarantined:
      return v1::HOST_STATE_QUARANTINED;
    case core::HostState::kOffline:
      return v1::HOST_STATE_OFFLINE;
    case core::HostState::kUnhealthy:
      return v1::HOST_STATE_UNHEALTHY;
  }
  CHECK(false);
}

v1::Cordon ToProto(const core::Cordon& cordon) {
  v1::Cordon proto;
  proto.set_by(cordon.by);
  proto.set_reason(cordon.reason);
  *proto.mutable_time() = ToProto(cordon.time);
  return proto;
}

v1::Gate ToProto(const core::Gate& gate) {
  v1::Gate proto;
  proto.set_name(gate.name);
  proto.set_verdict(static_cast<v1::GateVerdict>(gate.verdict));
  proto.set_reason(gate.reason);
  proto.set_message(gate.message);
  proto.set_value(gate.value);
  proto.set_limit(gate.limit);
  proto.set_holder(gate.holder);
  if (gate.next_check.has_value()) {
    *proto.mutable_next_check() = ToProto(*gate.next_check);
  }
  return proto;
}

v1::DriverManifest ToProto(const core::DriverManifest& manifest) {
  v1::DriverManifest proto;
  proto.set_driver(manifest.driver);
  proto.set_version(manifest.version);
  proto.set_image(manifest.image);
  proto.set_image_digest(manifest.image_digest);
  *proto.mutable_pci_ids() = {manifest.pci_ids.begin(), manifest.pci_ids.end()};
  proto.mutable_state_format()->set_writes(manifest.state_format_writes);
  *proto.mutable_state_format()->mutable_reads() = {
      manifest.state_format_reads.begin(), manifest.state_format_reads.end()};
  proto.set_guest_driver_min(manifest.guest_driver_min);
  proto.set_kernel_release(manifest.kernel_release);
  return proto;
}

}  // namespace

google::protobuf::Timestamp ToProto(absl::Time time) {
  google::protobuf::Timestamp proto;
  const int64_t seconds = absl::ToUnixSeconds(time);
  proto.set_seconds(seconds);
  proto.set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return proto;
}

absl::Time FromProto(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(std::clamp(time.seconds(), kFirst, kLast)) +
         absl::Nanoseconds(std::clamp(time.nanos(), 0, kNanosMax));
}

google::protobuf::Duration ToProto(absl::Duration duration) {
  google::protobuf::Duration proto;
  absl::Duration rest;
  proto.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &rest));
  proto.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
  return proto;
}

absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(std::clamp(duration.seconds(), -kLongest, kLongest)) +
         absl::Nanoseconds(std::clamp(duration.nanos(), -kNanosMax, kNanosMax));
}

v1::Host ToProto(const core::Host& host) {
  v1::Host proto;
  proto.set_name(host.name.str());
  const core::Labels labels = core::LabelsOf(host);
  *proto.mutable_labels() = {labels.begin(), labels.end()};
  const core::Labels own = core::LabelsIn(host.operator_labels);
  *proto.mutable_operator_labels() = {own.begin(), own.end()};
  proto.set_state(ToProto(core::StateOf(host)));
  proto.set_connected(host.connected());
  if (host.last_heard != absl::InfinitePast()) {
    *proto.mutable_last_heard_time() = ToProto(host.last_heard);
  }
  proto.set_agent_version(host.agent_version.str());
  proto.set_boot_id(host.boot_id.str());
  for (const core::Adapter& adapter : host.inventory.adapters) {
    *proto.add_adapters() = ToProto(adapter);
  }
  if (host.cordon.has_value()) *proto.mutable_cordon() = ToProto(*host.cordon);
  proto.set_rollout(host.rollout.str());
  proto.set_attempt(host.attempt);
  proto.set_etag(core::EtagOf(host.version));
  proto.set_state_message(core::StateMessageOf(host));
  if (host.inventory.available_memory_bytes.has_value()) {
    proto.set_available_memory_bytes(*host.inventory.available_memory_bytes);
  }
  return proto;
}

v1::Explanation ToProto(const core::Explanation& explanation) {
  v1::Explanation proto;
  proto.set_summary(explanation.summary);
  for (const core::Gate& gate : explanation.gates) {
    *proto.add_gates() = ToProto(gate);
  }
  return proto;
}

v1::Driver ToProto(const core::Driver& driver) {
  v1::Driver proto;
  proto.set_name(driver.name);
  proto.set_digest(driver.digest);
  proto.set_size_bytes(driver.size_bytes);
  *proto.mutable_manifest() = ToProto(driver.manifest);
  *proto.mutable_create_time() = ToProto(driver.create_time);
  proto.set_author(driver.author);
  proto.set_etag(core::EtagOf(driver.version));
  return proto;
}

v1::AuditRecord ToProto(const core::AuditRecord& record) {
  v1::AuditRecord proto;
  proto.set_sequence(record.sequence);
  *proto.mutable_time() = ToProto(record.time);
  proto.set_actor(record.actor);
  proto.set_action(record.action);
  proto.set_resource(record.resource);
  proto.set_detail(record.detail);
  proto.set_hash(record.hash);
  return proto;
}

core::Inventory FromProto(const v1::Inventory& inventory) {
  core::Inventory found = {.fault = inventory.fault()};
  for (const v1::Adapter& adapter : inventory.adapters()) {
    found.adapters.push_back(FromProto(adapter));
  }
  if (inventory.has_available_memory_bytes()) {
    found.available_memory_bytes = inventory.available_memory_bytes();
  }
  found.hooks = {inventory.hooks().begin(), inventory.hooks().end()};
  std::sort(found.hooks.begin(), found.hooks.end());
  return found;
}

core::InventoryChange FromProto(const v1::InventoryChange& change) {
  core::InventoryChange found = {.base = change.base(),
                                 .digest = change.digest()};
  for (const v1::Adapter& adapter : change.adapters()) {
    found.adapters.push_back(FromProto(adapter));
  }
  found.gone.assign(change.gone().begin(), change.gone().end());
  found.rest = FromProto(change.rest());
  return found;
}

core::DriverManifest FromProto(const v1::DriverManifest& manifest) {
  const v1::StateFormat& format = manifest.state_format();
  return {.driver = manifest.driver(),
          .version = manifest.version(),
          .image = manifest.image(),
          .image_digest = manifest.image_digest(),
          .pci_ids = {manifest.pci_ids().begin(), manifest.pci_ids().end()},
          .state_format_writes = format.writes(),
          .state_format_reads = {format.reads().begin(), format.reads().end()},
          .guest_driver_min = manifest.guest_driver_min(),
          .kernel_release = manifest.kernel_release()};
}

core::Labels FromProto(
    const google::protobuf::Map<std::string, std::string>& labels) {
  return {labels.begin(), labels.end()};
}

}  // namespace baton::rpc
