#include "service/core/wave.h"

#include <algorithm>

namespace baton::core {

bool WaveHasEnded(const Rollout& rollout) {
  const std::vector<PlannedHost>& hosts =
      rollout.plan->waves[rollout.wave].hosts;
  return std::all_of(hosts.begin(), hosts.end(), [&](const PlannedHost& host) {
    return HasEnded(rollout.updates.at(host.host).state);
  });
}

absl::Time BakeEnd(const Rollout& rollout) {
  const PlannedWave& wave = rollout.plan->waves[rollout.wave];
  if (wave.hosts.empty()) return absl::InfinitePast();
  if (rollout.wave_ended == absl::InfinitePast()) return absl::InfiniteFuture();
  return rollout.wave_ended + wave.bake;
}

std::vector<std::string> UnwellHosts(const Fleet& fleet,
                                     const Rollout& rollout) {
  std::vector<std::string> unwell;
  for (const PlannedHost& planned : rollout.plan->waves[rollout.wave].hosts) {
    if (rollout.updates.at(planned.host).state != UpdateState::kDone) continue;
    const Host* host = FindHost(fleet, planned.host);
    if (host != nullptr && StateOf(*host) == HostState::kReady) continue;
    unwell.push_back(planned.host);
  }
  return unwell;
}

bool MayAdvance(const Fleet& fleet, const Rollout& rollout) {
  return rollout.wave + 1 < rollout.plan->waves.size() &&
         WaveHasEnded(rollout) && UnwellHosts(fleet, rollout).empty();
}

}  // namespace baton::core
