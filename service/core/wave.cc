#include "service/core/wave.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/reason.h"

namespace baton::core {

absl::StatusOr<uint32_t> FindWave(const Rollout& rollout,
                                  absl::string_view name) {
  std::vector<std::string> names;
  if (rollout.plan.has_value()) {
    for (const PlannedWave& wave : rollout.plan->waves) {
      if (wave.name == name) return static_cast<uint32_t>(names.size());
      names.push_back(absl::StrCat("'", wave.name, "'"));
    }
  }
  return ErrorWithReason(
      absl::StatusCode::kNotFound, "WAVE_NOT_FOUND",
      absl::StrCat(
          "'", rollout.name, "' has no wave '", name, "', want ",
          names.empty() ? "it planned first" : absl::StrJoin(names, " or ")));
}

bool WaveHasEnded(const Rollout& rollout) {
  const WaveTally& wave = rollout.tally.waves[rollout.wave];
  return wave.ended == wave.hosts;
}

absl::Time BakeEnd(const Rollout& rollout) {
  const PlannedWave& wave = rollout.plan->waves[rollout.wave];
  if (wave.hosts.empty()) return absl::InfinitePast();
  if (rollout.wave_ended == absl::InfinitePast()) return absl::InfiniteFuture();
  return rollout.wave_ended + wave.bake;
}

std::vector<std::string> UnwellHosts(const Rollout& rollout) {
  return HostsOf(rollout, rollout.tally.waves[rollout.wave].unwell,
                 rollout.plan->hosts);
}

std::vector<std::string> HostsOf(const Rollout& rollout,
                                 const std::set<uint32_t>& positions,
                                 size_t most) {
  std::vector<std::string> hosts;
  for (const uint32_t position : positions) {
    if (hosts.size() == most) break;
    hosts.push_back(rollout.plan->waves[rollout.wave].hosts[position].host);
  }
  return hosts;
}

bool MayAdvance(const Rollout& rollout) {
  return rollout.wave + 1 < rollout.plan->waves.size() &&
         WaveHasEnded(rollout) &&
         rollout.tally.waves[rollout.wave].unwell.empty();
}

}  // namespace baton::core
