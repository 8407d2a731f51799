#include "service/core/predict.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "service/core/names.h"
#include "service/core/window.h"

namespace baton::core {
namespace {

constexpr uint64_t kVramPerSavedByte = 64;
constexpr uint64_t kSavedBytesLeast = 1 << 20;
constexpr double kBytesPerSecond = 1 << 30;
constexpr absl::Duration kDriverBlackout = absl::Milliseconds(100);
constexpr absl::Duration kHostDuration = absl::Seconds(30);
// Windows that one estimate looks at: years of daily ones.
constexpr int kChangesMax = 2'000;
// What is stored has no fractions of it.
constexpr absl::Duration kFinest = absl::Nanoseconds(1);

uint64_t SavedBytesOf(const VirtualGpu& vgpu) {
  return kSavedBytesLeast + vgpu.vram_bytes / kVramPerSavedByte;
}

// Counts what history has for vGPUs of one kind.
void Take(const HistoryEntry& entry, Prediction& prediction) {
  prediction.saved_bytes += entry.saved_bytes / entry.vgpus;
  prediction.blackout =
      std::max(prediction.blackout, entry.blackouts.Percentile(99));
  prediction.duration = std::max(
      prediction.duration, entry.duration / static_cast<int64_t>(entry.hosts));
}

// How a span of work goes on over the windows: `batches` of `each`, one after
// the other, from `time` on. Returns the end; InfiniteFuture when the windows
// never open long enough.
absl::Time EndOf(const std::vector<WindowSpec>& windows, int64_t batches,
                 absl::Duration each, absl::Time time) {
  if (windows.empty()) return time + batches * each;
  for (int changes = 0; batches > 0; ++changes) {
    if (changes == kChangesMax) return absl::InfiniteFuture();
    const absl::Time change = NextChange(windows, time);
    if (!IsOpen(windows, time)) {
      if (change == absl::InfiniteFuture()) return change;
      time = change;
      continue;
    }
    if (change == absl::InfiniteFuture()) return time + batches * each;
    // One that starts just before the window closes finishes after it, unless
    // it would be cancelled.
    absl::Duration rest;
    int64_t fit = absl::IDivDuration(change - time, each, &rest);
    if (rest > absl::ZeroDuration() && !CancelsInFlight(windows, change)) ++fit;
    if (fit >= batches) return time + batches * each;
    batches -= fit;
    time = change;
  }
  return time;
}

}  // namespace

Prediction Predict(const History& history, const Host& host,
                   const std::string& to_driver) {
  Prediction prediction;
  uint64_t unknown_bytes = 0;
  for (const Adapter& adapter : host.inventory.adapters) {
    HistoryKey key{DriverName(adapter.driver, adapter.driver_version),
                   to_driver, adapter.model};
    for (const VirtualGpu& vgpu : adapter.vgpus) {
      key.profile = vgpu.profile;
      const auto found = history.find(key);
      if (found != history.end() && found->second.vgpus > 0) {
        Take(found->second, prediction);
      } else {
        unknown_bytes += SavedBytesOf(vgpu);
      }
    }
  }
  prediction.saved_bytes += unknown_bytes;
  if (unknown_bytes > 0) {
    const absl::Duration copy = absl::Trunc(
        absl::Seconds(static_cast<double>(unknown_bytes) / kBytesPerSecond),
        kFinest);
    prediction.blackout = std::max(prediction.blackout, kDriverBlackout + copy);
  }
  if (prediction.duration <= absl::ZeroDuration()) {
    prediction.duration = kHostDuration;
  }
  return prediction;
}

void Estimate(const RolloutSpec& spec,
              const std::vector<std::vector<absl::Duration>>& durations,
              absl::Time now, RolloutPlan& plan) {
  plan.estimated_duration = absl::ZeroDuration();
  plan.predicted_blackout = absl::ZeroDuration();
  plan.estimated_end = now;
  for (size_t i = 0; i < plan.waves.size(); ++i) {
    const PlannedWave& wave = plan.waves[i];
    if (wave.hosts.empty()) continue;
    for (const PlannedHost& host : wave.hosts) {
      plan.predicted_blackout =
          std::max(plan.predicted_blackout, host.predicted_blackout);
    }
    const auto hosts = static_cast<int64_t>(wave.hosts.size());
    const absl::Duration each =
        absl::Trunc(std::accumulate(durations[i].begin(), durations[i].end(),
                                    absl::ZeroDuration()) /
                        hosts,
                    kFinest);
    const int64_t at_once = std::max<int64_t>(plan.max_unavailable, 1);
    const int64_t batches = (hosts + at_once - 1) / at_once;
    const bool bakes = i + 1 < plan.waves.size();
    const absl::Duration bake = bakes ? wave.bake : absl::ZeroDuration();
    plan.estimated_duration += batches * each + bake;
    plan.estimated_end =
        EndOf(spec.windows, batches, each, plan.estimated_end) + bake;
  }
}

}  // namespace baton::core
