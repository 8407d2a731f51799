#ifndef SERVICE_CORE_TOLERANCE_H_
#define SERVICE_CORE_TOLERANCE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "service/core/rollout.h"

namespace baton::core {

// What a rollout may cost before it stops by itself. What somebody accepted is
// left out. Each of these wants a planned rollout, and walks nothing.

// Returns how many hosts of the current wave failed, those accepted left out.
uint32_t WaveFailures(const Rollout& rollout);

// Whether that is more than the wave's own tolerance, if it has one.
bool ExceedsWaveTolerance(const Rollout& rollout);

// Whether a vGPU stood still for longer than any one may, or the 99th
// percentile is above its limit.
bool ExceedsBlackout(const Rollout& rollout);

// Returns that as words, e.g. "longest blackout 12s of at most 10s, 99th
// percentile 9s of at most 10s, over 40 vGPUs".
std::string BlackoutText(const Rollout& rollout);

// Whether a started rollout has taken longer than it may.
bool ExceedsDeadline(const Rollout& rollout, absl::Time now);

// Why a rollout is to stop.
struct Exceeded {
  std::string reason = "";   // FAILURE_TOLERANCE_EXCEEDED, BLACKOUT_EXCEEDED,
                             // ROLLOUT_DEADLINE
  std::string message = "";  // for people
  OnExceeded then = OnExceeded::kHold;

  bool operator==(const Exceeded&) const = default;
};

// Returns the first reason for which a started rollout is to stop; nullopt when
// there is none.
std::optional<Exceeded> ExceededBy(const Rollout& rollout, absl::Time now);

// Forgives all that happened up to now: failures and blackouts count from here.
void AcceptFailures(Rollout& rollout);

// Whether blackouts were forgiven, and `update`, which is to be tried again,
// has some that are too long.
bool HasForgivenBlackouts(const Rollout& rollout, const Update& update);

// They count no longer once it is: what was forgiven leaves no room for others.
void ForgetBlackouts(const Update& update, Rollout& rollout);

}  // namespace baton::core

#endif  // SERVICE_CORE_TOLERANCE_H_
