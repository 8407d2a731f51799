#include "service/rpc/convert_rollout.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "service/core/errors.h"
#include "service/core/fleet.h"
#include "service/core/names.h"
#include "service/rpc/convert.h"
#include "service/rpc/convert_spec.h"

namespace baton::rpc {
namespace {

// The overloads below would hide those of the header.
using ::baton::rpc::FromProto;
using ::baton::rpc::ToProto;

v1::Coverage ToProto(const core::Coverage& coverage) {
  v1::Coverage proto;
  proto.set_combinations(coverage.combinations);
  proto.set_met(coverage.met);
  *proto.mutable_missed() = {coverage.missed.begin(), coverage.missed.end()};
  return proto;
}

v1::PlannedWave ToProto(const core::PlannedWave& wave) {
  v1::PlannedWave proto;
  proto.set_name(wave.name);
  if (wave.bake != absl::ZeroDuration()) {
    *proto.mutable_bake() = ToProto(wave.bake);
  }
  for (const core::PlannedHost& host : wave.hosts) {
    v1::PlannedHost& planned = *proto.add_hosts();
    planned.set_host(host.host.str());
    planned.set_from_version(host.from_version.str());
    planned.set_vgpus(host.vgpus);
    planned.set_to_driver(host.to_driver.str());
    planned.set_without_way_back(host.without_way_back);
    planned.set_from_driver(host.from_driver.str());
    if (host.predicted_blackout != absl::ZeroDuration()) {
      *planned.mutable_predicted_blackout() = ToProto(host.predicted_blackout);
    }
  }
  proto.set_approvals(wave.approvals);
  if (wave.failures_max.has_value()) {
    proto.set_failures_max(*wave.failures_max);
  }
  if (wave.coverage.has_value()) {
    *proto.mutable_coverage() = ToProto(*wave.coverage);
  }
  return proto;
}

v1::RolloutPlan ToProto(const core::RolloutPlan& plan) {
  v1::RolloutPlan proto;
  proto.set_digest(plan.digest);
  for (const core::PlannedWave& wave : plan.waves) {
    *proto.add_waves() = ToProto(wave);
  }
  for (const core::BlockedHost& host : plan.blocked) {
    v1::BlockedHost& blocked = *proto.add_blocked();
    blocked.set_host(host.host);
    blocked.set_reason(host.reason);
    blocked.set_message(host.message);
  }
  *proto.mutable_time() = ToProto(plan.time);
  proto.set_hosts(plan.hosts);
  proto.set_max_unavailable(plan.max_unavailable);
  proto.set_failures_max(plan.failures_max);
  if (plan.estimated_duration != absl::ZeroDuration()) {
    *proto.mutable_estimated_duration() = ToProto(plan.estimated_duration);
  }
  if (plan.estimated_end != absl::InfiniteFuture()) {
    *proto.mutable_estimated_end_time() = ToProto(plan.estimated_end);
  }
  if (plan.predicted_blackout != absl::ZeroDuration()) {
    *proto.mutable_predicted_blackout() = ToProto(plan.predicted_blackout);
  }
  return proto;
}

v1::Approval ToProto(const core::Approval& approval) {
  v1::Approval proto;
  proto.set_by(approval.by);
  proto.set_wave(approval.wave);
  proto.set_digest(approval.digest);
  proto.set_remark(approval.remark);
  *proto.mutable_time() = ToProto(approval.time);
  return proto;
}

v1::RolloutProgress ToProto(const core::RolloutProgress& progress) {
  v1::RolloutProgress proto;
  proto.set_total(progress.total);
  proto.set_pending(progress.pending);
  proto.set_running(progress.running);
  proto.set_done(progress.done);
  proto.set_cancelled(progress.cancelled);
  proto.set_rolled_back(progress.rolled_back);
  proto.set_quarantined(progress.quarantined);
  proto.set_skipped(progress.skipped);
  proto.set_vgpus(progress.vgpus);
  proto.set_vgpus_preserved(progress.vgpus_preserved);
  if (progress.blackout_p50.has_value()) {
    *proto.mutable_blackout_p50() = ToProto(*progress.blackout_p50);
  }
  if (progress.blackout_p99.has_value()) {
    *proto.mutable_blackout_p99() = ToProto(*progress.blackout_p99);
  }
  if (progress.blackout_max.has_value()) {
    *proto.mutable_blackout_max() = ToProto(*progress.blackout_max);
  }
  proto.set_wave(progress.wave);
  return proto;
}

v1::StepRecord ToProto(const core::StepRecord& record) {
  v1::StepRecord proto;
  proto.set_step(static_cast<v1::Step>(record.step));
  if (record.start_time != absl::InfinitePast()) {
    *proto.mutable_start_time() = ToProto(record.start_time);
  }
  *proto.mutable_elapsed() = ToProto(record.elapsed);
  proto.set_code(record.code);
  proto.set_reason(record.reason);
  proto.set_message(record.message);
  if (record.nt_status.has_value()) proto.set_nt_status(*record.nt_status);
  proto.set_entry_point(record.entry_point);
  proto.set_rule(record.rule);
  proto.set_backward(record.backward);
  return proto;
}

v1::VirtualGpuResult ToProto(const core::VirtualGpuResult& result) {
  v1::VirtualGpuResult proto;
  proto.set_partition_id(result.partition_id);
  proto.set_guest(result.guest);
  proto.set_preserved(result.preserved);
  if (result.blackout.has_value()) {
    *proto.mutable_blackout() = ToProto(*result.blackout);
  }
  proto.set_difference(result.difference);
  return proto;
}

v1::SavedState ToProto(const core::SavedState& saved) {
  v1::SavedState proto;
  proto.set_blocks(saved.blocks);
  proto.set_size_bytes(saved.size_bytes);
  return proto;
}

v1::SavedBlock ToProto(const core::SavedBlock& block) {
  v1::SavedBlock proto;
  proto.set_index(block.index);
  proto.set_form(block.form);
  proto.set_size_bytes(block.size_bytes);
  proto.set_metadata_bytes(block.metadata_bytes);
  proto.set_digest(block.digest);
  return proto;
}

v1::CensusLine ToProto(const core::CensusLine& line) {
  v1::CensusLine proto;
  proto.set_partition_id(line.partition_id);
  proto.set_guest(line.guest);
  proto.set_fence_value(line.fence_value);
  proto.set_state_digest(line.state_digest);
  return proto;
}

core::VirtualGpuResult FromProto(const v1::VirtualGpuResult& proto) {
  core::VirtualGpuResult result = {.partition_id = proto.partition_id(),
                                   .guest = proto.guest(),
                                   .preserved = proto.preserved(),
                                   .difference = proto.difference()};
  if (proto.has_blackout()) result.blackout = FromProto(proto.blackout());
  return result;
}

core::SavedBlock FromProto(const v1::SavedBlock& proto) {
  return {.index = proto.index(),
          .form = proto.form(),
          .size_bytes = proto.size_bytes(),
          .metadata_bytes = proto.metadata_bytes(),
          .digest = proto.digest()};
}

core::CensusLine FromProto(const v1::CensusLine& proto) {
  return {.partition_id = proto.partition_id(),
          .guest = proto.guest(),
          .fence_value = proto.fence_value(),
          .state_digest = proto.state_digest()};
}

absl::Status UnknownError(absl::string_view what, int number) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_REPORT",
                         absl::StrCat("report has ", what, " ", number,
                                      ", which this release does not know"));
}

