#ifndef DRIVER_SHIM_PORT_PAGE_MAP_H_
#define DRIVER_SHIM_PORT_PAGE_MAP_H_

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <vector>

#include "driver-shim/port/page_set.h"

namespace baton::port {

// What the host's memory is used for, page by page, kept by runs of pages that
// are alike: whatever is asked of it costs as much as there are such runs,
// however many pages they hold. Not thread-safe.
class PageMap {
 public:
  enum class Use : uint8_t {
    kFree,
    kUsed,  // the driver's
    kHeld,  // nobody's, but not to be used
  };

  struct State {
    Use use = Use::kFree;
    bool kept = false;        // saved: held, not free, once the driver frees it
    bool was_copied = false;  // its bytes were saved by copying them
    bool cow = false;         // mapped copy-on-write
    std::byte* home = nullptr;  // where it is mapped
  };

  // Pages that are alike, and mapped one after the other.
  struct Stretch {
    PageRun run = {};
    State state = {};  // of its first page
  };

  // Pages from `all.first` on, all free, mapped from `home` on.
  PageMap(PageRun all, std::byte* home);

  bool Has(PageRun run) const {
    return run.first >= all_.first && run.pages <= all_.pages &&
           run.first - all_.first <= all_.pages - run.pages;
  }
  PageRun all() const { return all_; }
  uint64_t free_pages() const { return free_pages_; }

  // Of a page that is there.
  State At(uint64_t page) const { return From({.first = page}).state; }
  // How the first of `run`'s pages are, as many as are alike; at least one.
  Stretch From(PageRun run) const;
  // All of `run`, which is there.
  std::vector<Stretch> In(PageRun run) const;

  // Whether the run is there, and all of it used so.
  bool AllAre(PageRun run, Use use) const;
  // The lowest pages inside `within` that are free, at most `pages` of them.
  std::vector<PageRun> FindFree(uint64_t pages, PageRun within) const;
  // The lowest that follow each other, the last of them at most `highest`.
  std::optional<PageRun> FindFreeRun(uint64_t pages, uint64_t highest) const;

  // Calls `change(first, state)` for each stretch of the run, which is there.
  template <typename Change>
  void Update(PageRun run, Change change) {
    const uint64_t end = run.first + run.pages;
    SplitAt(run.first);
    SplitAt(end);
    for (auto at = stretches_.find(run.first);
         at != stretches_.end() && at->first < end; ++at) {
      const bool was_free = at->second.state.use == Use::kFree;
      change(at->first, at->second.state);
      Count(at->first, at->second, was_free);
    }
    JoinWithin(run);
    FindFirstFree();
  }
  void SetUse(PageRun run, Use use) {
    Update(run, [use](uint64_t, State& state) { state.use = use; });
  }

 private:
  struct Entry {
    uint64_t pages = 0;
    State state = {};
  };
  using Map = std::map<uint64_t, Entry>;

  Map::const_iterator Find(uint64_t page) const {
    return std::prev(stretches_.upper_bound(page));
  }
  void SplitAt(uint64_t page);
  void JoinWithin(PageRun run);
  void Count(uint64_t first, const Entry& entry, bool was_free);
  void FindFirstFree();

  const PageRun all_;
  Map stretches_;  // by first page; without gaps
  uint64_t free_pages_;
  uint64_t first_free_;  // no lower page is free
};

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_PAGE_MAP_H_
