#include "service/store/codec_rollout.h"

#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "base/time_zone.h"
#include "service/store/codec_values.h"

namespace baton::store {
namespace {

// ---- Specs.

void ToProto(const core::FailureTolerance& from, v1::FailureTolerance& to) {
  if (from.hosts.has_value()) to.set_hosts(*from.hosts);
  if (from.percent.has_value()) to.set_percent(*from.percent);
}

core::FailureTolerance FromProto(const v1::FailureTolerance& from) {
  core::FailureTolerance to;
  if (from.has_hosts()) to.hosts = from.hosts();
  if (from.has_percent()) to.percent = from.percent();
  return to;
}

void ToProto(const core::WaveSpec& from, v1::WaveSpec& to) {
  to.set_name(from.name);
  to.set_size(static_cast<uint32_t>(from.size));
  to.set_number(from.number);
  to.set_bake_ns(ToNs(from.bake));
  to.set_coverage(from.coverage);
  to.set_approvals(from.approvals);
  to.set_hold_after(from.hold_after);
  if (from.failure_tolerance.has_value()) {
    ToProto(*from.failure_tolerance, *to.mutable_failure_tolerance());
  }
}

absl::StatusOr<core::WaveSpec> FromProto(const v1::WaveSpec& from) {
  core::WaveSpec to;
  to.name = from.name();
  ASSIGN_OR_RETURN(to.size, ToEnum(from.size(), core::WaveSize::kUnset,
                                   core::WaveSize::kRest));
  to.number = from.number();
  to.bake = absl::Nanoseconds(from.bake_ns());
  to.coverage = from.coverage();
  to.approvals = from.approvals();
  to.hold_after = from.hold_after();
  if (from.has_failure_tolerance()) {
    to.failure_tolerance = FromProto(from.failure_tolerance());
  }
  return to;
}

void ToProto(const core::LimitsSpec& from, v1::RolloutSpec& to) {
  if (from.max_unavailable.has_value()) {
    to.set_max_unavailable(*from.max_unavailable);
  }
  if (from.max_unavailable_percent.has_value()) {
    to.set_max_unavailable_percent(*from.max_unavailable_percent);
  }
  for (const core::DomainLimit& domain : from.domains) {
    v1::DomainLimit& added = *to.add_domains();
    added.set_label(domain.label);
    added.set_max_unavailable(domain.max_unavailable);
  }
}

core::LimitsSpec LimitsOf(const v1::RolloutSpec& from) {
  core::LimitsSpec to;
  if (from.has_max_unavailable()) to.max_unavailable = from.max_unavailable();
  if (from.has_max_unavailable_percent()) {
    to.max_unavailable_percent = from.max_unavailable_percent();
  }
  for (const v1::DomainLimit& domain : from.domains()) {
    to.domains.push_back({domain.label(), domain.max_unavailable()});
  }
  return to;
}

absl::Status ReadDeadlines(const v1::RolloutSpec& from,
                           core::StepDeadlines& to) {
  absl::Duration* const fields[] = {&to.prepare, &to.gate,   &to.pause,
                                    &to.save,    &to.unload, &to.restore,
                                    &to.verify,  &to.resume, &to.confirm};
  if (from.deadlines_ns_size() != static_cast<int>(std::size(fields))) {
    return CorruptError("list of deadlines");
  }
  for (size_t i = 0; i < std::size(fields); ++i) {
    *fields[i] = absl::Nanoseconds(from.deadlines_ns(static_cast<int>(i)));
  }
  return absl::OkStatus();
}

void ToProto(const core::WindowSpec& from, v1::WindowSpec& to) {
  // The core counts days from 0.
  for (const absl::Weekday day : from.days) {
    to.add_days(static_cast<uint32_t>(day) + 1);
  }
  to.set_from(from.from);
  to.set_to(from.to);
  to.set_time_zone(from.time_zone);
  to.set_cutoff(static_cast<uint32_t>(from.cutoff));
}

absl::StatusOr<core::WindowSpec> FromProto(const v1::WindowSpec& from) {
  core::WindowSpec to;
  for (const uint32_t number : from.days()) {
    ASSIGN_OR_RETURN(
        const absl::Weekday day,
        ToEnum(number - 1, absl::Weekday::monday, absl::Weekday::sunday));
    to.days.push_back(day);
  }
  to.from = from.from();
  to.to = from.to();
  to.time_zone = from.time_zone();
  to.zone = FindTimeZone(to.time_zone);
  // Nobody can tell when such a window is open.
  if (!to.zone.has_value()) {
    return ErrorWithReason(
        absl::StatusCode::kFailedPrecondition, "TIME_ZONE_UNKNOWN",
        absl::StrCat("time zone '", to.time_zone,
                     "' of a rollout's window is "
                     "not in this machine's database; is tzdata installed?"));
  }
  ASSIGN_OR_RETURN(to.cutoff, ToEnum(from.cutoff(), core::WindowCutoff::kFinish,
                                     core::WindowCutoff::kCancelBeforeUnload));
  return to;
}

// The policy beside waves, limits and deadlines.
void WritePolicy(const core::RolloutSpec& from, v1::RolloutSpec& to) {
  to.set_on_exceeded(static_cast<uint32_t>(from.on_exceeded));
  to.set_per_vgpu_max_ns(ToNs(from.blackout.per_vgpu_max));
  if (from.blackout.p99_max.has_value()) {
    to.set_p99_max_ns(ToNs(*from.blackout.p99_max));
  }
  to.set_attempts(from.retry.attempts);
  to.set_backoff_ns(ToNs(from.retry.backoff));
  for (const core::WindowSpec& window : from.windows) {
    ToProto(window, *to.add_windows());
  }
  to.set_hook_before(from.hooks.before);
  to.set_hook_after(from.hooks.after);
  to.set_rollback_path(from.require.rollback_path);
  to.set_spare_memory_bytes(from.require.spare_memory_bytes);
  to.set_deadline_ns(ToNs(from.deadline));
}

absl::Status ReadPolicy(const v1::RolloutSpec& from, core::RolloutSpec& to) {
  if (from.has_on_exceeded()) {
    ASSIGN_OR_RETURN(to.on_exceeded,
                     ToEnum(from.on_exceeded(), core::OnExceeded::kHold,
                            core::OnExceeded::kRollBack));
  }
  if (from.has_per_vgpu_max_ns()) {
    to.blackout.per_vgpu_max = absl::Nanoseconds(from.per_vgpu_max_ns());
  }
  if (from.has_p99_max_ns()) {
    to.blackout.p99_max = absl::Nanoseconds(from.p99_max_ns());
  }
  if (from.has_attempts()) to.retry.attempts = from.attempts();
  if (from.has_backoff_ns()) {
    to.retry.backoff = absl::Nanoseconds(from.backoff_ns());
  }
  for (const v1::WindowSpec& window : from.windows()) {
    ASSIGN_OR_RETURN(core::WindowSpec read, FromProto(window));
    to.windows.push_back(std::move(read));
  }
  to.hooks = {from.hook_before(), from.hook_after()};
  if (from.has_rollback_path()) to.require.rollback_path = from.rollback_path();
  if (from.has_spare_memory_bytes()) {
    to.require.spare_memory_bytes = from.spare_memory_bytes();
  }
  if (from.has_deadline_ns()) {
    to.deadline = absl::Nanoseconds(from.deadline_ns());
  }
  return absl::OkStatus();
}

// ---- Plans.

void ToProto(const core::PlannedWave& from, v1::PlannedWave& to) {
  to.set_name(from.name);
  to.set_bake_ns(ToNs(from.bake));
  for (const core::PlannedHost& host : from.hosts) {
    v1::PlannedHost& added = *to.add_hosts();
    added.set_host(host.host.str());
    added.set_from_version(host.from_version.str());
    added.set_vgpus(host.vgpus);
    added.set_to_driver(host.to_driver.str());
    added.set_predicted_blackout_ns(ToNs(host.predicted_blackout));
    added.set_without_way_back(host.without_way_back);
    added.set_from_driver(host.from_driver.str());
  }
  to.set_approvals(from.approvals);
  if (from.failures_max.has_value()) to.set_failures_max(*from.failures_max);
  if (from.coverage.has_value()) {
    v1::Coverage& coverage = *to.mutable_coverage();
    coverage.set_combinations(from.coverage->combinations);
    coverage.set_met(from.coverage->met);
    coverage.mutable_missed()->Assign(from.coverage->missed.begin(),
                                      from.coverage->missed.end());
  }
}

core::PlannedWave FromProto(const v1::PlannedWave& from) {
  core::PlannedWave to;
  to.name = from.name();
  to.bake = absl::Nanoseconds(from.bake_ns());
  for (const v1::PlannedHost& host : from.hosts()) {
    to.hosts.push_back({host.host(), host.from_version(), host.vgpus(),
                        host.to_driver(),
                        absl::Nanoseconds(host.predicted_blackout_ns()),
                        host.without_way_back(), host.from_driver()});
  }
  to.approvals = from.approvals();
  if (from.has_failures_max()) to.failures_max = from.failures_max();
  if (from.has_coverage()) {
    const v1::Coverage& coverage = from.coverage();
    to.coverage =
        core::Coverage{coverage.combinations(),
                       coverage.met(),
                       {coverage.missed().begin(), coverage.missed().end()}};
  }
  return to;
}

}  // namespace

void ToProto(const core::RolloutSpec& from, v1::RolloutSpec& to) {
  to.set_driver(from.driver);
  to.set_selector(from.selector);
  for (const core::WaveSpec& wave : from.waves) ToProto(wave, *to.add_waves());
  ToProto(from.limits, to);
  if (from.failure_tolerance.hosts.has_value()) {
    to.set_tolerated_hosts(*from.failure_tolerance.hosts);
  }
  if (from.failure_tolerance.percent.has_value()) {
    to.set_tolerated_percent(*from.failure_tolerance.percent);
  }
  const core::StepDeadlines& deadlines = from.deadlines;
  for (const absl::Duration deadline :
       {deadlines.prepare, deadlines.gate, deadlines.pause, deadlines.save,
        deadlines.unload, deadlines.restore, deadlines.verify, deadlines.resume,
        deadlines.confirm}) {
    to.add_deadlines_ns(ToNs(deadline));
  }
  WritePolicy(from, to);
  to.set_rollback_of(from.rollback_of);
}

absl::Status FromProto(const v1::RolloutSpec& from, core::RolloutSpec& to) {
  to.driver = from.driver();
  to.selector = from.selector();
  for (const v1::WaveSpec& wave : from.waves()) {
    ASSIGN_OR_RETURN(core::WaveSpec read, FromProto(wave));
    to.waves.push_back(std::move(read));
  }
  to.limits = LimitsOf(from);
  if (from.has_tolerated_hosts()) {
    to.failure_tolerance.hosts = from.tolerated_hosts();
  }
  if (from.has_tolerated_percent()) {
    to.failure_tolerance.percent = from.tolerated_percent();
  }
  RETURN_IF_ERROR(ReadDeadlines(from, to.deadlines));
  RETURN_IF_ERROR(ReadPolicy(from, to));
  to.rollback_of = from.rollback_of();
  return absl::OkStatus();
}

void ToProto(const core::RolloutPlan& from, v1::RolloutPlan& to) {
  to.set_digest(from.digest);
  to.set_time_ns(ToNs(from.time));
  to.set_hosts(from.hosts);
  to.set_max_unavailable(from.max_unavailable);
  to.set_failures_max(from.failures_max);
  for (const core::PlannedWave& wave : from.waves) {
    ToProto(wave, *to.add_waves());
  }
  for (const core::BlockedHost& host : from.blocked) {
    v1::BlockedHost& blocked = *to.add_blocked();
    blocked.set_host(host.host);
    blocked.set_reason(host.reason);
    blocked.set_message(host.message);
  }
  to.set_estimated_duration_ns(ToNs(from.estimated_duration));
  if (from.estimated_end != absl::InfiniteFuture()) {
    to.set_estimated_end_ns(ToNs(from.estimated_end));
  }
  to.set_predicted_blackout_ns(ToNs(from.predicted_blackout));
}

core::RolloutPlan FromProto(const v1::RolloutPlan& from) {
  core::RolloutPlan to;
  to.digest = from.digest();
  to.time = ToTime(from.time_ns());
  to.hosts = from.hosts();
  to.max_unavailable = from.max_unavailable();
  to.failures_max = from.failures_max();
  for (const v1::PlannedWave& wave : from.waves()) {
    to.waves.push_back(FromProto(wave));
  }
  for (const v1::BlockedHost& host : from.blocked()) {
    to.blocked.push_back({host.host(), host.reason(), host.message()});
  }
  to.estimated_duration = absl::Nanoseconds(from.estimated_duration_ns());
  if (from.has_estimated_end_ns()) {
    to.estimated_end = ToTime(from.estimated_end_ns());
  }
  to.predicted_blackout = absl::Nanoseconds(from.predicted_blackout_ns());
  return to;
}

}  // namespace baton::store