absl::StatusOr<core::Step> FromProto(v1::Step step) {
  if (!v1::Step_IsValid(step)) return UnknownError("step", step);
  return static_cast<core::Step>(step);
}

absl::StatusOr<core::StepRecord> FromProto(const v1::StepRecord& proto) {
  core::StepRecord record = {.elapsed = FromProto(proto.elapsed()),
                             .code = proto.code(),
                             .reason = proto.reason(),
                             .message = proto.message(),
                             .entry_point = proto.entry_point(),
                             .rule = proto.rule(),
                             .backward = proto.backward()};
  ASSIGN_OR_RETURN(record.step, FromProto(proto.step()));
  if (proto.has_start_time()) record.start_time = FromProto(proto.start_time());
  if (proto.has_nt_status()) record.nt_status = proto.nt_status();
  return record;
}

// Returns the version that the update's host is to run.
std::string ToVersionOf(const core::Rollout& rollout,
                        const core::Update& update) {
  if (rollout.spec.rollback_of.empty()) {
    return std::string(core::ShortName(rollout.spec.driver));
  }
  const core::PlannedHost& host =
      rollout.plan->waves.at(update.wave).hosts.at(update.position);
  return std::string(core::ShortName(core::DriverNameOf(rollout, host)));
}

}  // namespace

