#include "service/rpc/convert_spec.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/time_zone.h"
#include "service/core/errors.h"
#include "service/rpc/convert.h"

namespace baton::rpc {
namespace {

// The overloads below would hide those of the header.
using ::baton::rpc::FromProto;
using ::baton::rpc::ToProto;

// ---- To the wire.

v1::FailureTolerance ToProto(const core::FailureTolerance& tolerance) {
  v1::FailureTolerance proto;
  if (tolerance.hosts.has_value()) proto.set_hosts(*tolerance.hosts);
  if (tolerance.percent.has_value()) proto.set_percent(*tolerance.percent);
  return proto;
}

void SetSize(const core::WaveSpec& wave, v1::WaveSpec& proto) {
  switch (wave.size) {
    case core::WaveSize::kUnset:
      break;
    case core::WaveSize::kHosts:
      proto.set_hosts(wave.number);
      break;
    case core::WaveSize::kPercent:
      proto.set_percent(wave.number);
      break;
    case core::WaveSize::kRest:
      proto.set_rest(true);
      break;
  }
}

v1::WaveSpec ToProto(const core::WaveSpec& wave) {
  v1::WaveSpec proto;
  proto.set_name(wave.name);
  SetSize(wave, proto);
  if (wave.bake != absl::ZeroDuration()) {
    *proto.mutable_bake() = ToProto(wave.bake);
  }
  proto.set_coverage(wave.coverage);
  proto.set_approvals(wave.approvals);
  proto.set_hold_after(wave.hold_after);
  if (wave.failure_tolerance.has_value()) {
    *proto.mutable_failure_tolerance() = ToProto(*wave.failure_tolerance);
  }
  return proto;
}

v1::LimitsSpec ToProto(const core::LimitsSpec& limits) {
  v1::LimitsSpec proto;
  if (limits.max_unavailable.has_value()) {
    proto.set_max_unavailable(*limits.max_unavailable);
  }
  if (limits.max_unavailable_percent.has_value()) {
    proto.set_max_unavailable_percent(*limits.max_unavailable_percent);
  }
  for (const core::DomainLimit& domain : limits.domains) {
    v1::DomainLimit& added = *proto.add_domains();
    added.set_label(domain.label);
    added.set_max_unavailable(domain.max_unavailable);
  }
  return proto;
}

v1::BlackoutSpec ToProto(const core::BlackoutSpec& blackout) {
  v1::BlackoutSpec proto;
  *proto.mutable_per_vgpu_max() = ToProto(blackout.per_vgpu_max);
  if (blackout.p99_max.has_value()) {
    *proto.mutable_p99_max() = ToProto(*blackout.p99_max);
  }
  return proto;
}

v1::RetrySpec ToProto(const core::RetrySpec& retry) {
  v1::RetrySpec proto;
  proto.set_attempts(retry.attempts);
  *proto.mutable_backoff() = ToProto(retry.backoff);
  return proto;
}

v1::Weekday ToProto(absl::Weekday day) {
  // Both count from Monday; the wire has a 0 of its own.
  return static_cast<v1::Weekday>(static_cast<int>(day) + 1);
}

v1::WindowSpec ToProto(const core::WindowSpec& window) {
  v1::WindowSpec proto;
  for (const absl::Weekday day : window.days) proto.add_days(ToProto(day));
  proto.set_from(window.from);
  proto.set_to(window.to);
  proto.set_time_zone(window.time_zone);
  proto.set_cutoff(static_cast<v1::WindowCutoff>(window.cutoff));
  return proto;
}

v1::RequireSpec ToProto(const core::RequireSpec& require) {
  v1::RequireSpec proto;
  proto.set_rollback_path(require.rollback_path);
  proto.set_spare_memory_bytes(require.spare_memory_bytes);
  return proto;
}

// ---- From the wire.

// Returns `number` as the core's enum, `otherwise` where it says nothing.
template <typename Enum, typename IsValid>
absl::StatusOr<Enum> EnumOr(Enum otherwise, int number, IsValid is_valid,
                            absl::string_view field) {
  if (number == 0) return otherwise;
  if (is_valid(number)) return static_cast<Enum>(number);
  return core::BadSpecError(field, absl::StrCat("the number ", number),
                            "one that this release knows");
}

core::FailureTolerance FromProto(const v1::FailureTolerance& proto) {
  core::FailureTolerance tolerance;
  if (proto.has_hosts()) tolerance.hosts = proto.hosts();
  if (proto.has_percent()) tolerance.percent = proto.percent();
  return tolerance;
}

core::WaveSpec FromProto(const v1::WaveSpec& proto) {
  core::WaveSpec wave = {.name = proto.name(),
                         .bake = FromProto(proto.bake()),
                         .coverage = proto.coverage(),
                         .approvals = proto.approvals(),
                         .hold_after = proto.hold_after()};
  if (proto.has_hosts()) {
    wave.size = core::WaveSize::kHosts;
    wave.number = proto.hosts();
  } else if (proto.has_percent()) {
    wave.size = core::WaveSize::kPercent;
    wave.number = proto.percent();
  } else if (proto.has_rest() && proto.rest()) {
    wave.size = core::WaveSize::kRest;
  }
  if (proto.has_failure_tolerance()) {
    wave.failure_tolerance = FromProto(proto.failure_tolerance());
  }
  return wave;
}

core::LimitsSpec FromProto(const v1::LimitsSpec& proto) {
  core::LimitsSpec limits;
  if (proto.has_max_unavailable()) {
    limits.max_unavailable = proto.max_unavailable();
  }
  if (proto.has_max_unavailable_percent()) {
    limits.max_unavailable_percent = proto.max_unavailable_percent();
  }
  for (const v1::DomainLimit& domain : proto.domains()) {
    limits.domains.push_back(
        {.label = domain.label(), .max_unavailable = domain.max_unavailable()});
  }
  return limits;
}

core::StepDeadlines FromProto(const v1::StepDeadlines& proto) {
  core::StepDeadlines deadlines;
  if (proto.has_prepare()) deadlines.prepare = FromProto(proto.prepare());
  if (proto.has_gate()) deadlines.gate = FromProto(proto.gate());
  if (proto.has_pause()) deadlines.pause = FromProto(proto.pause());
  if (proto.has_save()) deadlines.save = FromProto(proto.save());
  if (proto.has_unload()) deadlines.unload = FromProto(proto.unload());
  if (proto.has_restore()) deadlines.restore = FromProto(proto.restore());
  if (proto.has_verify()) deadlines.verify = FromProto(proto.verify());
  if (proto.has_resume()) deadlines.resume = FromProto(proto.resume());
  if (proto.has_confirm()) deadlines.confirm = FromProto(proto.confirm());
  return deadlines;
}

core::BlackoutSpec FromProto(const v1::BlackoutSpec& proto) {
  core::BlackoutSpec blackout;
  if (proto.has_per_vgpu_max()) {
    blackout.per_vgpu_max = FromProto(proto.per_vgpu_max());
  }
  if (proto.has_p99_max()) blackout.p99_max = FromProto(proto.p99_max());
  return blackout;
}

core::RetrySpec FromProto(const v1::RetrySpec& proto) {
  core::RetrySpec retry;
  if (proto.has_attempts()) retry.attempts = proto.attempts();
  if (proto.has_backoff()) retry.backoff = FromProto(proto.backoff());
  return retry;
}

absl::StatusOr<absl::Weekday> DayOf(int number, absl::string_view field) {
  if (number != v1::WEEKDAY_UNSPECIFIED && v1::Weekday_IsValid(number)) {
    return static_cast<absl::Weekday>(number - 1);
  }
  return core::BadSpecError(field, absl::StrCat("the number ", number),
                            "a day, WEEKDAY_MONDAY to WEEKDAY_SUNDAY");
}

absl::StatusOr<core::WindowSpec> FromProto(const v1::WindowSpec& proto,
                                           absl::string_view field) {
  core::WindowSpec window = {.from = proto.from(),
                             .to = proto.to(),
                             .time_zone = proto.time_zone(),
                             .zone = FindTimeZone(proto.time_zone())};
  for (const int number : proto.days()) {
    ASSIGN_OR_RETURN(const absl::Weekday day,
                     DayOf(number, absl::StrCat(field, ".days")));
    window.days.push_back(day);
  }
  ASSIGN_OR_RETURN(window.cutoff, EnumOr(window.cutoff, proto.cutoff(),
                                         v1::WindowCutoff_IsValid,
                                         absl::StrCat(field, ".cutoff")));
  return window;
}

core::RequireSpec FromProto(const v1::RequireSpec& proto) {
  core::RequireSpec require;
  if (proto.has_rollback_path()) require.rollback_path = proto.rollback_path();
  if (proto.has_spare_memory_bytes()) {
    require.spare_memory_bytes = proto.spare_memory_bytes();
  }
  return require;
}

}  // namespace

v1::StepDeadlines ToProto(const core::StepDeadlines& deadlines) {
  v1::StepDeadlines proto;
  *proto.mutable_prepare() = ToProto(deadlines.prepare);
  *proto.mutable_gate() = ToProto(deadlines.gate);
  *proto.mutable_pause() = ToProto(deadlines.pause);
  *proto.mutable_save() = ToProto(deadlines.save);
  *proto.mutable_unload() = ToProto(deadlines.unload);
  *proto.mutable_restore() = ToProto(deadlines.restore);
  *proto.mutable_verify() = ToProto(deadlines.verify);
  *proto.mutable_resume() = ToProto(deadlines.resume);
  *proto.mutable_confirm() = ToProto(deadlines.confirm);
  return proto;
}

v1::RolloutSpec ToProto(const core::RolloutSpec& spec) {
  v1::RolloutSpec proto;
  proto.set_driver(spec.driver);
  proto.set_selector(spec.selector);
  for (const core::WaveSpec& wave : spec.waves) {
    *proto.add_waves() = ToProto(wave);
  }
  *proto.mutable_limits() = ToProto(spec.limits);
  *proto.mutable_failure_tolerance() = ToProto(spec.failure_tolerance);
  *proto.mutable_deadlines() = ToProto(spec.deadlines);
  proto.set_on_exceeded(static_cast<v1::OnExceeded>(spec.on_exceeded));
  *proto.mutable_blackout() = ToProto(spec.blackout);
  *proto.mutable_retry() = ToProto(spec.retry);
  for (const core::WindowSpec& window : spec.windows) {
    *proto.add_windows() = ToProto(window);
  }
  if (spec.hooks != core::HooksSpec()) {
    proto.mutable_hooks()->set_before(spec.hooks.before);
    proto.mutable_hooks()->set_after(spec.hooks.after);
  }
  *proto.mutable_require() = ToProto(spec.require);
  *proto.mutable_deadline() = ToProto(spec.deadline);
  proto.set_rollback_of(spec.rollback_of);
  return proto;
}

absl::StatusOr<core::RolloutSpec> FromProto(const v1::RolloutSpec& spec) {
  core::RolloutSpec parsed = {
      .driver = spec.driver(),
      .selector = spec.selector(),
      .limits = FromProto(spec.limits()),
      .failure_tolerance = FromProto(spec.failure_tolerance()),
      .deadlines = FromProto(spec.deadlines()),
      .blackout = FromProto(spec.blackout()),
      .retry = FromProto(spec.retry()),
      .hooks = {.before = spec.hooks().before(), .after = spec.hooks().after()},
      .require = FromProto(spec.require()),
      .rollback_of = spec.rollback_of()};
  for (const v1::WaveSpec& wave : spec.waves()) {
    parsed.waves.push_back(FromProto(wave));
  }
  ASSIGN_OR_RETURN(parsed.on_exceeded,
                   EnumOr(parsed.on_exceeded, spec.on_exceeded(),
                          v1::OnExceeded_IsValid, "on_exceeded"));
  for (int i = 0; i < spec.windows_size(); ++i) {
    ASSIGN_OR_RETURN(
        core::WindowSpec window,
        FromProto(spec.windows(i), absl::StrCat("windows[", i, "]")));
    parsed.windows.push_back(std::move(window));
  }
  if (spec.has_deadline()) parsed.deadline = FromProto(spec.deadline());
  return parsed;
}

}  // namespace baton::rpc
