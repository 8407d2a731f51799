#ifndef DRIVER_SHIM_PORT_KERNEL_MEMORY_H_
#define DRIVER_SHIM_PORT_KERNEL_MEMORY_H_

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "driver-shim/ddi/mdl.h"
#include "driver-shim/port/block_index.h"
#include "driver-shim/port/page_map.h"
#include "driver-shim/port/page_set.h"

namespace baton::port {

// Page number of the first page of the host's memory. Not 0, so that a page
// number is never mistaken for an index.
inline constexpr uint64_t kFirstPage = 0x1000;

// The host's memory as one driver sees it: pool, page lists, contiguous memory,
// and the pages that a driver before it saved. Its books are private to this
// process; the bytes are in a file that outlives it.
//
// Saved pages that it is handed are mapped copy-on-write, so that another
// driver can still be given the very same bytes, until Settle() makes them this
// driver's for good. Confined to the driver host's main thread.
class KernelMemory {
 public:
  // Told of every misuse: the rule of DDI.md that it breaks, and a message.
  using OnMisuse = std::function<void(int rule, const std::string& message)>;

  // What a driver has not given back.
  struct Outstanding {
    uint64_t pool = 0;   // allocations
    uint64_t lists = 0;  // memory descriptor lists
    uint64_t pages = 0;  // of lists and contiguous memory
    std::string first = "";
  };

  // Maps the file that `fd` is open on; does not take the descriptor over.
  // Touches nothing: see Touch() and TouchSaved().
  //
  // Errors: RESOURCE_EXHAUSTED, reason MEMORY_UNAVAILABLE
  static absl::StatusOr<std::unique_ptr<KernelMemory>> Create(
      int fd, OnMisuse on_misuse);

  ~KernelMemory();
  KernelMemory(const KernelMemory&) = delete;
  KernelMemory& operator=(const KernelMemory&) = delete;

  // ---- for the kernel's exports; see ddi/kernel.h ----

  void* AllocatePool(size_t bytes, uint32_t tag);
  void FreePool(void* address, std::optional<uint32_t> tag);
  void* AllocateContiguous(size_t bytes, uint64_t highest_address);
  void FreeContiguous(void* address);
  // Pages of `within`, as many as there are up to `pages`, and as a list can
  // describe.
  MDL* AllocatePages(size_t pages, PageRun within);
  void Zero(const MDL* list);  // as AllocatePages() returned it
  void FreePages(MDL* list);
  void* MapPages(MDL* list);
  void UnmapPages(MDL* list);
  // The page number behind `address`; nullopt when it is not in this memory.
  std::optional<uint64_t> PageOf(const void* address) const;
  // What lies behind the pages from `address` on, at most `pages` of them: a
  // run of this memory, or so many pages that are not in it.
  struct Behind {
    std::optional<uint64_t> first = std::nullopt;
    uint64_t pages = 1;
  };
  Behind BehindOf(const void* address, uint64_t pages) const;
  MDL* AllocateList(void* address, uint32_t bytes);
  void FreeList(MDL* list);
  void FillList(MDL* list);

  // ---- for the hot update ----

  // Takes the page faults of all of this memory now, so that no entry point
  // does: as a driver writes it that starts with nothing, ...
  void Touch();
  // ... and as one reads it that will be handed saved pages, whichever they
  // are, and writes the lowest of those that it is given beside them. Takes
  // longer the more memory there is; call it before the pause.
  //
  // Errors: RESOURCE_EXHAUSTED, reason MEMORY_UNAVAILABLE
  absl::Status TouchSaved();
  // Of the pages that are given out next, at most that many, those that
  // TouchSaved() did not take: it takes the lowest.
  void TouchFree(uint64_t pages);

  // Whether every page of `run` belongs to the driver.
  bool OwnsAll(PageRun run) const;
  // Where the page is mapped, for reading.
  const std::byte* AddressOf(uint64_t page) const;
  // Keeps the pages of a saved block from being used again, whether the driver
  // frees them or not.
  void Keep(const SavedBlock& block);
  // Remembers that pages were copied, until the driver frees them: what they
  // hold after that is something else.
  void MarkCopied(PageRun run);
  // The first of the pages that was copied; `run` may be of any pages.
  std::optional<uint64_t> FirstCopied(PageRun run) const;
  // Takes pages for a copy; empty when there are not that many.
  std::vector<PageRun> TakeForCopy(uint64_t pages);
  // Where a run that TakeForCopy() returned is to be written.
  std::byte* CopyTarget(uint64_t first_page) const { return View(first_page); }
  // Undoes Keep(), MarkCopied() and TakeForCopy(): the update was cancelled.
  void ReleaseKept();

