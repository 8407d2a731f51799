#include "driver-shim/port/page_set.h"

#include <algorithm>
#include <iterator>

namespace baton::port {

void AddRun(std::vector<PageRun>& runs, PageRun run) {
  if (!runs.empty() && runs.back().first + runs.back().pages == run.first) {
    runs.back().pages += run.pages;
  } else {
    runs.push_back(run);
  }
}

std::vector<PageRun> RunsOf(const uint64_t* pages, size_t count) {
  std::vector<PageRun> runs;
  for (size_t i = 0; i < count;) {
    size_t next = i + 1;
    while (next < count && pages[next] == pages[i] + (next - i)) ++next;
    runs.push_back({.first = pages[i], .pages = next - i});
    i = next;
  }
  return runs;
}

uint64_t PagesIn(const std::vector<PageRun>& runs) {
  uint64_t pages = 0;
  for (const PageRun& run : runs) pages += run.pages;
  return pages;
}

std::optional<uint64_t> PageSet::Add(PageRun run) {
  if (run.pages == 0) return std::nullopt;
  uint64_t first = run.first;
  uint64_t end = run.first + run.pages;
  auto next = ends_.upper_bound(first);
  if (next != ends_.begin()) {
    const auto before = std::prev(next);
    if (before->second > first) return first;
    if (before->second == first) {
      first = before->first;
      ends_.erase(before);
    }
  }
  if (next != ends_.end() && next->first < end) {
    // Nothing was added: put back what was joined.
    if (first != run.first) ends_[first] = run.first;
    return next->first;
  }
  if (next != ends_.end() && next->first == end) {
    end = next->second;
    ends_.erase(next);
  }
  ends_[first] = end;
  pages_ += run.pages;
  return std::nullopt;
}

std::optional<uint64_t> PageSet::FirstOf(PageRun run) const {
  if (run.pages == 0) return std::nullopt;
  const auto next = ends_.upper_bound(run.first);
  if (next != ends_.begin() && std::prev(next)->second > run.first) {
    return run.first;
  }
  if (next == ends_.end() || next->first - run.first >= run.pages) {
    return std::nullopt;
  }
  return next->first;
}

void PageSet::Clear() {
  ends_.clear();
  pages_ = 0;
}

}  // namespace baton::port
