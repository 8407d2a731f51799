#include "service/store/codec.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "baton/store/v1/records.pb.h"
#include "google/protobuf/message_lite.h"
#include "service/store/codec_rollout.h"
#include "service/store/codec_values.h"

namespace baton::store {
namespace {

// ---- Hosts.

void ToProto(const core::Adapter& from, v1::Adapter& to) {
  to.set_name(from.name);
  to.set_model(from.model);
  to.set_pci_id(from.pci_id);
  to.set_driver(from.driver);
  to.set_driver_version(from.driver_version);
  to.set_image_digest(from.image_digest);
  to.set_hot_update_capable(from.hot_update_capable);
  to.set_fault(from.fault);
  to.set_kernel_release(from.kernel_release);
  for (const core::Blocker& blocker : from.blockers) {
    v1::Blocker& added = *to.add_blockers();
    added.set_reason(blocker.reason);
    added.set_message(blocker.message);
  }
  for (const core::VirtualGpu& vgpu : from.vgpus) {
    v1::VirtualGpu& added = *to.add_vgpus();
    added.set_partition_id(vgpu.partition_id);
    added.set_luid(vgpu.luid);
    added.set_profile(vgpu.profile);
    added.set_guest(vgpu.guest);
    added.set_vram_bytes(vgpu.vram_bytes);
    added.set_guest_driver(vgpu.guest_driver);
  }
}

core::Adapter FromProto(const v1::Adapter& from) {
  core::Adapter to{from.name(),
                   from.model(),
                   from.pci_id(),
                   from.driver(),
                   from.driver_version(),
                   from.image_digest(),
                   from.hot_update_capable(),
                   {},
                   from.fault(),
                   {},
                   from.kernel_release()};
  for (const v1::Blocker& blocker : from.blockers()) {
    to.blockers.push_back({blocker.reason(), blocker.message()});
  }
  for (const v1::VirtualGpu& vgpu : from.vgpus()) {
    to.vgpus.push_back({vgpu.partition_id(), vgpu.luid(), vgpu.profile(),
                        vgpu.guest(), vgpu.vram_bytes(), vgpu.guest_driver()});
  }
  return to;
}

void ToProto(const core::Inventory& from, v1::Inventory& to) {
  for (const core::Adapter& adapter : from.adapters) {
    ToProto(adapter, *to.add_adapters());
  }
  to.set_fault(from.fault);
  if (from.available_memory_bytes.has_value()) {
    to.set_available_memory_bytes(*from.available_memory_bytes);
  }
  to.mutable_hooks()->Assign(from.hooks.begin(), from.hooks.end());
}

core::Inventory FromProto(const v1::Inventory& from) {
  core::Inventory to;
  for (const v1::Adapter& adapter : from.adapters()) {
    to.adapters.push_back(FromProto(adapter));
  }
  to.fault = from.fault();
  if (from.has_available_memory_bytes()) {
    to.available_memory_bytes = from.available_memory_bytes();
  }
  to.hooks = {from.hooks().begin(), from.hooks().end()};
  return to;
}

absl::Status Parse(absl::string_view bytes, absl::string_view what,
                   google::protobuf::MessageLite& proto) {
  if (proto.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::OkStatus();
  }
  return CorruptError(what);
}

// ---- Rollouts.

absl::StatusOr<core::RolloutState> StateOf(uint32_t number) {
  const auto state = static_cast<core::RolloutState>(number);
  switch (state) {
    case core::RolloutState::kDraft:
    case core::RolloutState::kPlanned:
    case core::RolloutState::kAwaitingApproval:
    case core::RolloutState::kRunning:
    case core::RolloutState::kHeld:
    case core::RolloutState::kSucceeded:
    case core::RolloutState::kFailed:
    case core::RolloutState::kAborted:
    case core::RolloutState::kAborting:
    case core::RolloutState::kRolledBack:
      return state;
  }
  return CorruptError(absl::StrCat("rollout state ", number));
}

void ToProto(const core::Approval& from, v1::Approval& to) {
  to.set_by(from.by);
  to.set_wave(from.wave);
  to.set_digest(from.digest);
  to.set_remark(from.remark);
  to.set_time_ns(ToNs(from.time));
}

core::Approval FromProto(const v1::Approval& from) {
  return {from.by(), from.wave(), from.digest(), from.remark(),
          ToTime(from.time_ns())};
}

// ---- Updates.

void ToProto(const core::StepRecord& from, v1::StepRecord& to) {
  to.set_step(static_cast<uint32_t>(from.step));
  SetTime(from.start_time, [&](int64_t ns) { to.set_start_time_ns(ns); });
  to.set_elapsed_ns(ToNs(from.elapsed));
  to.set_code(from.code);
  // Most steps have nothing to say.
  if (!from.reason.empty()) to.set_reason(from.reason);
  if (!from.message.empty()) to.set_message(from.message);
  if (from.nt_status.has_value()) to.set_nt_status(*from.nt_status);
  if (!from.entry_point.empty()) to.set_entry_point(from.entry_point);
  if (!from.rule.empty()) to.set_rule(from.rule);
  to.set_backward(from.backward);
}

absl::StatusOr<core::Step> StepOf(uint32_t number) {
  return ToEnum(number, core::Step::kNone, core::Step::kReopenGate);
}

absl::StatusOr<core::StepRecord> FromProto(const v1::StepRecord& from) {
  core::StepRecord to;
  ASSIGN_OR_RETURN(to.step, StepOf(from.step()));
  if (from.has_start_time_ns()) to.start_time = ToTime(from.start_time_ns());
  to.elapsed = absl::Nanoseconds(from.elapsed_ns());
  to.code = from.code();
  to.reason = from.reason();
  to.message = from.message();
  if (from.has_nt_status()) to.nt_status = from.nt_status();
  to.entry_point = from.entry_point();
  to.rule = from.rule();
  to.backward = from.backward();
  return to;
}

void ToProto(const core::VirtualGpuResult& from, v1::VirtualGpuResult& to) {
  to.set_partition_id(from.partition_id);
  to.set_guest(from.guest);
  to.set_preserved(from.preserved);
  if (from.blackout.has_value()) to.set_blackout_ns(ToNs(*from.blackout));
  to.set_difference(from.difference);
}

core::VirtualGpuResult FromProto(const v1::VirtualGpuResult& from) {
  core::VirtualGpuResult to;
  to.partition_id = from.partition_id();
  to.guest = from.guest();
  to.preserved = from.preserved();
  if (from.has_blackout_ns()) {
    to.blackout = absl::Nanoseconds(from.blackout_ns());
  }
  to.difference = from.difference();
  return to;
}

void ToProto(const core::Incident& from, v1::Incident& to) {
  for (const core::SavedBlock& block : from.blocks) {
    v1::SavedBlock& added = *to.add_blocks();
    added.set_index(block.index);
    added.set_form(block.form);
    added.set_size_bytes(block.size_bytes);
    added.set_metadata_bytes(block.metadata_bytes);
    added.set_digest(block.digest);
  }
  const auto add = [](const core::CensusLine& line, v1::CensusLine& added) {
    added.set_partition_id(line.partition_id);
    added.set_guest(line.guest);
    added.set_fence_value(line.fence_value);
    added.set_state_digest(line.state_digest);
  };
  for (const core::CensusLine& line : from.before) add(line, *to.add_before());
  for (const core::CensusLine& line : from.after) add(line, *to.add_after());
  to.mutable_driver_log()->Assign(from.driver_log.begin(),
                                  from.driver_log.end());
}

core::Incident FromProto(const v1::Incident& from) {
  core::Incident to;
  for (const v1::SavedBlock& block : from.blocks()) {
    to.blocks.push_back({block.index(), block.form(), block.size_bytes(),
                         block.metadata_bytes(), block.digest()});
  }
  const auto add = [](const v1::CensusLine& line,
                      std::vector<core::CensusLine>& lines) {
    lines.push_back({line.partition_id(), line.guest(), line.fence_value(),
                     line.state_digest()});
  };
  for (const v1::CensusLine& line : from.before()) add(line, to.before);
  for (const v1::CensusLine& line : from.after()) add(line, to.after);
  to.driver_log = {from.driver_log().begin(), from.driver_log().end()};
  return to;
}

// The parts that an update and a capsule share.
template <typename Record, typename Proto>
void AttemptToProto(const Record& from, Proto& to) {
  for (const core::StepRecord& step : from.steps) {
    ToProto(step, *to.add_steps());
  }
  for (const core::VirtualGpuResult& vgpu : from.vgpus) {
    ToProto(vgpu, *to.add_vgpus());
  }
  if (!from.saved.has_value()) return;
  to.mutable_saved()->set_blocks(from.saved->blocks);
  to.mutable_saved()->set_size_bytes(from.saved->size_bytes);
}

template <typename Proto, typename Record>
absl::Status AttemptFromProto(const Proto& from, Record& to) {
  std::vector<core::StepRecord> steps;
  for (const v1::StepRecord& step : from.steps()) {
    ASSIGN_OR_RETURN(core::StepRecord decoded, FromProto(step));
    steps.push_back(std::move(decoded));
  }
  to.steps = std::move(steps);
  std::vector<core::VirtualGpuResult> vgpus;
  for (const v1::VirtualGpuResult& vgpu : from.vgpus()) {
    vgpus.push_back(FromProto(vgpu));
  }
  to.vgpus = std::move(vgpus);
  if (from.has_saved()) {
    to.saved =
        core::SavedState{from.saved().blocks(), from.saved().size_bytes()};
  }
  return absl::OkStatus();
}

absl::StatusOr<core::UpdateState> UpdateStateOf(uint32_t number) {
  return ToEnum(number, core::UpdateState::kPending,
                core::UpdateState::kSkipped);
}

}  // namespace

std::string EncodeMeta(const core::Fleet& fleet) {
  Scratch<v1::Meta> scratch;
  v1::Meta& meta = *scratch;
  meta.set_epoch(fleet.epoch);
  meta.set_revision(fleet.revision);
  meta.set_now_ns(ToNs(fleet.now));
  meta.set_audit_sequence(fleet.audit_sequence);
  meta.set_audit_hash(fleet.audit_hash);
  if (fleet.freeze.has_value()) {
    v1::Freeze& freeze = *meta.mutable_freeze();
    freeze.set_by(fleet.freeze->by);
    freeze.set_reason(fleet.freeze->reason);
    freeze.set_start_time_ns(ToNs(fleet.freeze->start));
    freeze.set_end_time_ns(ToNs(fleet.freeze->end));
  }
  if (fleet.emergency_stop.has_value()) {
    v1::EmergencyStop& stop = *meta.mutable_emergency_stop();
    stop.set_by(fleet.emergency_stop->by);
    stop.set_reason(fleet.emergency_stop->reason);
    stop.set_time_ns(ToNs(fleet.emergency_stop->time));
  }
  return meta.SerializeAsString();
}

absl::Status DecodeMeta(absl::string_view bytes, core::Fleet& fleet) {
  Scratch<v1::Meta> scratch;
  RETURN_IF_ERROR(Parse(bytes, "meta", *scratch));
  const v1::Meta& meta = *scratch;
  fleet.epoch = meta.epoch();
  fleet.revision = meta.revision();
  fleet.now = ToTime(meta.now_ns());
  fleet.audit_sequence = meta.audit_sequence();
  fleet.audit_hash = meta.audit_hash();
  if (meta.has_freeze()) {
    const v1::Freeze& freeze = meta.freeze();
    fleet.freeze = core::Freeze{freeze.by(), freeze.reason(),
                                ToTime(freeze.start_time_ns()),
                                ToTime(freeze.end_time_ns())};
  }
  if (meta.has_emergency_stop()) {
    const v1::EmergencyStop& stop = meta.emergency_stop();
    fleet.emergency_stop = core::EmergencyStopRecord{stop.by(), stop.reason(),
                                                     ToTime(stop.time_ns())};
  }
  return absl::OkStatus();
}

std::string Encode(const core::Host& host) {
  Scratch<v1::Host> scratch;
  v1::Host& to = *scratch;
  const core::Labels agent = core::LabelsIn(host.agent_labels);
  to.mutable_agent_labels()->insert(agent.begin(), agent.end());
  const core::Labels own = core::LabelsIn(host.operator_labels);
  to.mutable_operator_labels()->insert(own.begin(), own.end());
  to.set_boot_id(host.boot_id.str());
  to.set_agent_version(host.agent_version.str());
  ToProto(host.inventory.Get(), *to.mutable_inventory());
  to.set_inventory_digest(host.inventory_digest.str());
  if (host.cordon.has_value()) {
    to.mutable_cordon()->set_by(host.cordon->by);
    to.mutable_cordon()->set_reason(host.cordon->reason);
    to.mutable_cordon()->set_time_ns(ToNs(host.cordon->time));
  }
  if (host.quarantine.has_value()) {
    to.mutable_quarantine()->set_rollout(host.quarantine->rollout);
    to.mutable_quarantine()->set_reason(host.quarantine->reason);
    to.mutable_quarantine()->set_message(host.quarantine->message);
  }
  to.set_rollout(host.rollout.str());
  to.set_attempt(host.attempt);
  to.set_version(host.version);
  return to.SerializeAsString();
}

absl::StatusOr<core::Host> DecodeHost(const std::string& name,
                                      absl::string_view bytes) {
  Scratch<v1::Host> scratch;
  RETURN_IF_ERROR(Parse(bytes, name, *scratch));
  const v1::Host& from = *scratch;
  core::Host host;
  host.name = name;
  host.agent_labels = core::PackedLabels(
      {from.agent_labels().begin(), from.agent_labels().end()});
  host.operator_labels = core::PackedLabels(
      {from.operator_labels().begin(), from.operator_labels().end()});
  host.boot_id = from.boot_id();
  host.agent_version = from.agent_version();
  host.inventory = FromProto(from.inventory());
  host.inventory_digest = from.inventory_digest();
  if (from.has_cordon()) {
    host.cordon = core::Cordon{from.cordon().by(), from.cordon().reason(),
                               ToTime(from.cordon().time_ns())};
  }
  if (from.has_quarantine()) {
    host.quarantine = core::Quarantine{from.quarantine().rollout(),
                                       from.quarantine().reason(),
                                       from.quarantine().message()};
  }
  host.rollout = from.rollout();
  host.attempt = from.attempt();
  host.version = from.version();
  return host;
}

std::string Encode(const core::Driver& driver) {
  Scratch<v1::Driver> scratch;
  v1::Driver& to = *scratch;
  to.set_digest(driver.digest);
  to.set_size_bytes(driver.size_bytes);
  const core::DriverManifest& manifest = driver.manifest;
  to.set_manifest_driver(manifest.driver);
  to.set_manifest_version(manifest.version);
  to.set_image(manifest.image);
  to.set_image_digest(manifest.image_digest);
  to.mutable_pci_ids()->Assign(manifest.pci_ids.begin(),
                               manifest.pci_ids.end());
  to.set_state_format_writes(manifest.state_format_writes);
  to.mutable_state_format_reads()->Assign(manifest.state_format_reads.begin(),
                                          manifest.state_format_reads.end());
  to.set_guest_driver_min(manifest.guest_driver_min);
  to.set_kernel_release(manifest.kernel_release);
  to.set_create_time_ns(ToNs(driver.create_time));
  to.set_author(driver.author);
  to.set_version(driver.version);
  return to.SerializeAsString();
}

absl::StatusOr<core::Driver> DecodeDriver(const std::string& name,
                                          absl::string_view bytes) {
  Scratch<v1::Driver> scratch;
  RETURN_IF_ERROR(Parse(bytes, name, *scratch));
  const v1::Driver& from = *scratch;
  core::Driver driver;
  driver.name = name;
  driver.digest = from.digest();
  driver.size_bytes = from.size_bytes();
  driver.manifest = {
      from.manifest_driver(),
      from.manifest_version(),
      from.image(),
      from.image_digest(),
      {from.pci_ids().begin(), from.pci_ids().end()},
      from.state_format_writes(),
      {from.state_format_reads().begin(), from.state_format_reads().end()},
      from.guest_driver_min(),
      from.kernel_release()};
  driver.create_time = ToTime(from.create_time_ns());
  driver.author = from.author();
  driver.version = from.version();
  return driver;
}

std::string Encode(const core::Rollout& rollout) {
  Scratch<v1::Rollout> scratch;
  v1::Rollout& to = *scratch;
  ToProto(rollout.spec, *to.mutable_spec());
  to.set_state(static_cast<uint32_t>(rollout.state));
  to.set_reason(rollout.reason);
  to.set_message(rollout.message);
  to.set_author(rollout.author);
  SetTime(rollout.create_time, [&](int64_t ns) { to.set_create_time_ns(ns); });
  SetTime(rollout.start_time, [&](int64_t ns) { to.set_start_time_ns(ns); });
  SetTime(rollout.end_time, [&](int64_t ns) { to.set_end_time_ns(ns); });
  SetTime(rollout.wave_ended, [&](int64_t ns) { to.set_wave_ended_ns(ns); });
  to.set_version(rollout.version);
  to.set_wave(rollout.wave);
  to.set_failures_accepted(rollout.failures_accepted);
  to.set_wave_failures_accepted(rollout.wave_failures_accepted);
  to.set_long_blackouts_accepted(rollout.long_blackouts_accepted);
  to.set_slow_blackouts_accepted(rollout.slow_blackouts_accepted);
  if (rollout.deadline_time != absl::InfiniteFuture()) {
    to.set_deadline_time_ns(ToNs(rollout.deadline_time));
  }
  for (const core::Approval& approval : rollout.approvals) {
    ToProto(approval, *to.add_approvals());
  }
  if (rollout.take_back.has_value()) {
    to.mutable_take_back()->set_by(rollout.take_back->by);
    to.mutable_take_back()->set_reason(rollout.take_back->reason);
  }
  to.set_rollback(rollout.rollback);
  to.set_create_sequence(rollout.create_sequence);
  return to.SerializeAsString();
}

absl::StatusOr<core::Rollout> DecodeRollout(const std::string& name,
                                            absl::string_view bytes) {
  Scratch<v1::Rollout> scratch;
  RETURN_IF_ERROR(Parse(bytes, name, *scratch));
  const v1::Rollout& from = *scratch;
  core::Rollout rollout;
  rollout.name = name;
  RETURN_IF_ERROR(FromProto(from.spec(), rollout.spec));
  ASSIGN_OR_RETURN(rollout.state, StateOf(from.state()));
  rollout.reason = from.reason();
  rollout.message = from.message();
  if (from.has_plan()) rollout.plan = FromProto(from.plan());
  rollout.author = from.author();
  if (from.has_create_time_ns()) {
    rollout.create_time = ToTime(from.create_time_ns());
  }
  if (from.has_start_time_ns()) {
    rollout.start_time = ToTime(from.start_time_ns());
  }
  if (from.has_end_time_ns()) rollout.end_time = ToTime(from.end_time_ns());
  if (from.has_wave_ended_ns()) {
    rollout.wave_ended = ToTime(from.wave_ended_ns());
  }
  rollout.version = from.version();
  rollout.wave = from.wave();
  rollout.failures_accepted = from.failures_accepted();
  rollout.wave_failures_accepted = from.wave_failures_accepted();
  rollout.long_blackouts_accepted = from.long_blackouts_accepted();
  rollout.slow_blackouts_accepted = from.slow_blackouts_accepted();
  if (from.has_deadline_time_ns()) {
    rollout.deadline_time = ToTime(from.deadline_time_ns());
  }
  for (const v1::Approval& approval : from.approvals()) {
    rollout.approvals.push_back(FromProto(approval));
  }
  if (from.has_take_back()) {
    rollout.take_back =
        core::TakeBack{from.take_back().by(), from.take_back().reason()};
  }
  rollout.rollback = from.rollback();
  rollout.create_sequence = from.create_sequence();
  return rollout;
}

std::string Encode(const core::RolloutPlan& plan) {
  Scratch<v1::RolloutPlan> scratch;
  v1::RolloutPlan& to = *scratch;
  ToProto(plan, to);
  return to.SerializeAsString();
}

absl::StatusOr<core::RolloutPlan> DecodePlan(absl::string_view bytes) {
  Scratch<v1::RolloutPlan> scratch;
  RETURN_IF_ERROR(Parse(bytes, "plan", *scratch));
  const v1::RolloutPlan& from = *scratch;
  return FromProto(from);
}

std::string Encode(const core::Update& update) {
  Scratch<v1::Update> scratch;
  v1::Update& to = *scratch;
  to.set_state(static_cast<uint32_t>(update.state));
  to.set_attempt(update.attempt);
  to.set_wave(update.wave);
  to.set_from_version(update.from_version.str());
  to.set_from_driver(update.from_driver.str());
  to.set_cancel(static_cast<uint32_t>(update.cancel));
  to.set_tries(update.tries);
  SetTime(update.not_before, [&](int64_t ns) { to.set_not_before_ns(ns); });
  SetTime(update.start_time, [&](int64_t ns) { to.set_start_time_ns(ns); });
  SetTime(update.end_time, [&](int64_t ns) { to.set_end_time_ns(ns); });
  to.set_sequence(update.sequence);
  to.set_step(static_cast<uint32_t>(update.step));
  to.set_past_no_return(update.past_no_return);
  AttemptToProto(update, to);
  to.set_reason(update.reason.str());
  to.set_message(update.message.str());
  return to.SerializeAsString();
}

absl::StatusOr<core::Update> DecodeUpdate(absl::string_view bytes) {
  Scratch<v1::Update> scratch;
  RETURN_IF_ERROR(Parse(bytes, "update", *scratch));
  const v1::Update& from = *scratch;
  core::Update update;
  ASSIGN_OR_RETURN(update.state, UpdateStateOf(from.state()));
  update.attempt = from.attempt();
  update.wave = from.wave();
  update.from_version = from.from_version();
  update.from_driver = from.from_driver();
  ASSIGN_OR_RETURN(update.cancel, ToEnum(from.cancel(), core::Cancel::kNone,
                                         core::Cancel::kRequeues));
  update.tries = from.tries();
  // A release that did not try again did not count.
  if (update.state == core::UpdateState::kRunning && update.tries == 0) {
    update.tries = 1;
  }
  if (from.has_not_before_ns()) {
    update.not_before = ToTime(from.not_before_ns());
  }
  if (from.has_start_time_ns()) {
    update.start_time = ToTime(from.start_time_ns());
  }
  if (from.has_end_time_ns()) update.end_time = ToTime(from.end_time_ns());
  update.sequence = from.sequence();
  ASSIGN_OR_RETURN(update.step, StepOf(from.step()));
  update.past_no_return = from.past_no_return();
  RETURN_IF_ERROR(AttemptFromProto(from, update));
  update.reason = from.reason();
  update.message = from.message();
  return update;
}

std::string Encode(const core::RecordedRequest& request) {
  Scratch<v1::RecordedRequest> scratch;
  v1::RecordedRequest& to = *scratch;
  to.set_sequence(request.sequence);
  to.set_fingerprint(request.fingerprint);
  return to.SerializeAsString();
}

absl::StatusOr<core::RecordedRequest> DecodeRequest(absl::string_view bytes) {
  Scratch<v1::RecordedRequest> scratch;
  RETURN_IF_ERROR(Parse(bytes, "request", *scratch));
  const v1::RecordedRequest& from = *scratch;
  return core::RecordedRequest{from.sequence(), from.fingerprint()};
}

std::string Encode(const core::HistoryKey& key,
                   const core::HistoryEntry& entry) {
  Scratch<v1::History> scratch;
  v1::History& to = *scratch;
  to.set_from_driver(key.from_driver);
  to.set_to_driver(key.to_driver);
  to.set_model(key.model);
  to.set_profile(key.profile);
  to.set_vgpus(entry.vgpus);
  for (const auto& [number, times] : entry.blackouts.buckets()) {
    v1::Bucket& bucket = *to.add_blackouts();
    bucket.set_bucket(number);
    bucket.set_times(times);
  }
  to.set_saved_bytes(entry.saved_bytes);
  to.set_hosts(entry.hosts);
  to.set_duration_ns(ToNs(entry.duration));
  to.set_time_ns(ToNs(entry.time));
  return to.SerializeAsString();
}

absl::Status DecodeHistory(absl::string_view bytes, core::History& history) {
  Scratch<v1::History> scratch;
  RETURN_IF_ERROR(Parse(bytes, "history", *scratch));
  const v1::History& from = *scratch;
  core::HistoryEntry& entry = history[{from.from_driver(), from.to_driver(),
                                       from.model(), from.profile()}];
  entry.vgpus = from.vgpus();
  for (const v1::Bucket& bucket : from.blackouts()) {
    entry.blackouts.AddToBucket(bucket.bucket(), bucket.times());
  }
  entry.saved_bytes = from.saved_bytes();
  entry.hosts = from.hosts();
  entry.duration = absl::Nanoseconds(from.duration_ns());
  entry.time = ToTime(from.time_ns());
  return absl::OkStatus();
}

std::string Encode(const core::Capsule& capsule) {
  Scratch<v1::Capsule> scratch;
  v1::Capsule& to = *scratch;
  to.set_attempt(capsule.attempt);
  to.set_time_ns(ToNs(capsule.time));
  to.set_state(static_cast<uint32_t>(capsule.state));
  to.set_reason(capsule.reason);
  to.set_message(capsule.message);
  to.set_from_version(capsule.from_version);
  to.set_to_version(capsule.to_version);
  AttemptToProto(capsule, to);
  if (capsule.incident.has_value()) {
    ToProto(*capsule.incident, *to.mutable_incident());
  }
  to.set_expire_time_ns(ToNs(capsule.expire_time));
  return to.SerializeAsString();
}

absl::StatusOr<core::Capsule> DecodeCapsule(absl::string_view bytes) {
  Scratch<v1::Capsule> scratch;
  RETURN_IF_ERROR(Parse(bytes, "capsule", *scratch));
  const v1::Capsule& from = *scratch;
  core::Capsule capsule;
  capsule.attempt = from.attempt();
  capsule.time = ToTime(from.time_ns());
  ASSIGN_OR_RETURN(capsule.state, UpdateStateOf(from.state()));
  capsule.reason = from.reason();
  capsule.message = from.message();
  capsule.from_version = from.from_version();
  capsule.to_version = from.to_version();
  RETURN_IF_ERROR(AttemptFromProto(from, capsule));
  if (from.has_incident()) capsule.incident = FromProto(from.incident());
  capsule.expire_time = ToTime(from.expire_time_ns());
  return capsule;
}

std::string Encode(const core::AuditRecord& record) {
  Scratch<v1::AuditRecord> scratch;
  v1::AuditRecord& to = *scratch;
  to.set_time_ns(ToNs(record.time));
  to.set_actor(record.actor);
  to.set_action(record.action);
  to.set_resource(record.resource);
  to.set_detail(record.detail);
  to.set_hash(record.hash);
  return to.SerializeAsString();
}

absl::StatusOr<core::AuditRecord> DecodeAudit(uint64_t sequence,
                                              absl::string_view bytes) {
  Scratch<v1::AuditRecord> scratch;
  RETURN_IF_ERROR(Parse(bytes, "audit record", *scratch));
  const v1::AuditRecord& from = *scratch;
  return core::AuditRecord{sequence,      ToTime(from.time_ns()), from.actor(),
                           from.action(), from.resource(),        from.detail(),
                           from.hash()};
}

}  // namespace baton::store