  // Maps the pages of `blocks` copy-on-write and keeps them from being used.
  // Call it before the driver's first entry point.
  absl::Status Reserve(const std::vector<SavedBlock>& blocks);
  // Returns a list of the block's pages, which Reserve() was given, for the
  // driver to own.
  MDL* Deliver(const SavedBlock& block);
  // Takes the list back, because the driver refused it. Returns whether it and
  // its pages were still there.
  bool Withdraw(MDL* list, const SavedBlock& block);
  // Makes copy-on-write pages this driver's for good; what saved them is gone
  // then. No code of the driver may be running.
  absl::Status Settle();

  // Kept pages do not count.
  Outstanding outstanding() const;
  uint64_t free_pages() const { return map_.free_pages(); }
  uint64_t bytes() const { return map_.all().pages << PAGE_SHIFT; }

 private:
  using Use = PageMap::Use;
  enum class Kind { kPool, kSlab, kContiguous, kList };

  struct Allocation {
    Kind kind = Kind::kPool;
    uint32_t tag = 0;
    size_t bytes = 0;
    PageRun run = {};                 // of kPool and kContiguous
    std::vector<PageRun> pages = {};  // of kList: its own, not freed yet
  };
  struct Slab {
    size_t slot_bytes = 0;
    std::bitset<256> used = {};
  };
  // Pages that are mapped in another order than they have in the file.
  struct Window {
    std::vector<PageRun> runs = {};
    uint64_t pages = 0;
    const MDL* list = nullptr;  // whose mapping it is; null: their home
  };

  KernelMemory(int fd, OnMisuse on_misuse, PageRun all, std::byte* view)
      : fd_(fd),
        on_misuse_(std::move(on_misuse)),
        view_(view),
        map_(all, view) {}

  std::byte* View(uint64_t page) const {
    return view_ + ((page - kFirstPage) << PAGE_SHIFT);
  }
  std::byte* SavedView(uint64_t page) const {
    return saved_view_ + ((page - kFirstPage) << PAGE_SHIFT);
  }
  void* TakeRun(uint64_t pages, uint64_t highest, Allocation allocation);
  void* TakeSlot(size_t bytes, uint32_t tag);
  void Release(PageRun run);
  void ReturnToView(PageRun all);
  void FreeSlot(uint64_t address);
  bool Forget(const void* address, Kind kind, absl::string_view what);
  MDL* NewList(const std::vector<PageRun>& runs, uint32_t byte_offset,
               uint64_t bytes);
  std::byte* ContiguousHome(const std::vector<PageRun>& runs) const;
  Behind HomeAt(uint64_t address, PageRun run) const;
  Behind InWindow(uint64_t address, const Window& window, uint64_t index,
                  uint64_t pages) const;
  absl::Status MapSaved(const std::vector<PageRun>& runs);
  absl::Status CloseView(const std::vector<SavedBlock>& blocks);
  std::byte* MapWindow(const std::vector<PageRun>& runs, int flags);
  absl::Status WriteBack(const PageMap::Stretch& stretch);
  absl::Status ShareAll();

  const int fd_;
  const OnMisuse on_misuse_;
  std::byte* const view_;            // shared, in the order of the file
  std::byte* saved_view_ = nullptr;  // the same, copy-on-write; or null
  PageMap map_;
  uint64_t touched_end_ = 0;  // pages below it were touched one by one
  absl::flat_hash_map<uint64_t, Allocation> allocations_;  // by address
  absl::flat_hash_set<uint64_t> freed_;                    // addresses
  std::map<uint64_t, Slab> slabs_;                         // by page number
  std::map<uint64_t, Window> windows_;                     // by first address
  size_t closed_ = 0;  // runs of pages, since they were freed
};

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_KERNEL_MEMORY_H_
