#include "driver-shim/miniport/testing/footprint.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace baton::miniport {
namespace {

constexpr size_t kRepeatsForTrend = 60;
constexpr size_t kWarmUp = 10;
constexpr size_t kWindow = 20;

struct Measure {
  const char* name = "";
  int64_t Footprint::*value = nullptr;
};

constexpr Measure kCounted[] = {
    {"descriptors", &Footprint::descriptors},
    {"processes", &Footprint::processes},
    {"threads", &Footprint::threads},
    {"files", &Footprint::files},
};

// Of those that come and go.
struct Trending {
  Measure measure = {};
  int64_t Allowance::*growth_max = nullptr;
};

constexpr Trending kTrending[] = {
    {{"mappings", &Footprint::mappings}, &Allowance::mappings},
    {{"heap bytes", &Footprint::heap_bytes}, &Allowance::heap_bytes},
    {{"resident bytes", &Footprint::resident_bytes},
     &Allowance::resident_bytes},
};

int64_t Entries(const std::string& directory) {
  std::error_code error;
  const std::filesystem::directory_iterator all(directory, error);
  if (error) return 0;
  return std::distance(all, std::filesystem::directory_iterator());
}

// One word per child.
int64_t Children() {
  std::ifstream file(absl::StrCat("/proc/self/task/", getpid(), "/children"));
  return std::distance(std::istream_iterator<std::string>(file), {});
}

int64_t Mappings() {
  std::ifstream file("/proc/self/maps");
  return std::count(std::istreambuf_iterator<char>(file), {}, '\n');
}

int64_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  int64_t all = 0;
  int64_t resident = 0;
  file >> all >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

int64_t Median(const std::vector<Footprint>& all, size_t from, size_t to,
               const Measure& measure) {
  std::vector<int64_t> values;
  for (size_t i = from; i < to; ++i) values.push_back(all[i].*measure.value);
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int64_t Early(const std::vector<Footprint>& all, const Measure& measure) {
  return Median(all, kWarmUp, kWarmUp + kWindow, measure);
}

int64_t Late(const std::vector<Footprint>& all, const Measure& measure) {
  return Median(all, all.size() - kWindow, all.size(), measure);
}

std::string Grew(const Measure& measure, int64_t from, int64_t to) {
  return absl::StrCat(measure.name, " grew from ", from, " to ", to, "; ");
}

}  // namespace

Footprint TakeFootprint(const std::string& directory) {
  const struct mallinfo2 heap = mallinfo2();
  Footprint now = {
      .descriptors = Entries("/proc/self/fd"),
      .processes = Children(),
      .threads = Entries("/proc/self/task"),
      .files = Entries(directory),
      .mappings = Mappings(),
      .heap_bytes = static_cast<int64_t>(heap.uordblks + heap.hblkhd),
      .resident_bytes = ResidentBytes(),
  };
  return now;
}

std::string Growth(const std::vector<Footprint>& after_each,
                   const Allowance& allowance) {
  std::string grew;
  for (const Measure& measure : kCounted) {
    for (const Footprint& footprint : after_each) {
      const int64_t first = after_each.front().*measure.value;
      if (footprint.*measure.value <= first) continue;
      grew += Grew(measure, first, footprint.*measure.value);
      break;
    }
  }
  if (after_each.size() < kRepeatsForTrend) return grew;
  for (const auto& [measure, growth_max] : kTrending) {
    const int64_t early = Early(after_each, measure);
    const int64_t late = Late(after_each, measure);
    if (late > early + allowance.*growth_max)
      grew += Grew(measure, early, late);
  }
  return grew;
}

std::string Trend(const std::vector<Footprint>& after_each) {
  if (after_each.size() < kRepeatsForTrend) return "";
  std::string trend = absl::StrCat(after_each.size(), " repeats:");
  for (const Measure& measure : kCounted) {
    absl::StrAppend(&trend, " ", measure.name, " ",
                    after_each.front().*measure.value, " -> ",
                    after_each.back().*measure.value, ",");
  }
  for (const auto& [measure, growth_max] : kTrending) {
    absl::StrAppend(&trend, " ", measure.name, " ", Early(after_each, measure),
                    " -> ", Late(after_each, measure), ",");
  }
  trend.pop_back();
  return trend;
}

}  // namespace baton::miniport
