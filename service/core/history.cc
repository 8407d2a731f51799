#include "service/core/history.h"

#include <algorithm>

#include "base/check.h"

namespace baton::core {
namespace {

// Returns the model and the profile of a vGPU; false when it is not there.
bool FindKind(const std::vector<Adapter>& adapters,
              const VirtualGpuResult& result, HistoryKey& key) {
  for (const Adapter& adapter : adapters) {
    for (const VirtualGpu& vgpu : adapter.vgpus) {
      if (vgpu.partition_id != result.partition_id ||
          vgpu.guest != result.guest) {
        continue;
      }
      key.model = adapter.model;
      key.profile = vgpu.profile;
      return true;
    }
  }
  return false;
}

}  // namespace

History CostOf(const Host& host, const Update& update,
               const std::string& from_driver, const std::string& to_driver) {
  History costs;
  const std::vector<Adapter> adapters = host.inventory.adapters.Get();
  const std::vector<VirtualGpuResult> results = update.vgpus.Get();
  if (results.empty()) return costs;
  const uint64_t saved =
      update.saved.has_value() ? update.saved->size_bytes : 0;
  for (const VirtualGpuResult& result : results) {
    HistoryKey key{from_driver, to_driver};
    if (!result.blackout.has_value() || !FindKind(adapters, result, key))
      continue;
    HistoryEntry& cost = costs[key];
    ++cost.vgpus;
    cost.blackouts.Add(*result.blackout);
    cost.saved_bytes += saved / results.size();
    cost.hosts = 1;
    cost.duration = update.end_time - update.start_time;
    cost.time = update.end_time;
  }
  return costs;
}

void Add(const HistoryEntry& cost, HistoryEntry& entry) {
  entry.vgpus += cost.vgpus;
  for (const auto& [bucket, times] : cost.blackouts.buckets()) {
    entry.blackouts.AddToBucket(bucket, times);
  }
  entry.saved_bytes += cost.saved_bytes;
  entry.hosts += cost.hosts;
  entry.duration += cost.duration;
  entry.time = std::max(entry.time, cost.time);
}

HistoryKey LeastRecent(const History& history) {
  CHECK(!history.empty());
  return std::min_element(history.begin(), history.end(),
                          [](const auto& a, const auto& b) {
                            return a.second.time < b.second.time;
                          })
      ->first;
}

}  // namespace baton::core