v1::Rollout ToProto(const core::Rollout& rollout, WithPlan with_plan) {
  v1::Rollout proto;
  proto.set_name(rollout.name);
  *proto.mutable_spec() = ToProto(rollout.spec);
  proto.set_state(static_cast<v1::RolloutState>(rollout.state));
  proto.set_reason(rollout.reason);
  proto.set_message(rollout.message);
  if (rollout.plan.has_value() && with_plan == WithPlan::kYes) {
    *proto.mutable_plan() = ToProto(*rollout.plan);
  }
  *proto.mutable_progress() = ToProto(core::ProgressOf(rollout));
  proto.set_author(rollout.author);
  *proto.mutable_create_time() = ToProto(rollout.create_time);
  if (rollout.start_time != absl::InfinitePast()) {
    *proto.mutable_start_time() = ToProto(rollout.start_time);
  }
  if (rollout.end_time != absl::InfinitePast()) {
    *proto.mutable_end_time() = ToProto(rollout.end_time);
  }
  proto.set_etag(core::EtagOf(rollout.version));
  for (const core::Approval& approval : rollout.approvals) {
    *proto.add_approvals() = ToProto(approval);
  }
  proto.set_rollback(rollout.rollback);
  return proto;
}

v1::Update ToProto(const core::Rollout& rollout, const std::string& host,
                   const core::Update& update) {
  v1::Update proto;
  proto.set_name(core::UpdateName(rollout.name, host));
  proto.set_state(static_cast<v1::UpdateState>(update.state));
  proto.set_step(static_cast<v1::Step>(update.step));
  proto.set_past_no_return(update.past_no_return);
  proto.set_attempt(update.attempt);
  proto.set_wave(core::WaveNameOf(rollout, update.wave));
  proto.set_from_version(update.from_version.str());
  proto.set_to_version(ToVersionOf(rollout, update));
  for (const core::StepRecord& step : update.steps) {
    *proto.add_steps() = ToProto(step);
  }
  for (const core::VirtualGpuResult& vgpu : update.vgpus) {
    *proto.add_vgpus() = ToProto(vgpu);
  }
  proto.set_reason(update.reason.str());
  proto.set_message(update.message.str());
  if (update.start_time != absl::InfinitePast()) {
    *proto.mutable_start_time() = ToProto(update.start_time);
  }
  if (update.end_time != absl::InfinitePast()) {
    *proto.mutable_end_time() = ToProto(update.end_time);
  }
  if (update.saved.has_value()) {
    *proto.mutable_saved() = ToProto(*update.saved);
  }
  proto.set_cancel_requested(update.cancel != core::Cancel::kNone);
  proto.set_tries(update.tries);
  if (update.not_before != absl::InfinitePast()) {
    *proto.mutable_not_before() = ToProto(update.not_before);
  }
  return proto;
}

v1::HostEffect ToProto(const core::HostEffect& effect) {
  v1::HostEffect proto;
  proto.set_host(effect.host);
  proto.set_outcome(static_cast<v1::HostEffect::Outcome>(effect.outcome));
  proto.set_step(static_cast<v1::Step>(effect.step));
  return proto;
}

v1::Order ToProto(const core::Order& order) {
  v1::Order proto;
  proto.set_epoch(order.epoch);
  proto.set_rollout(order.rollout);
  proto.set_attempt(order.attempt);
  proto.set_kind(static_cast<v1::OrderKind>(order.kind));
  if (order.kind == core::OrderKind::kStart) {
    proto.mutable_driver()->set_name(order.driver);
    proto.mutable_driver()->set_digest(order.driver_digest);
    proto.mutable_driver()->set_size_bytes(order.driver_size_bytes);
    *proto.mutable_deadlines() = ToProto(order.deadlines);
    if (order.hooks != core::HooksSpec()) {
      proto.mutable_hooks()->set_before(order.hooks.before);
      proto.mutable_hooks()->set_after(order.hooks.after);
    }
    proto.set_without_way_back(order.without_way_back);
    if (order.not_after < absl::InfiniteFuture()) {
      *proto.mutable_not_after() = ToProto(order.not_after);
    }
    for (const core::Step step : core::kStepsOfUpdate) {
      proto.add_steps(static_cast<v1::Step>(step));
    }
  }
  return proto;
}

