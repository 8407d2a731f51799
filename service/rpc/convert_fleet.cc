#include "service/rpc/convert_fleet.h"

#include "service/rpc/convert.h"

namespace baton::rpc {

v1::Fleet FleetToProto(const core::Fleet& fleet) {
  v1::Fleet proto;
  // One whose end has come is none.
  if (fleet.freeze.has_value() && fleet.freeze->end > fleet.now) {
    v1::Freeze& freeze = *proto.mutable_freeze();
    freeze.set_by(fleet.freeze->by);
    freeze.set_reason(fleet.freeze->reason);
    *freeze.mutable_start_time() = ToProto(fleet.freeze->start);
    *freeze.mutable_end_time() = ToProto(fleet.freeze->end);
  }
  if (fleet.emergency_stop.has_value()) {
    v1::EmergencyStopRecord& stop = *proto.mutable_emergency_stop();
    stop.set_by(fleet.emergency_stop->by);
    stop.set_reason(fleet.emergency_stop->reason);
    *stop.mutable_time() = ToProto(fleet.emergency_stop->time);
  }
  proto.set_hosts(static_cast<uint32_t>(fleet.hosts.size()));
  const core::Unavailable& count = fleet.ledger.fleet().count;
  v1::Unavailable& unavailable = *proto.mutable_unavailable();
  unavailable.set_updating(count.slots);
  unavailable.set_quarantined(count.quarantined);
  unavailable.set_offline(count.offline);
  unavailable.set_unhealthy(count.unhealthy);
  unavailable.set_cordoned(count.cordoned);
  return proto;
}

v1::HistoryEntry ToProto(const core::HistoryKey& key,
                         const core::HistoryEntry& entry) {
  v1::HistoryEntry proto;
  proto.set_from_driver(key.from_driver);
  proto.set_to_driver(key.to_driver);
  proto.set_model(key.model);
  proto.set_profile(key.profile);
  proto.set_vgpus(entry.vgpus);
  if (entry.blackouts.count() > 0) {
    *proto.mutable_blackout_p50() = ToProto(entry.blackouts.Percentile(50));
    *proto.mutable_blackout_p99() = ToProto(entry.blackouts.Percentile(99));
    *proto.mutable_blackout_max() = ToProto(entry.blackouts.Percentile(100));
  }
  if (entry.vgpus > 0) {
    proto.set_saved_bytes_mean(entry.saved_bytes / entry.vgpus);
  }
  if (entry.hosts > 0) {
    *proto.mutable_duration_mean() =
        ToProto(entry.duration / static_cast<double>(entry.hosts));
  }
  return proto;
}

}  // namespace baton::rpc
