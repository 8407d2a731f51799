#include "driver-shim/port/kernel_memory.h"

#include <malloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/reason.h"

namespace baton::port {
namespace {

constexpr size_t kPageBytes = PAGE_SIZE;
constexpr size_t kSlotLeast = 16;
constexpr size_t kSlotMost = kPageBytes / 2;
constexpr uint64_t kAnyPage = std::numeric_limits<uint64_t>::max();

uint64_t Number(const void* address) {
  return reinterpret_cast<uint64_t>(address);
}

// Addresses are kept as numbers, in order.
void* Pointer(uint64_t address) {
  return reinterpret_cast<void*>(address);  // NOLINT(performance-no-int-to-ptr)
}

uint64_t PagesFor(size_t bytes) {
  return (bytes + kPageBytes - 1) / kPageBytes;
}

uint64_t CountOf(const std::vector<PageRun>& runs) {
  uint64_t pages = 0;
  for (const PageRun& run : runs) pages += run.pages;
  return pages;
}

// Adds a page behind the others.
void Join(std::vector<PageRun>& runs, uint64_t page) {
  if (!runs.empty() && runs.back().first + runs.back().pages == page) {
    ++runs.back().pages;
  } else {
    runs.push_back({.first = page, .pages = 1});
  }
}

// As runs: each costs a call of the system, and not each page.
std::vector<PageRun> RunsOf(const MDL* list) {
  const PFN_NUMBER* const pages = MmGetMdlPfnArray(list);
  std::vector<PageRun> runs;
  for (SIZE_T i = 0; i < BatonMdlPageCount(list); ++i) Join(runs, pages[i]);
  return runs;
}

// The runs of a block where each goes as far as it can.
std::vector<PageRun> JoinedRunsOf(const SavedBlock& block) {
  std::vector<PageRun> runs;
  for (const PageRun& run : block.runs) {
    if (!runs.empty() && runs.back().first + runs.back().pages == run.first) {
      runs.back().pages += run.pages;
    } else {
      runs.push_back(run);
    }
  }
  return runs;
}

// Has the heap keep this much memory that was touched: a list of many pages is
// large.
void WarmHeap(size_t bytes) {
  constexpr int kFromHeap = 32 << 20;  // the most that can be set
  mallopt(M_MMAP_THRESHOLD, kFromHeap);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  void* const memory = std::malloc(bytes + kPageBytes);
  if (memory != nullptr) std::memset(memory, 1, bytes + kPageBytes);
  std::free(memory);
}

std::string Hex(uint64_t value) { return absl::StrFormat("%#x", value); }

absl::Status Unavailable(absl::string_view what) {
  return ErrorWithReason(absl::StatusCode::kResourceExhausted,
                         "MEMORY_UNAVAILABLE", absl::StrCat("cannot ", what));
}

}  // namespace

absl::StatusOr<std::unique_ptr<KernelMemory>> KernelMemory::Create(
    int fd, OnMisuse on_misuse) {
  struct stat info = {};
  if (fstat(fd, &info) != 0 || info.st_size <= 0) {
    return Unavailable("read the size of the host's memory");
  }
  std::unique_ptr<KernelMemory> memory(
      new KernelMemory(fd, std::move(on_misuse)));
  const size_t bytes = static_cast<size_t>(info.st_size);
  void* const view =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (view == MAP_FAILED) return Unavailable("map the host's memory");
  memory->view_ = static_cast<std::byte*>(view);
  memory->pages_.resize(bytes / kPageBytes);
  for (size_t i = 0; i < memory->pages_.size(); ++i) {
    memory->pages_[i].home = memory->view_ + i * kPageBytes;
  }
  memory->free_pages_ = memory->pages_.size();
  return memory;
}

KernelMemory::~KernelMemory() {
  for (const auto& [address, allocation] : allocations_) {
    if (allocation.kind == Kind::kList) {
      std::free(Pointer(address));
    }
  }
  for (const auto& [address, window] : windows_) {
    munmap(Pointer(address), window.pages * kPageBytes);
  }
  if (saved_view_ != nullptr) munmap(saved_view_, bytes());
  munmap(view_, bytes());
}

void KernelMemory::SetUse(uint64_t page, Use use) {
  Page& at = At(page);
  if (at.use == Use::kFree) --free_pages_;
  if (use == Use::kFree) {
    ++free_pages_;
    first_free_ = std::min(first_free_, page - kFirstPage);
  }
  at.use = use;
  while (first_free_ < pages_.size() && pages_[first_free_].use != Use::kFree) {
    ++first_free_;
  }
}

// ---- pool and contiguous memory ----

std::optional<uint64_t> KernelMemory::FindFree(uint64_t pages,
                                               uint64_t highest) const {
  uint64_t found = 0;
  for (uint64_t i = first_free_; i < pages_.size() && kFirstPage + i <= highest;
       ++i) {
    found = pages_[i].use == Use::kFree ? found + 1 : 0;
    if (found == pages) return kFirstPage + i + 1 - pages;
  }
  return std::nullopt;
}

void* KernelMemory::TakeRun(uint64_t pages, uint64_t highest,
                            Allocation allocation) {
  if (pages == 0) return nullptr;
  const std::optional<uint64_t> first = FindFree(pages, highest);
  if (!first.has_value()) return nullptr;
  for (uint64_t i = 0; i < pages; ++i) SetUse(*first + i, Use::kUsed);
  allocation.run = {.first = *first, .pages = pages};
  allocations_[Number(View(*first))] = allocation;
  freed_.erase(Number(View(*first)));
  return View(*first);
}

void* KernelMemory::TakeSlot(size_t bytes, uint32_t tag) {
  size_t slot_bytes = kSlotLeast;
  while (slot_bytes < bytes) slot_bytes *= 2;
  const size_t slots = kPageBytes / slot_bytes;
  auto slab = std::find_if(slabs_.begin(), slabs_.end(), [&](const auto& s) {
    return s.second.slot_bytes == slot_bytes && s.second.used.count() < slots &&
           !At(s.first).kept;
  });
  if (slab == slabs_.end()) {
    const std::optional<uint64_t> page = FindFree(1, kAnyPage);
    if (!page.has_value()) return nullptr;
    SetUse(*page, Use::kUsed);
    slab = slabs_.insert({*page, {.slot_bytes = slot_bytes}}).first;
  }
  size_t slot = 0;
  while (slab->second.used[slot]) ++slot;
  slab->second.used[slot] = true;
  std::byte* const address = View(slab->first) + slot * slot_bytes;
  allocations_[Number(address)] = {
      .kind = Kind::kSlab, .tag = tag, .bytes = bytes};
  freed_.erase(Number(address));
  return address;
}

void* KernelMemory::AllocatePool(size_t bytes, uint32_t tag) {
  if (bytes == 0) return nullptr;
  if (bytes <= kSlotMost) return TakeSlot(bytes, tag);
  return TakeRun(PagesFor(bytes), kAnyPage,
                 {.kind = Kind::kPool, .tag = tag, .bytes = bytes});
}

void* KernelMemory::AllocateContiguous(size_t bytes, uint64_t highest_address) {
  return TakeRun(PagesFor(bytes), highest_address >> PAGE_SHIFT,
                 {.kind = Kind::kContiguous, .bytes = bytes});
}

// Takes the address out of the books, or reports that it is not there.
bool KernelMemory::Forget(const void* address, Kind kind,
                          absl::string_view what) {
  const auto found = allocations_.find(Number(address));
  if (found == allocations_.end() || found->second.kind != kind) {
    on_misuse_(7, absl::StrCat(what, " at ", Hex(Number(address)), " is freed",
                               freed_.contains(Number(address))
                                   ? " twice"
                                   : ", but was never allocated"));
    return false;
  }
  allocations_.erase(found);
  freed_.insert(Number(address));
  return true;
}

void KernelMemory::FreePool(void* address, std::optional<uint32_t> tag) {
  const auto found = allocations_.find(Number(address));
  if (found == allocations_.end()) {
    Forget(address, Kind::kPool, "pool memory");
    return;
  }
  const Allocation allocation = found->second;
  if (tag.has_value() && *tag != allocation.tag &&
      allocation.kind != Kind::kList) {
    on_misuse_(7, absl::StrCat("pool memory at ", Hex(Number(address)),
                               " is freed with tag ", Hex(*tag),
                               ", allocated with ", Hex(allocation.tag)));
  }
  switch (allocation.kind) {
    case Kind::kList:
      FreeList(static_cast<MDL*>(address));
      return;
    case Kind::kSlab:
      FreeSlot(Number(address));
      break;
    case Kind::kPool:
    case Kind::kContiguous:
      for (uint64_t i = 0; i < allocation.run.pages; ++i) {
        Release(allocation.run.first + i);
      }
      break;
  }
  Forget(address, allocation.kind, "pool memory");
}

void KernelMemory::FreeSlot(uint64_t address) {
  const uint64_t page = kFirstPage + (address - Number(view_)) / kPageBytes;
  Slab& slab = slabs_.at(page);
  slab.used[address % kPageBytes / slab.slot_bytes] = false;
  if (slab.used.any()) return;
  slabs_.erase(page);
  Release(page);
}

void KernelMemory::FreeContiguous(void* address) {
  const auto found = allocations_.find(Number(address));
  if (found != allocations_.end() && found->second.kind == Kind::kContiguous) {
    FreePool(address, std::nullopt);
    return;
  }
  Forget(address, Kind::kContiguous, "contiguous memory");
}

// Gives one page up: it is free, or held while somebody may still need it.
void KernelMemory::Release(uint64_t page) {
  SetUse(page, At(page).kept ? Use::kHeld : Use::kFree);
  At(page).was_copied = false;
}

// ---- lists ----

MDL* KernelMemory::NewList(const std::vector<PageRun>& runs,
                           uint32_t byte_offset, uint64_t bytes) {
  const uint64_t pages = CountOf(runs);
  const size_t size = sizeof(MDL) + pages * sizeof(PFN_NUMBER);
  MDL* const list = static_cast<MDL*>(std::malloc(size));
  CHECK(list != nullptr);
  *list = {};
  list->Size = static_cast<CSHORT>(
      std::min<size_t>(size, std::numeric_limits<CSHORT>::max()));
  list->ByteOffset = byte_offset;
  list->ByteCount = static_cast<ULONG>(bytes);
  PFN_NUMBER* next = MmGetMdlPfnArray(list);
  for (const PageRun& run : runs) {
    for (uint64_t i = 0; i < run.pages; ++i) *next++ = run.first + i;
  }
  freed_.erase(Number(list));
  return list;
}

// The lowest free pages inside `within`, at most `pages` of them.
std::vector<PageRun> KernelMemory::FreeRuns(uint64_t pages,
                                            PageRun within) const {
  std::vector<PageRun> runs;
  const uint64_t skip = std::max(within.first, kFirstPage) - kFirstPage;
  uint64_t left = pages;
  for (uint64_t i = std::max(first_free_, skip); i < pages_.size() && left > 0;
       ++i) {
    if (kFirstPage + i - within.first >= within.pages) break;
    if (pages_[i].use != Use::kFree) continue;
    Join(runs, kFirstPage + i);
    --left;
  }
  return runs;
}

MDL* KernelMemory::AllocatePages(size_t pages, PageRun within) {
  const std::vector<PageRun> taken = FreeRuns(pages, within);
  if (taken.empty()) return nullptr;
  for (const PageRun& run : taken) {
    for (uint64_t i = 0; i < run.pages; ++i) SetUse(run.first + i, Use::kUsed);
  }
  MDL* const list = NewList(taken, 0, CountOf(taken) * kPageBytes);
  list->MdlFlags = MDL_PAGES_LOCKED;
  allocations_[Number(list)] = {
      .kind = Kind::kList, .bytes = list->ByteCount, .pages = taken};
  return list;
}

void KernelMemory::Zero(const MDL* list) {
  for (const PageRun& run : allocations_.at(Number(list)).pages) {
    for (uint64_t i = 0; i < run.pages; ++i) {
      std::memset(At(run.first + i).home, 0, kPageBytes);
    }
  }
}

void KernelMemory::FreePages(MDL* list) {
  const auto found = allocations_.find(Number(list));
  if (found == allocations_.end() || found->second.pages.empty()) {
    on_misuse_(7, absl::StrCat("pages of the list at ", Hex(Number(list)),
                               found == allocations_.end()
                                   ? " are freed after the list"
                                   : " are freed twice"));
    return;
  }
  // What the books say, whatever the driver wrote into its list.
  const std::vector<PageRun> runs = std::exchange(found->second.pages, {});
  UnmapPages(list);
  for (const PageRun& run : runs) {
    for (uint64_t i = 0; i < run.pages; ++i) Release(run.first + i);
    ReturnToView(run);
  }
}

// Puts settled pages that are free again where they can be used from.
void KernelMemory::ReturnToView(PageRun run) {
  const uint64_t end = run.first + run.pages;
  for (uint64_t first = run.first; first < end;) {
    std::byte* const home = At(first).home;
    uint64_t pages = 0;
    while (first + pages < end && At(first + pages).use == Use::kFree &&
           At(first + pages).home == home + pages * kPageBytes &&
           home != View(first)) {
      ++pages;
    }
    if (pages == 0) {
      ++first;
      continue;
    }
    // The window stays reserved, so that a late use of it faults.
    mprotect(home, pages * kPageBytes, PROT_NONE);
    CHECK(mmap(View(first), pages * kPageBytes, PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_FIXED, fd_,
               static_cast<off_t>((first - kFirstPage) * kPageBytes)) ==
          View(first));
    for (uint64_t i = 0; i < pages; ++i) At(first + i).home = View(first + i);
    first += pages;
  }
}

// Where the pages of the list follow each other at their homes; null when they
// do not.
std::byte* KernelMemory::ContiguousHome(const MDL* list) const {
  const PFN_NUMBER* const pages = MmGetMdlPfnArray(list);
  for (SIZE_T i = 0; i < BatonMdlPageCount(list); ++i) {
    if (!Has(pages[i])) return nullptr;
    if (At(pages[i]).home != At(pages[0]).home + i * kPageBytes) {
      return nullptr;
    }
  }
  return At(pages[0]).home;
}

// Maps the pages one after the other; null when that is not to be had.
std::byte* KernelMemory::MapWindow(const std::vector<PageRun>& runs,
                                   int flags) {
  const size_t bytes = CountOf(runs) * kPageBytes;
  void* const base = mmap(nullptr, bytes, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return nullptr;
  std::byte* at = static_cast<std::byte*>(base);
  for (const PageRun& run : runs) {
    void* const mapped = mmap(
        at, run.pages * kPageBytes, PROT_READ | PROT_WRITE, flags | MAP_FIXED,
        fd_, static_cast<off_t>((run.first - kFirstPage) * kPageBytes));
    if (mapped == MAP_FAILED) {
      munmap(base, bytes);
      return nullptr;
    }
    at += run.pages * kPageBytes;
  }
  return static_cast<std::byte*>(base);
}

void* KernelMemory::MapPages(MDL* list) {
  if ((list->MdlFlags &
       (MDL_MAPPED_TO_SYSTEM_VA | MDL_SOURCE_IS_NONPAGED_POOL)) != 0) {
    return list->MappedSystemVa;
  }
  if (BatonMdlPageCount(list) == 0) return nullptr;
  std::byte* base = ContiguousHome(list);
  if (base == nullptr) {
    const PFN_NUMBER* const pages = MmGetMdlPfnArray(list);
    for (SIZE_T i = 0; i < BatonMdlPageCount(list); ++i) {
      // Two mappings of a copy-on-write page would not see each other's
      // writes. Only a list that a driver made up itself can get here.
      if (!Has(pages[i]) || At(pages[i]).cow) return nullptr;
    }
    const std::vector<PageRun> runs = RunsOf(list);
    base = MapWindow(runs, MAP_SHARED);
    if (base == nullptr) return nullptr;
    windows_[Number(base)] = {
        .runs = runs, .pages = CountOf(runs), .list = list};
  }
  list->MappedSystemVa = base + list->ByteOffset;
  list->MdlFlags |= MDL_MAPPED_TO_SYSTEM_VA;
  return list->MappedSystemVa;
}

void KernelMemory::UnmapPages(MDL* list) {
  if ((list->MdlFlags & MDL_MAPPED_TO_SYSTEM_VA) == 0) return;
  const auto window =
      windows_.find(Number(list->MappedSystemVa) - list->ByteOffset);
  if (window != windows_.end() && window->second.list == list) {
    munmap(Pointer(window->first), window->second.pages * kPageBytes);
    windows_.erase(window);
  }
  list->MappedSystemVa = nullptr;
  list->MdlFlags =
      static_cast<CSHORT>(list->MdlFlags & ~MDL_MAPPED_TO_SYSTEM_VA);
}

std::optional<uint64_t> KernelMemory::PageOf(const void* address) const {
  const uint64_t at = Number(address);
  for (const std::byte* view : {view_, saved_view_}) {
    if (view == nullptr || at - Number(view) >= bytes()) continue;
    const uint64_t index = (at - Number(view)) / kPageBytes;
    if (pages_[index].home == view + index * kPageBytes) {
      return kFirstPage + index;
    }
    return std::nullopt;
  }
  const auto next = windows_.upper_bound(at);
  if (next == windows_.begin()) return std::nullopt;
  const auto window = std::prev(next);
  const uint64_t index = (at - window->first) / kPageBytes;
  if (index >= window->second.pages) return std::nullopt;
  uint64_t page = 0;
  uint64_t before = 0;
  for (const PageRun& run : window->second.runs) {
    page = run.first + (index - before);
    before += run.pages;
    if (index < before) break;
  }
  const bool is_home =
      Number(At(page).home) == window->first + index * kPageBytes;
  if (window->second.list == nullptr && !is_home) return std::nullopt;
  return page;
}

MDL* KernelMemory::AllocateList(void* address, uint32_t bytes) {
  const PageRun unknown = {.pages =
                               ADDRESS_AND_SIZE_TO_SPAN_PAGES(address, bytes)};
  MDL* const list = NewList({unknown}, Number(address) % kPageBytes, bytes);
  list->StartVa = static_cast<std::byte*>(address) - list->ByteOffset;
  allocations_[Number(list)] = {.kind = Kind::kList, .bytes = bytes};
  return list;
}

void KernelMemory::FreeList(MDL* list) {
  const auto found = allocations_.find(Number(list));
  const bool known =
      found != allocations_.end() && found->second.kind == Kind::kList;
  if (known && !found->second.pages.empty()) {
    on_misuse_(7,
               absl::StrCat("list at ", Hex(Number(list)),
                            " is freed before its pages: ",
                            CountOf(found->second.pages), " pages are lost"));
  }
  if (known) UnmapPages(list);
  if (Forget(list, Kind::kList, "list")) std::free(list);
}

void KernelMemory::FillList(MDL* list) {
  std::byte* at = static_cast<std::byte*>(list->StartVa);
  PFN_NUMBER* const pages = MmGetMdlPfnArray(list);
  for (SIZE_T i = 0; i < BatonMdlPageCount(list); ++i, at += kPageBytes) {
    const std::optional<uint64_t> page = PageOf(at);
    if (!page.has_value()) {
      on_misuse_(3, absl::StrCat("list describes ", Hex(Number(at)),
                                 ", which is not non-paged pool"));
    }
    pages[i] = page.value_or(0);
  }
  list->MappedSystemVa = MmGetMdlVirtualAddress(list);
  list->MdlFlags |= MDL_SOURCE_IS_NONPAGED_POOL;
}

// ---- the hot update ----

bool KernelMemory::OwnsAll(PageRun run) const {
  if (!Has(run.first) || run.pages > pages_.size()) return false;
  for (uint64_t i = 0; i < run.pages; ++i) {
    if (!Has(run.first + i) || At(run.first + i).use != Use::kUsed) {
      return false;
    }
  }
  return run.pages > 0;
}

const std::byte* KernelMemory::AddressOf(uint64_t page) const {
  return At(page).home;
}

void KernelMemory::Touch() {
  for (uint64_t i = 0; i < pages_.size();) {
    uint64_t pages = 0;
    while (i + pages < pages_.size() &&
           pages_[i + pages].home == view_ + (i + pages) * kPageBytes) {
      ++pages;
    }
    if (pages > 0) {
      madvise(pages_[i].home, pages * kPageBytes, MADV_POPULATE_WRITE);
    }
    i += pages + 1;
  }
}

absl::Status KernelMemory::TouchSaved() {
  if (saved_view_ != nullptr) return absl::OkStatus();
  void* const view =
      mmap(nullptr, bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE, fd_, 0);
  if (view == MAP_FAILED) return Unavailable("map the saved pages");
  madvise(view, bytes(), MADV_POPULATE_READ);
  WarmHeap(bytes() / kPageBytes * sizeof(PFN_NUMBER) + kPageBytes);
  saved_view_ = static_cast<std::byte*>(view);
  return absl::OkStatus();
}

void KernelMemory::Keep(const SavedBlock& block) {
  marked_ = true;
  for (const PageRun& run : block.runs) {
    for (uint64_t i = 0; i < run.pages; ++i) At(run.first + i).kept = true;
  }
}

std::vector<PageRun> KernelMemory::TakeForCopy(uint64_t pages) {
  if (free_pages_ < pages) return {};
  marked_ = true;
  const std::vector<PageRun> taken =
      FreeRuns(pages, {.first = kFirstPage, .pages = pages_.size()});
  for (const PageRun& run : taken) {
    for (uint64_t i = 0; i < run.pages; ++i) {
      SetUse(run.first + i, Use::kHeld);
      At(run.first + i).kept = true;
    }
  }
  return taken;
}

void KernelMemory::ReleaseKept() {
  if (!std::exchange(marked_, false)) return;
  for (uint64_t i = 0; i < pages_.size(); ++i) {
    Page& page = pages_[i];
    page.was_copied = false;
    if (!page.kept || page.cow) continue;
    page.kept = false;
    if (page.use == Use::kHeld) SetUse(kFirstPage + i, Use::kFree);
  }
}

absl::Status KernelMemory::Reserve(const std::vector<SavedBlock>& blocks) {
  if (const absl::Status there = TouchSaved(); !there.ok()) return there;
  for (const SavedBlock& block : blocks) {
    const std::vector<PageRun> runs = JoinedRunsOf(block);
    if (runs.empty()) continue;
    for (const PageRun& run : runs) {
      for (uint64_t i = 0; i < run.pages; ++i) {
        const uint64_t page = run.first + i;
        if (!Has(page) || At(page).use != Use::kFree) {
          return ErrorWithReason(
              absl::StatusCode::kDataLoss, "SAVED_STATE_DAMAGED",
              absl::StrCat("saved page ", Hex(page),
                           " is not in the host's memory, or saved twice"));
        }
        SetUse(page, Use::kHeld);
      }
    }
    std::byte* at = SavedView(runs[0].first);
    if (runs.size() > 1) {
      at = MapWindow(runs, MAP_PRIVATE);
      if (at == nullptr) return Unavailable("map a saved block");
      windows_[Number(at)] = {.runs = runs, .pages = CountOf(runs)};
    }
    for (const PageRun& run : runs) {
      // No other way to the saved bytes may stay open.
      mprotect(View(run.first), run.pages * kPageBytes, PROT_NONE);
      for (uint64_t i = 0; i < run.pages; ++i, at += kPageBytes) {
        Page& page = At(run.first + i);
        page.kept = true;
        page.cow = true;
        page.home = at;
      }
    }
  }
  return absl::OkStatus();
}

MDL* KernelMemory::Deliver(const SavedBlock& block) {
  for (const PageRun& run : block.runs) {
    for (uint64_t i = 0; i < run.pages; ++i) SetUse(run.first + i, Use::kUsed);
  }
  MDL* const list = NewList(block.runs, block.byte_offset, block.bytes);
  list->MdlFlags = MDL_PAGES_LOCKED;
  allocations_[Number(list)] = {
      .kind = Kind::kList, .bytes = block.bytes, .pages = block.runs};
  return list;
}

void KernelMemory::Withdraw(MDL* list, const SavedBlock& block) {
  const auto found = allocations_.find(Number(list));
  if (found == allocations_.end() || found->second.pages.empty()) {
    on_misuse_(8, absl::StrCat("list of a block of ", block.bytes,
                               " bytes is freed, but its restore failed"));
  }
  if (found != allocations_.end()) {
    found->second.pages.clear();
    FreeList(list);
  }
  for (const PageRun& run : block.runs) {
    for (uint64_t i = 0; i < run.pages; ++i) SetUse(run.first + i, Use::kHeld);
  }
}

// The pages from `page` on that are alike: one place, one use.
PageRun KernelMemory::SettleFrom(uint64_t page) const {
  const Page& like = At(page);
  PageRun run = {.first = page, .pages = 1};
  while (Has(page + run.pages)) {
    const Page& next = At(page + run.pages);
    if (!next.cow || next.use != like.use ||
        next.home != like.home + run.pages * kPageBytes) {
      break;
    }
    ++run.pages;
  }
  return run;
}

// Writes what the driver changed into the file.
absl::Status KernelMemory::WriteBack(PageRun run) {
  std::array<std::byte, kPageBytes> old;
  for (uint64_t i = 0; i < run.pages; ++i) {
    const off_t offset =
        static_cast<off_t>((run.first + i - kFirstPage) * kPageBytes);
    const std::byte* const home = At(run.first + i).home;
    const bool same = pread(fd_, old.data(), kPageBytes, offset) ==
                          static_cast<ssize_t>(kPageBytes) &&
                      std::memcmp(old.data(), home, kPageBytes) == 0;
    if (!same && pwrite(fd_, home, kPageBytes, offset) !=
                     static_cast<ssize_t>(kPageBytes)) {
      return Unavailable("write a page back");
    }
  }
  return absl::OkStatus();
}

absl::Status KernelMemory::ShareAgain(PageRun run) {
  std::byte* const home = At(run.first).home;
  const size_t bytes = run.pages * kPageBytes;
  if (mmap(home, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd_,
           static_cast<off_t>((run.first - kFirstPage) * kPageBytes)) != home) {
    return Unavailable("share a page again");
  }
  madvise(home, bytes, MADV_POPULATE_WRITE);
  return absl::OkStatus();
}

absl::Status KernelMemory::Settle() {
  for (uint64_t i = 0; i < pages_.size();) {
    if (!pages_[i].cow) {
      ++i;
      continue;
    }
    const PageRun run = SettleFrom(kFirstPage + i);
    if (pages_[i].use == Use::kUsed) {
      if (const absl::Status s = WriteBack(run); !s.ok()) return s;
      if (const absl::Status s = ShareAgain(run); !s.ok()) return s;
    }
    for (uint64_t k = 0; k < run.pages; ++k, ++i) {
      pages_[i].cow = false;
      pages_[i].kept = false;
      if (pages_[i].use == Use::kHeld) SetUse(kFirstPage + i, Use::kFree);
    }
    ReturnToView(run);
  }
  Touch();
  return absl::OkStatus();
}

KernelMemory::Outstanding KernelMemory::outstanding() const {
  Outstanding out;
  for (const auto& [address, allocation] : allocations_) {
    const auto page = PageOf(Pointer(address));
    if (page.has_value() && At(*page).kept) continue;
    if (allocation.kind == Kind::kList) {
      const auto& pages = allocation.pages;
      if (!pages.empty() && At(pages[0].first).kept) continue;
      ++out.lists;
      out.pages += CountOf(pages);
    } else if (allocation.kind == Kind::kContiguous) {
      out.pages += allocation.run.pages;
    } else {
      ++out.pool;
    }
    if (out.first.empty()) {
      out.first =
          absl::StrCat(allocation.bytes, " bytes, tag ", Hex(allocation.tag));
    }
  }
  return out;
}

}  // namespace baton::port
