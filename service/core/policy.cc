#include "service/core/policy.h"

#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "service/core/errors.h"
#include "service/core/fleet.h"
#include "service/core/names.h"
#include "service/core/selector.h"
#include "service/core/window.h"

namespace baton::core {
namespace {

constexpr size_t kWavesMax = 100;
constexpr size_t kDomainsMax = 8;
constexpr size_t kWindowsMax = 32;
constexpr uint32_t kApprovalsMax = 10;
constexpr uint32_t kAttemptsMax = 10;
constexpr absl::Duration kBakeMax = absl::Hours(24 * 30);
constexpr absl::Duration kStepMin = absl::Milliseconds(1);
constexpr absl::Duration kStepMax = absl::Hours(1);
constexpr absl::Duration kBackoffMin = absl::Seconds(1);
constexpr absl::Duration kBackoffMax = absl::Hours(1);
constexpr absl::Duration kWholeMin = absl::Minutes(1);
constexpr absl::Duration kWholeMax = absl::Hours(24 * 365);
constexpr uint64_t kSpareBytesMax = uint64_t{1} << 40;

absl::Status CheckRange(absl::string_view field,
                        const std::optional<uint32_t>& value, uint32_t least,
                        uint32_t most) {
  if (!value.has_value() || (*value >= least && *value <= most)) {
    return absl::OkStatus();
  }
  return BadSpecError(field, absl::StrCat(*value),
                      absl::StrCat(least, " to ", most));
}

absl::Status CheckDuration(absl::string_view field, absl::Duration value,
                           absl::Duration least, absl::Duration most,
                           absl::string_view want) {
  if (value >= least && value <= most) return absl::OkStatus();
  return BadSpecError(field, absl::FormatDuration(value), want);
}

absl::Status CheckCount(absl::string_view field, size_t got, size_t most,
                        absl::string_view what) {
  if (got <= most) return absl::OkStatus();
  return BadSpecError(field, absl::StrCat(got, " ", what),
                      absl::StrCat("at most ", most));
}

absl::Status CheckTolerance(absl::string_view field,
                            const FailureTolerance& tolerance) {
  RETURN_IF_ERROR(
      CheckRange(absl::StrCat(field, ".hosts"), tolerance.hosts, 0, kHostsMax));
  return CheckRange(absl::StrCat(field, ".percent"), tolerance.percent, 0, 100);
}

absl::Status CheckWaveSize(const std::string& field, const WaveSpec& wave) {
  constexpr uint32_t kMost = kHostsMax;
  switch (wave.size) {
    case WaveSize::kUnset:
      return BadSpecError(field, "without a size",
                          "one of hosts, percent and rest");
    case WaveSize::kHosts:
      return CheckRange(absl::StrCat(field, ".hosts"), wave.number, 1, kMost);
    case WaveSize::kPercent:
      return CheckRange(absl::StrCat(field, ".percent"), wave.number, 1, 100);
    case WaveSize::kRest:
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status CheckWave(const std::string& field, const WaveSpec& wave) {
  RETURN_IF_ERROR(CheckWaveSize(field, wave));
  if (!wave.name.empty() &&
      !CheckRolloutName(absl::StrCat("rollouts/", wave.name)).ok()) {
    return BadSpecError(absl::StrCat(field, ".name"),
                        absl::StrCat("'", wave.name, "'"),
                        "at most 63 of [a-z0-9-]");
  }
  RETURN_IF_ERROR(CheckDuration(absl::StrCat(field, ".bake"), wave.bake,
                                absl::ZeroDuration(), kBakeMax,
                                "0 to 30 days"));
  RETURN_IF_ERROR(CheckRange(absl::StrCat(field, ".approvals"), wave.approvals,
                             0, kApprovalsMax));
  if (!wave.failure_tolerance.has_value()) return absl::OkStatus();
  return CheckTolerance(absl::StrCat(field, ".failure_tolerance"),
                        *wave.failure_tolerance);
}

absl::Status CheckWaves(const std::vector<WaveSpec>& waves) {
  RETURN_IF_ERROR(CheckCount("waves", waves.size(), kWavesMax, "waves"));
  std::set<std::string> names;
  uint32_t percent = 0;
  for (size_t i = 0; i < waves.size(); ++i) {
    const std::string field = absl::StrCat("waves[", i, "]");
    RETURN_IF_ERROR(CheckWave(field, waves[i]));
    if (waves[i].size == WaveSize::kRest && i + 1 < waves.size()) {
      return BadSpecError(absl::StrCat(field, ".rest"), "set",
                          "it in the last wave only");
    }
    if (waves[i].size == WaveSize::kPercent) percent += waves[i].number;
    const std::string name =
        waves[i].name.empty() ? absl::StrCat("wave-", i + 1) : waves[i].name;
    if (!names.insert(name).second) {
      return BadSpecError(absl::StrCat(field, ".name"),
                          absl::StrCat("'", name, "' again"), "unique names");
    }
  }
  if (percent <= 100) return absl::OkStatus();
  return ErrorWithReason(absl::StatusCode::kInvalidArgument,
                         "WAVES_EXCEED_WHOLE",
                         absl::StrCat("field 'waves' adds up to ", percent,
                                      " percent, want at most 100"));
}

absl::Status CheckDeadlines(const StepDeadlines& deadlines) {
  const std::pair<absl::string_view, absl::Duration> fields[] = {
      {"prepare", deadlines.prepare}, {"gate", deadlines.gate},
      {"pause", deadlines.pause},     {"save", deadlines.save},
      {"unload", deadlines.unload},   {"restore", deadlines.restore},
      {"verify", deadlines.verify},   {"resume", deadlines.resume},
      {"confirm", deadlines.confirm}};
  for (const auto& [name, value] : fields) {
    RETURN_IF_ERROR(CheckDuration(absl::StrCat("deadlines.", name), value,
                                  kStepMin, kStepMax, "1 ms to 1 h"));
  }
  return absl::OkStatus();
}

absl::Status CheckLimits(const LimitsSpec& limits) {
  RETURN_IF_ERROR(CheckRange("limits.max_unavailable", limits.max_unavailable,
                             1, kHostsMax));
  RETURN_IF_ERROR(CheckRange("limits.max_unavailable_percent",
                             limits.max_unavailable_percent, 1, 100));
  RETURN_IF_ERROR(CheckCount("limits.domains", limits.domains.size(),
                             kDomainsMax, "domains"));
  std::set<std::string> labels;
  for (size_t i = 0; i < limits.domains.size(); ++i) {
    const DomainLimit& domain = limits.domains[i];
    const std::string field = absl::StrCat("limits.domains[", i, "]");
    if (!IsLabelKey(domain.label)) {
      return BadSpecError(absl::StrCat(field, ".label"),
                          absl::StrCat("'", domain.label, "'"),
                          "the key of a label");
    }
    if (!labels.insert(domain.label).second) {
      return BadSpecError(absl::StrCat(field, ".label"),
                          absl::StrCat("'", domain.label, "' again"),
                          "unique labels");
    }
    RETURN_IF_ERROR(CheckRange(absl::StrCat(field, ".max_unavailable"),
                               domain.max_unavailable, 1, kHostsMax));
  }
  return absl::OkStatus();
}

absl::Status CheckBlackout(const BlackoutSpec& blackout) {
  RETURN_IF_ERROR(CheckDuration("blackout.per_vgpu_max", blackout.per_vgpu_max,
                                kStepMin, kStepMax, "1 ms to 1 h"));
  return CheckDuration("blackout.p99_max",
                       blackout.p99_max.value_or(blackout.per_vgpu_max),
                       kStepMin, kStepMax, "1 ms to 1 h");
}

absl::Status CheckTimeOfDay(absl::string_view field, const std::string& text) {
  if (MinuteOf(text).has_value()) return absl::OkStatus();
  return BadSpecError(field, absl::StrCat("'", text, "'"),
                      "'HH:MM', 00:00 to 23:59");
}

absl::Status CheckWindows(const std::vector<WindowSpec>& windows) {
  RETURN_IF_ERROR(
      CheckCount("windows", windows.size(), kWindowsMax, "windows"));
  for (size_t i = 0; i < windows.size(); ++i) {
    const WindowSpec& window = windows[i];
    const std::string field = absl::StrCat("windows[", i, "]");
    const std::set<absl::Weekday> days(window.days.begin(), window.days.end());
    if (days.size() < window.days.size()) {
      return BadSpecError(absl::StrCat(field, ".days"), "a day twice",
                          "each day at most once");
    }
    RETURN_IF_ERROR(CheckTimeOfDay(absl::StrCat(field, ".from"), window.from));
    RETURN_IF_ERROR(CheckTimeOfDay(absl::StrCat(field, ".to"), window.to));
    if (!window.zone.has_value()) {
      return BadSpecError(absl::StrCat(field, ".time_zone"),
                          absl::StrCat("'", window.time_zone, "'"),
                          "a name of the IANA database, or 'UTC'");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckHook(absl::string_view field, const std::string& name) {
  if (name.empty() || CheckRolloutName(absl::StrCat("rollouts/", name)).ok()) {
    return absl::OkStatus();
  }
  return BadSpecError(field, absl::StrCat("'", name, "'"),
                      "at most 63 of [a-z0-9-]");
}

absl::Status CheckRequire(const RequireSpec& require) {
  if (require.spare_memory_bytes <= kSpareBytesMax) return absl::OkStatus();
  return BadSpecError("require.spare_memory_bytes",
                      absl::StrCat(require.spare_memory_bytes),
                      absl::StrCat("0 to ", kSpareBytesMax));
}

}  // namespace

absl::Status CheckSpec(const RolloutSpec& spec) {
  if (!spec.rollback_of.empty()) {
    return BadSpecError("rollback_of", absl::StrCat("'", spec.rollback_of, "'"),
                        "it empty: roll that rollout back instead");
  }
  RETURN_IF_ERROR(CheckDriverName(spec.driver));
  RETURN_IF_ERROR(Selector::Parse(spec.selector).status());
  RETURN_IF_ERROR(CheckWaves(spec.waves));
  RETURN_IF_ERROR(CheckLimits(spec.limits));
  RETURN_IF_ERROR(CheckTolerance("failure_tolerance", spec.failure_tolerance));
  RETURN_IF_ERROR(CheckDeadlines(spec.deadlines));
  RETURN_IF_ERROR(CheckBlackout(spec.blackout));
  RETURN_IF_ERROR(
      CheckRange("retry.attempts", spec.retry.attempts, 1, kAttemptsMax));
  RETURN_IF_ERROR(CheckDuration("retry.backoff", spec.retry.backoff,
                                kBackoffMin, kBackoffMax, "1 s to 1 h"));
  RETURN_IF_ERROR(CheckWindows(spec.windows));
  RETURN_IF_ERROR(CheckHook("hooks.before", spec.hooks.before));
  RETURN_IF_ERROR(CheckHook("hooks.after", spec.hooks.after));
  RETURN_IF_ERROR(CheckRequire(spec.require));
  return CheckDuration("deadline", spec.deadline, kWholeMin, kWholeMax,
                       "1 min to 365 days");
}

}  // namespace baton::core
