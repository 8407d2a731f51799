#include "service/core/coverage.h"

#include <algorithm>
#include <queue>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"

namespace baton::core {
namespace {

constexpr size_t kMissedMax = 100;

std::set<std::string> CombinationsOf(const Host& host) {
  std::set<std::string> combinations;
  for (const Adapter& adapter : host.inventory.adapters) {
    for (const VirtualGpu& vgpu : adapter.vgpus) {
      combinations.insert(absl::StrCat(
          adapter.model, " / ", vgpu.profile, " / ",
          vgpu.guest_driver.empty() ? "unknown" : vgpu.guest_driver));
    }
  }
  return combinations;
}

// How many of `combinations` are not in `met`.
size_t GainOf(const std::vector<uint32_t>& combinations,
              const std::vector<bool>& met) {
  return static_cast<size_t>(
      std::count_if(combinations.begin(), combinations.end(),
                    [&](uint32_t combination) { return !met[combination]; }));
}

}  // namespace

CoverageMap::CoverageMap(const std::vector<const Host*>& hosts) {
  std::vector<std::set<std::string>> sets;
  std::map<std::string, uint32_t> numbers;
  sets.reserve(hosts.size());
  for (const Host* host : hosts) {
    sets.push_back(CombinationsOf(*host));
    for (const std::string& name : sets.back()) numbers[name] = 0;
  }
  for (auto& [name, number] : numbers) {
    number = static_cast<uint32_t>(names_.size());
    names_.push_back(name);
  }
  hosts_.resize(hosts.size());
  for (size_t i = 0; i < hosts.size(); ++i) {
    for (const std::string& name : sets[i]) {
      hosts_[i].push_back(numbers.at(name));
    }
  }
  met_.resize(names_.size());
}

void CoverageMap::Meet(size_t host) {
  for (const uint32_t combination : hosts_[host]) met_[combination] = true;
}

std::vector<size_t> CoverageMap::Pick(const std::vector<size_t>& candidates,
                                      size_t most) const {
  struct Offer {
    size_t gain;
    size_t place;  // in `candidates`
    bool operator<(const Offer& other) const {
      return gain != other.gain ? gain < other.gain : place > other.place;
    }
  };
  std::vector<bool> met = met_;
  std::priority_queue<Offer> offers;
  for (size_t place = 0; place < candidates.size(); ++place) {
    offers.push({GainOf(hosts_[candidates[place]], met), place});
  }
  // What a host can add only shrinks as others are picked: an offer that is
  // still the best after it was counted anew is the best of all.
  std::vector<size_t> picked;
  while (picked.size() < most && !offers.empty() && offers.top().gain > 0) {
    Offer best = offers.top();
    offers.pop();
    const size_t host = candidates[best.place];
    best.gain = GainOf(hosts_[host], met);
    if (!offers.empty() && best < offers.top()) {
      offers.push(best);
      continue;
    }
    if (best.gain == 0) break;
    for (const uint32_t combination : hosts_[host]) met[combination] = true;
    picked.push_back(host);
  }
  return picked;
}

Coverage CoverageMap::Sum() const {
  Coverage coverage;
  coverage.combinations = static_cast<uint32_t>(names_.size());
  for (size_t i = 0; i < names_.size(); ++i) {
    if (met_[i]) {
      ++coverage.met;
    } else if (coverage.missed.size() < kMissedMax) {
      coverage.missed.push_back(names_[i]);
    }
  }
  return coverage;
}

}  // namespace baton::core
