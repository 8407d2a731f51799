#include "service/core/tolerance.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace baton::core {
namespace {

// a - b, not below 0: what was accepted may have been tried again since.
uint32_t Beyond(uint32_t a, uint32_t b) { return a > b ? a - b : 0; }

absl::Duration P99Max(const BlackoutSpec& blackout) {
  return blackout.p99_max.value_or(blackout.per_vgpu_max);
}

}  // namespace

uint32_t WaveFailures(const Rollout& rollout) {
  if (rollout.tally.waves.empty()) return 0;
  return Beyond(rollout.tally.waves[rollout.wave].failures,
                rollout.wave_failures_accepted);
}

bool ExceedsWaveTolerance(const Rollout& rollout) {
  const std::optional<uint32_t>& most =
      rollout.plan->waves[rollout.wave].failures_max;
  return most.has_value() && WaveFailures(rollout) > *most;
}

bool ExceedsBlackout(const Rollout& rollout) {
  const Tally& tally = rollout.tally;
  // The 99th percentile is above the limit when more than one in a hundred is.
  const uint32_t slow =
      Beyond(tally.slow_blackouts, rollout.slow_blackouts_accepted);
  return tally.long_blackouts > rollout.long_blackouts_accepted ||
         slow > tally.blackouts.count() / 100;
}

std::string BlackoutText(const Rollout& rollout) {
  const DurationHistogram& blackouts = rollout.tally.blackouts;
  if (blackouts.count() == 0) return "no blackout yet";
  return absl::StrCat(
      "longest blackout ", absl::FormatDuration(blackouts.Percentile(100)),
      " of at most ", absl::FormatDuration(rollout.spec.blackout.per_vgpu_max),
      ", 99th percentile ", absl::FormatDuration(blackouts.Percentile(99)),
      " of at most ", absl::FormatDuration(P99Max(rollout.spec.blackout)),
      ", over ", blackouts.count(), " vGPUs");
}

bool ExceedsDeadline(const Rollout& rollout, absl::Time now) {
  return now >= rollout.deadline_time;
}

std::optional<Exceeded> ExceededBy(const Rollout& rollout, absl::Time now) {
  const OnExceeded then = rollout.spec.on_exceeded;
  if (ExceedsTolerance(rollout)) {
    return Exceeded{"FAILURE_TOLERANCE_EXCEEDED", FailuresText(rollout), then};
  }
  if (ExceedsWaveTolerance(rollout)) {
    return Exceeded{
        "FAILURE_TOLERANCE_EXCEEDED",
        absl::StrCat("wave '", WaveNameOf(rollout, rollout.wave),
                     "' tolerates ",
                     *rollout.plan->waves[rollout.wave].failures_max,
                     " failed hosts, it has ", WaveFailures(rollout)),
        then};
  }
  if (ExceedsBlackout(rollout)) {
    return Exceeded{"BLACKOUT_EXCEEDED", BlackoutText(rollout), then};
  }
  if (ExceedsDeadline(rollout, now)) {
    return Exceeded{"ROLLOUT_DEADLINE",
                    absl::StrCat("it has taken longer than ",
                                 absl::FormatDuration(rollout.spec.deadline)),
                    OnExceeded::kHold};
  }
  return std::nullopt;
}

void AcceptFailures(Rollout& rollout) {
  const Tally& tally = rollout.tally;
  rollout.failures_accepted = tally.failures;
  if (!tally.waves.empty()) {
    rollout.wave_failures_accepted = tally.waves[rollout.wave].failures;
  }
  rollout.long_blackouts_accepted = tally.long_blackouts;
  rollout.slow_blackouts_accepted = tally.slow_blackouts;
}

bool HasForgivenBlackouts(const Rollout& rollout, const Update& update) {
  if (rollout.long_blackouts_accepted + rollout.slow_blackouts_accepted == 0) {
    return false;
  }
  const Tally& tally = rollout.tally;
  return std::any_of(update.vgpus.begin(), update.vgpus.end(),
                     [&](const VirtualGpuResult& vgpu) {
                       return vgpu.blackout > tally.long_above ||
                              vgpu.blackout > tally.slow_above;
                     });
}

void ForgetBlackouts(const Update& update, Rollout& rollout) {
  const auto one_less = [](uint32_t& accepted) {
    if (accepted > 0) --accepted;
  };
  for (const VirtualGpuResult& vgpu : update.vgpus) {
    if (vgpu.blackout > rollout.tally.long_above) {
      one_less(rollout.long_blackouts_accepted);
    }
    if (vgpu.blackout > rollout.tally.slow_above) {
      one_less(rollout.slow_blackouts_accepted);
    }
  }
}

}  // namespace baton::core
