#include "driver-shim/port/page_set.h"

#include <algorithm>
#include <iterator>

namespace baton::port {

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

bool PageSet::Contains(uint64_t page) const {
  const auto next = ends_.upper_bound(page);
  return next != ends_.begin() && std::prev(next)->second > page;
}

void PageSet::Clear() {
  ends_.clear();
  pages_ = 0;
}

}  // namespace baton::port
