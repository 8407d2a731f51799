#include "driver-shim/port/page_map.h"

#include <algorithm>

namespace baton::port {
namespace {

constexpr size_t kPageBytes = 4096;

// As it is so many pages further on.
PageMap::State Moved(PageMap::State state, uint64_t pages) {
  state.home += pages * kPageBytes;
  return state;
}

bool Alike(const PageMap::State& a, const PageMap::State& b) {
  return a.use == b.use && a.kept == b.kept && a.was_copied == b.was_copied &&
         a.cow == b.cow && a.home == b.home;
}

}  // namespace

PageMap::PageMap(PageRun all, std::byte* home)
    : all_(all), free_pages_(all.pages), first_free_(all.first) {
  stretches_[all.first] = {.pages = all.pages, .state = {.home = home}};
}

PageMap::Stretch PageMap::From(PageRun run) const {
  const auto found = Find(run.first);
  const uint64_t before = run.first - found->first;
  const uint64_t pages =
      std::min(std::max<uint64_t>(1, run.pages), found->second.pages - before);
  return {.run = {.first = run.first, .pages = pages},
          .state = Moved(found->second.state, before)};
}

std::vector<PageMap::Stretch> PageMap::In(PageRun run) const {
  std::vector<Stretch> stretches;
  while (run.pages > 0) {
    stretches.push_back(From(run));
    const uint64_t pages = stretches.back().run.pages;
    run = {.first = run.first + pages, .pages = run.pages - pages};
  }
  return stretches;
}

bool PageMap::AllAre(PageRun run, Use use) const {
  if (!Has(run) || run.pages == 0) return false;
  for (auto at = Find(run.first);
       at != stretches_.end() && at->first < run.first + run.pages; ++at) {
    if (at->second.state.use != use) return false;
  }
  return true;
}

std::vector<PageRun> PageMap::FindFree(uint64_t pages, PageRun within) const {
  std::vector<PageRun> runs;
  // `within` may be of any size: its end is not to be computed.
  const auto inside = [&within](uint64_t page) {
    return page - within.first < within.pages;
  };
  for (auto at = Find(first_free_); at != stretches_.end() && pages > 0; ++at) {
    if (at->second.state.use != Use::kFree) continue;
    const uint64_t first = std::max(at->first, within.first);
    const uint64_t end = at->first + at->second.pages;
    if (first >= end) continue;
    if (!inside(first)) break;
    const uint64_t count =
        std::min({pages, end - first, within.pages - (first - within.first)});
    AddRun(runs, {.first = first, .pages = count});
    pages -= count;
  }
  return runs;
}

std::optional<PageRun> PageMap::FindFreeRun(uint64_t pages,
                                            uint64_t highest) const {
  PageRun found = {};
  for (auto at = Find(first_free_);
       at != stretches_.end() && at->first <= highest; ++at) {
    if (at->second.state.use != Use::kFree) continue;
    if (found.first + found.pages != at->first) found = {.first = at->first};
    found.pages += at->second.pages;
    if (found.pages < pages) continue;
    if (found.first + pages - 1 > highest) return std::nullopt;
    return PageRun{.first = found.first, .pages = pages};
  }
  return std::nullopt;
}

void PageMap::SplitAt(uint64_t page) {
  const auto found = stretches_.upper_bound(page);
  if (found == stretches_.begin()) return;
  Entry& low = std::prev(found)->second;
  const uint64_t before = page - std::prev(found)->first;
  if (before == 0 || before >= low.pages) return;
  stretches_.emplace_hint(
      found, page,
      Entry{.pages = low.pages - before, .state = Moved(low.state, before)});
  low.pages = before;
}

void PageMap::JoinWithin(PageRun run) {
  auto at = Find(run.first);
  if (at != stretches_.begin()) --at;
  auto low = stretches_.find(at->first);
  for (auto next = std::next(low);
       next != stretches_.end() && next->first <= run.first + run.pages;) {
    const Entry& entry = low->second;
    if (Alike(Moved(entry.state, entry.pages), next->second.state)) {
      low->second.pages += next->second.pages;
      next = stretches_.erase(next);
    } else {
      low = next++;
    }
  }
}

void PageMap::Count(uint64_t first, const Entry& entry, bool was_free) {
  const bool is_free = entry.state.use == Use::kFree;
  if (is_free == was_free) return;
  free_pages_ += is_free ? entry.pages : -entry.pages;
  if (is_free) first_free_ = std::min(first_free_, first);
}

void PageMap::FindFirstFree() {
  for (auto at = Find(first_free_);
       at != stretches_.end() && at->second.state.use != Use::kFree; ++at) {
    first_free_ = at->first + at->second.pages;
  }
}

}  // namespace baton::port
