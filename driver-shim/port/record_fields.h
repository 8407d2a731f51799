#ifndef DRIVER_SHIM_PORT_RECORD_FIELDS_H_
#define DRIVER_SHIM_PORT_RECORD_FIELDS_H_

#include "base/digest.h"
#include "driver-shim/port/adapter_port.h"
#include "driver-shim/port/record_codec.h"
#include "driver-shim/port/rules.h"

// The fields of what a shim writes down, see record_codec. A field that is
// added or moved here is another format: count up kRecordFormat.

namespace baton {

template <typename Archive, port::Of<Digest128> T>
void Fields(Archive& archive, T& digest) {
  archive(digest.high, digest.low);
}

}  // namespace baton

namespace baton::port {

inline constexpr uint64_t kRecordFormat = 1;

constexpr AdapterState LastOf(AdapterState) { return AdapterState::kBroken; }
constexpr AdapterStep LastOf(AdapterStep) { return AdapterStep::kCommit; }
constexpr SaveOutcome::Result LastOf(SaveOutcome::Result) {
  return SaveOutcome::Result::kFailed;
}

template <typename Archive, Of<DriverImage> T>
void Fields(Archive& archive, T& image) {
  archive(image.path, image.digest, image.driver, image.version);
}

template <typename Archive, Of<StepOrder> T>
void Fields(Archive& archive, T& order) {
  archive(order.step, order.attempt, order.deadline, order.image);
}

template <typename Archive, Of<EntryPointCall> T>
void Fields(Archive& archive, T& call) {
  archive(call.entry_point, call.nt_status, call.elapsed);
}

template <typename Archive, Of<VirtualGpu> T>
void Fields(Archive& archive, T& vgpu) {
  archive(vgpu.partition_id, vgpu.luid, vgpu.profile, vgpu.guest,
          vgpu.vram_bytes);
}

template <typename Archive, Of<CensusEntry> T>
void Fields(Archive& archive, T& entry) {
  archive(entry.vgpu, entry.fence_value, entry.registers, entry.driver_state);
}

template <typename Archive, Of<VirtualGpuResult> T>
void Fields(Archive& archive, T& result) {
  archive(result.partition_id, result.guest, result.preserved, result.blackout,
          result.difference);
}

template <typename Archive, Of<SavedState> T>
void Fields(Archive& archive, T& saved) {
  archive(saved.blocks, saved.bytes);
}

template <typename Archive, Of<SaveOutcome> T>
void Fields(Archive& archive, T& outcome) {
  archive(outcome.result, outcome.blocks);
}

template <typename Archive, Of<StepReport> T>
void Fields(Archive& archive, T& report) {
  archive(report.status, report.nt_status, report.elapsed, report.entry_point,
          report.rule, report.driver_log, report.calls, report.driver_time,
          report.shim_faults, report.driver_faults, report.census, report.vgpus,
          report.saved);
}

template <typename Archive, Of<BlockFacts> T>
void Fields(Archive& archive, T& facts) {
  archive(facts.form, facts.bytes, facts.metadata_bytes, facts.digest);
}

template <typename Archive, Of<Incident> T>
void Fields(Archive& archive, T& incident) {
  archive(incident.attempt, incident.blocks, incident.before, incident.after,
          incident.driver_log);
}

template <typename Archive, Of<OrderedRun> T>
void Fields(Archive& archive, T& run) {
  archive(run.orders, run.reports, run.told);
}

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_RECORD_FIELDS_H_
