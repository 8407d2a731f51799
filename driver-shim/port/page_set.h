#ifndef DRIVER_SHIM_PORT_PAGE_SET_H_
#define DRIVER_SHIM_PORT_PAGE_SET_H_

#include <cstdint>
#include <map>
#include <optional>

namespace baton::port {

// Consecutive pages, by page number.
struct PageRun {
  uint64_t first = 0;
  uint64_t pages = 0;

  bool operator==(const PageRun&) const = default;
};

// A set of page numbers, kept as disjoint runs: as many entries as there are
// runs, however many pages they hold.
class PageSet {
 public:
  // Adds the pages of `run`. Returns the lowest page that was there before, and
  // then adds none; nullopt when all were new.
  std::optional<uint64_t> Add(PageRun run);

  bool Contains(uint64_t page) const;
  uint64_t pages() const { return pages_; }
  void Clear();

 private:
  std::map<uint64_t, uint64_t> ends_;  // of each run, by its first page
  uint64_t pages_ = 0;
};

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_PAGE_SET_H_
