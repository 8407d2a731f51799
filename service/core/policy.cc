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

namespace baton::core {
namespace {

constexpr size_t kWavesMax = 100;
constexpr absl::Duration kBakeMax = absl::Hours(24 * 30);
constexpr absl::Duration kDeadlineMin = absl::Milliseconds(1);
constexpr absl::Duration kDeadlineMax = absl::Hours(1);

absl::Status CheckRange(absl::string_view field,
                        const std::optional<uint32_t>& value, uint32_t least,
                        uint32_t most) {
  if (!value.has_value() || (*value >= least && *value <= most)) {
    return absl::OkStatus();
  }
  return BadSpecError(field, absl::StrCat(*value),
                      absl::StrCat(least, " to ", most));
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
  if (wave.bake < absl::ZeroDuration() || wave.bake > kBakeMax) {
    return BadSpecError(absl::StrCat(field, ".bake"),
                        absl::FormatDuration(wave.bake), "0 to 30 days");
  }
  return absl::OkStatus();
}

absl::Status CheckWaves(const std::vector<WaveSpec>& waves) {
  if (waves.size() > kWavesMax) {
    return BadSpecError("waves", absl::StrCat(waves.size(), " waves"),
                        absl::StrCat("at most ", kWavesMax));
  }
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
    if (value >= kDeadlineMin && value <= kDeadlineMax) continue;
    return BadSpecError(absl::StrCat("deadlines.", name),
                        absl::FormatDuration(value), "1 ms to 1 h");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckSpec(const RolloutSpec& spec) {
  RETURN_IF_ERROR(CheckDriverName(spec.driver));
  RETURN_IF_ERROR(Selector::Parse(spec.selector).status());
  RETURN_IF_ERROR(CheckWaves(spec.waves));
  RETURN_IF_ERROR(CheckRange("limits.max_unavailable",
                             spec.limits.max_unavailable, 1, kHostsMax));
  RETURN_IF_ERROR(CheckRange("limits.max_unavailable_percent",
                             spec.limits.max_unavailable_percent, 1, 100));
  RETURN_IF_ERROR(CheckRange("failure_tolerance.hosts",
                             spec.failure_tolerance.hosts, 0, kHostsMax));
  RETURN_IF_ERROR(CheckRange("failure_tolerance.percent",
                             spec.failure_tolerance.percent, 0, 100));
  return CheckDeadlines(spec.deadlines);
}

}  // namespace baton::core
