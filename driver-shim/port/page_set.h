#ifndef DRIVER_SHIM_PORT_PAGE_SET_H_
#define DRIVER_SHIM_PORT_PAGE_SET_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace baton::port {

// Consecutive pages, by page number.
struct PageRun {
  uint64_t first = 0;
  uint64_t pages = 0;

  bool operator==(const PageRun&) const = default;
};

// Adds a run behind the others, to the last one where it follows that.
void AddRun(std::vector<PageRun>& runs, PageRun run);
// Returns `count` page numbers as runs, in their order.
std::vector<PageRun> RunsOf(const uint64_t* pages, size_t count);
uint64_t PagesIn(const std::vector<PageRun>& runs);

// A set of page numbers, kept as disjoint runs: as many entries as there are
// runs, however many pages they hold.
class PageSet {
 public:
  // Adds the pages of `run`. Returns the lowest page that was there before, and
  // then adds none; nullopt when all were new.
  std::optional<uint64_t> Add(PageRun run);

  // The lowest page of `run` that is in the set.
  std::optional<uint64_t> FirstOf(PageRun run) const;
  bool Contains(uint64_t page) const {
    return FirstOf({.first = page, .pages = 1}).has_value();
  }
  uint64_t pages() const { return pages_; }
  size_t runs() const { return ends_.size(); }
  void Clear();

 private:
  std::map<uint64_t, uint64_t> ends_;  // of each run, by its first page
  uint64_t pages_ = 0;
};

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_PAGE_SET_H_
