#ifndef SERVICE_CORE_WAVE_H_
#define SERVICE_CORE_WAVE_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "service/core/fleet.h"

namespace baton::core {

// Returns the index of the wave of that name in a planned rollout.
//
// Errors: NOT_FOUND (WAVE_NOT_FOUND), naming those that there are
absl::StatusOr<uint32_t> FindWave(const Rollout& rollout,
                                  absl::string_view name);

// Below: the wave that a started rollout works on.

// Whether every host of it has ended. True of a wave without hosts.
bool WaveHasEnded(const Rollout& rollout);

// Returns when it will have baked: InfiniteFuture while hosts of it go on, and
// InfinitePast for a wave without hosts, which has nothing to bake.
absl::Time BakeEnd(const Rollout& rollout);

// Returns the hosts that the wave updated and that do not run well now: a wave
// does not end its bake on them.
std::vector<std::string> UnwellHosts(const Rollout& rollout);

// Returns the hosts at the first `most` of `positions` in the wave.
std::vector<std::string> HostsOf(const Rollout& rollout,
                                 const std::set<uint32_t>& positions,
                                 size_t most);

// Whether the next wave may begin, the time aside: there is one, every host of
// this one ended, and those that it updated run well.
bool MayAdvance(const Rollout& rollout);

}  // namespace baton::core

#endif  // SERVICE_CORE_WAVE_H_