v1::Capsule ToProto(const std::string& update, const core::Capsule& capsule) {
  v1::Capsule proto;
  proto.set_update(update);
  proto.set_attempt(capsule.attempt);
  *proto.mutable_time() = ToProto(capsule.time);
  proto.set_state(static_cast<v1::UpdateState>(capsule.state));
  proto.set_reason(capsule.reason);
  proto.set_message(capsule.message);
  proto.set_from_version(capsule.from_version);
  proto.set_to_version(capsule.to_version);
  for (const core::StepRecord& step : capsule.steps) {
    *proto.add_steps() = ToProto(step);
  }
  for (const core::VirtualGpuResult& vgpu : capsule.vgpus) {
    *proto.add_vgpus() = ToProto(vgpu);
  }
  if (capsule.saved.has_value()) {
    *proto.mutable_saved() = ToProto(*capsule.saved);
  }
  if (capsule.incident.has_value()) {
    *proto.mutable_incident() = ToProto(*capsule.incident);
  }
  *proto.mutable_expire_time() = ToProto(capsule.expire_time);
  return proto;
}

v1::Incident ToProto(const core::Incident& incident) {
  v1::Incident proto;
  for (const core::SavedBlock& block : incident.blocks) {
    *proto.add_blocks() = ToProto(block);
  }
  for (const core::CensusLine& line : incident.before) {
    *proto.add_before() = ToProto(line);
  }
  for (const core::CensusLine& line : incident.after) {
    *proto.add_after() = ToProto(line);
  }
  *proto.mutable_driver_log() = {incident.driver_log.begin(),
                                 incident.driver_log.end()};
  return proto;
}

core::Incident FromProto(const v1::Incident& incident) {
  core::Incident parsed = {.driver_log = {incident.driver_log().begin(),
                                          incident.driver_log().end()}};
  for (const v1::SavedBlock& block : incident.blocks()) {
    parsed.blocks.push_back(FromProto(block));
  }
  for (const v1::CensusLine& line : incident.before()) {
    parsed.before.push_back(FromProto(line));
  }
  for (const v1::CensusLine& line : incident.after()) {
    parsed.after.push_back(FromProto(line));
  }
  return parsed;
}

absl::StatusOr<core::UpdateReport> FromProto(const v1::UpdateReport& report) {
  if (!v1::UpdateState_IsValid(report.state()) ||
      report.state() == v1::UPDATE_STATE_UNSPECIFIED) {
    return UnknownError("state", report.state());
  }
  core::UpdateReport parsed = {
      .rollout = report.rollout(),
      .attempt = report.attempt(),
      .sequence = report.sequence(),
      .state = static_cast<core::UpdateState>(report.state()),
      .past_no_return = report.past_no_return(),
      .reason = report.reason(),
      .message = report.message()};
  ASSIGN_OR_RETURN(parsed.step, FromProto(report.step()));
  parsed.steps.reserve(static_cast<size_t>(report.steps_size()));
  for (const v1::StepRecord& proto : report.steps()) {
    ASSIGN_OR_RETURN(core::StepRecord record, FromProto(proto));
    parsed.steps.push_back(std::move(record));
  }
  for (const v1::VirtualGpuResult& vgpu : report.vgpus()) {
    parsed.vgpus.push_back(FromProto(vgpu));
  }
  if (report.has_saved()) {
    parsed.saved = core::SavedState{.blocks = report.saved().blocks(),
                                    .size_bytes = report.saved().size_bytes()};
  }
  if (report.has_incident()) parsed.incident = FromProto(report.incident());
  return parsed;
}

absl::StatusOr<UpdateNames> ParseUpdateName(absl::string_view name) {
  constexpr absl::string_view kBetween = "/updates/";
  const size_t at = name.find(kBetween);
  if (at != absl::string_view::npos) {
    UpdateNames names = {
        .rollout = std::string(name.substr(0, at)),
        .host = absl::StrCat("hosts/", name.substr(at + kBetween.size()))};
    if (core::CheckRolloutName(names.rollout).ok() &&
        core::CheckHostName(names.host).ok()) {
      return names;
    }
  }
  return core::BadNameError(name, "rollouts/{rollout}/updates/{host}");
}

}  // namespace baton::rpc
