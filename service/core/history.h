#ifndef SERVICE_CORE_HISTORY_H_
#define SERVICE_CORE_HISTORY_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "service/core/histogram.h"
#include "service/core/host.h"
#include "service/core/update.h"

namespace baton::core {

// What updates cost: plans predict from it.

struct HistoryKey {
  std::string from_driver = "";  // "drivers/{driver}/versions/{version}"
  std::string to_driver = "";
  std::string model = "";    // of the GPU
  std::string profile = "";  // of the vGPU

  // clang-tidy 14 takes what the compiler compares with for ours.
  // NOLINTNEXTLINE(modernize-use-nullptr)
  auto operator<=>(const HistoryKey&) const = default;
};

// As baton.v1.HistoryEntry; sums where that has means.
struct HistoryEntry {
  uint64_t vgpus = 0;
  DurationHistogram blackouts = {};                // one for each vGPU
  uint64_t saved_bytes = 0;                        // of all vGPUs
  uint64_t hosts = 0;                              // that they were on
  absl::Duration duration = absl::ZeroDuration();  // of all those hosts
  absl::Time time = absl::InfinitePast();          // of the last one

  bool operator==(const HistoryEntry&) const = default;
};

using History = std::map<HistoryKey, HistoryEntry>;

// Past this the entry that was used least recently is forgotten.
inline constexpr size_t kHistoryMax = 10'000;

// Returns what an update that ended DONE adds, by key: nothing for a vGPU that
// the host does not have any more, or whose blackout is not known. The bytes
// are shared out evenly among the host's vGPUs.
//
// `host`  as its inventory is now
History CostOf(const Host& host, const Update& update,
               const std::string& from_driver, const std::string& to_driver);

// Adds `cost` to `entry`.
void Add(const HistoryEntry& cost, HistoryEntry& entry);

// Returns the key that goes next when there are too many. Only where there is
// one.
HistoryKey LeastRecent(const History& history);

}  // namespace baton::core

#endif  // SERVICE_CORE_HISTORY_H_
