#include "service/core/tally.h"

#include "base/check.h"

namespace baton::core {

void ReadyQueue::Insert(uint32_t position, Domains domains) {
  std::set<uint32_t>& line = lines_[domains];
  if (line.empty()) {
    heads_.insert({position, domains});
  } else if (position < *line.begin()) {
    heads_.erase({*line.begin(), domains});
    heads_.insert({position, domains});
  }
  line.insert(position);
  lines_of_[position] = std::move(domains);
}

void ReadyQueue::Erase(uint32_t position) {
  const auto found = lines_of_.find(position);
  if (found == lines_of_.end()) return;
  const Domains domains = std::move(found->second);
  lines_of_.erase(found);
  const auto line = lines_.find(domains);
  const bool first = *line->second.begin() == position;
  line->second.erase(position);
  if (first) heads_.erase({position, domains});
  if (line->second.empty()) {
    lines_.erase(line);
  } else if (first) {
    heads_.insert({*line->second.begin(), domains});
  }
}

void WaveTally::Leave(uint32_t position) {
  ready.Erase(position);
  later.erase(position);
  waiting.erase(position);
  unfit.erase(position);
  unwell.erase(position);
}

CountedUpdate CountedOf(const Update& update) {
  CountedUpdate counted{update.state, update.wave, CountsAsFailure(update)};
  for (const VirtualGpuResult& vgpu : update.vgpus) {
    if (vgpu.blackout.has_value()) counted.blackouts.push_back(*vgpu.blackout);
    if (!update.past_no_return) continue;
    ++counted.vgpus;
    if (vgpu.preserved) ++counted.vgpus_preserved;
  }
  return counted;
}

void Count(const std::string& host, const CountedUpdate& update, Tally& tally) {
  CHECK(update.wave < tally.waves.size());
  WaveTally& wave = tally.waves[update.wave];
  ++tally.states[static_cast<size_t>(update.state)];
  ++wave.hosts;
  if (HasEnded(update.state)) ++wave.ended;
  if (update.state == UpdateState::kRunning) tally.running.insert(host);
  if (update.failure) {
    ++tally.failures;
    ++wave.failures;
    tally.failed.insert(host);
  }
  tally.vgpus += update.vgpus;
  tally.vgpus_preserved += update.vgpus_preserved;
  for (const absl::Duration blackout : update.blackouts) {
    tally.blackouts.Add(blackout);
    if (blackout > tally.long_above) ++tally.long_blackouts;
    if (blackout > tally.slow_above) ++tally.slow_blackouts;
  }
}

void Uncount(const std::string& host, const CountedUpdate& update,
             Tally& tally) {
  CHECK(update.wave < tally.waves.size());
  WaveTally& wave = tally.waves[update.wave];
  --tally.states[static_cast<size_t>(update.state)];
  --wave.hosts;
  if (HasEnded(update.state)) --wave.ended;
  if (update.state == UpdateState::kRunning) tally.running.erase(host);
  if (update.failure) {
    --tally.failures;
    --wave.failures;
    tally.failed.erase(host);
  }
  tally.vgpus -= update.vgpus;
  tally.vgpus_preserved -= update.vgpus_preserved;
  for (const absl::Duration blackout : update.blackouts) {
    tally.blackouts.Remove(blackout);
    if (blackout > tally.long_above) --tally.long_blackouts;
    if (blackout > tally.slow_above) --tally.slow_blackouts;
  }
}

}  // namespace baton::core
