#include "driver-shim/port/kernel_memory.h"

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
#include "driver-shim/port/named_memory.h"
#include "driver-shim/port/touch.h"

namespace baton::port {
namespace {

constexpr size_t kPageBytes = PAGE_SIZE;
constexpr size_t kSlotLeast = 16;
constexpr size_t kSlotMost = kPageBytes / 2;
// For the books of some ten thousand runs.
constexpr size_t kBooksBytes = size_t{4} << 20;
constexpr size_t kClosedMax = 10'000;
constexpr uint64_t kAnyPage = std::numeric_limits<uint64_t>::max();
// What a driver that is handed saved pages takes of its own while it is loaded,
// twice over.
constexpr uint64_t kPagesAhead = 2048;
// Whose bytes a list can count.
constexpr size_t kListPagesMax = std::numeric_limits<ULONG>::max() / kPageBytes;

uint64_t Number(const void* address) {
  return reinterpret_cast<uint64_t>(address);
}

// Addresses are kept as numbers.
void* Pointer(uint64_t address) {
  return reinterpret_cast<void*>(address);  // NOLINT(performance-no-int-to-ptr)
}

uint64_t PagesFor(size_t bytes) {
  return (bytes + kPageBytes - 1) / kPageBytes;
}

// Of the page in the file.
off_t OffsetOf(uint64_t page) {
  return static_cast<off_t>((page - kFirstPage) * kPageBytes);
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
  const size_t bytes = static_cast<size_t>(info.st_size);
  std::byte* const view = MapLarge(fd, bytes, MAP_SHARED);
  if (view == nullptr) return Unavailable("map the host's memory");
  const PageRun all = {.first = kFirstPage, .pages = bytes / kPageBytes};
  return std::unique_ptr<KernelMemory>(
      new KernelMemory(fd, std::move(on_misuse), all, view));
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

// ---- pool and contiguous memory ----

void* KernelMemory::TakeRun(uint64_t pages, uint64_t highest,
                            Allocation allocation) {
  if (pages == 0) return nullptr;
  const std::optional<PageRun> run = map_.FindFreeRun(pages, highest);
  if (!run.has_value()) return nullptr;
  map_.SetUse(*run, Use::kUsed);
  allocation.run = *run;
  allocations_[Number(View(run->first))] = allocation;
  freed_.erase(Number(View(run->first)));
  return View(run->first);
}

void* KernelMemory::TakeSlot(size_t bytes, uint32_t tag) {
  size_t slot_bytes = kSlotLeast;
  while (slot_bytes < bytes) slot_bytes *= 2;
  const size_t slots = kPageBytes / slot_bytes;
  auto slab = std::find_if(slabs_.begin(), slabs_.end(), [&](const auto& s) {
    return s.second.slot_bytes == slot_bytes && s.second.used.count() < slots &&
           !map_.At(s.first).kept;
  });
  if (slab == slabs_.end()) {
    const std::optional<PageRun> page = map_.FindFreeRun(1, kAnyPage);
    if (!page.has_value()) return nullptr;
    map_.SetUse(*page, Use::kUsed);
    slab = slabs_.insert({page->first, {.slot_bytes = slot_bytes}}).first;
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
      Release(allocation.run);
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
  Release({.first = page, .pages = 1});
}

void KernelMemory::FreeContiguous(void* address) {
  const auto found = allocations_.find(Number(address));
  if (found != allocations_.end() && found->second.kind == Kind::kContiguous) {
    FreePool(address, std::nullopt);
    return;
  }
  Forget(address, Kind::kContiguous, "contiguous memory");
}

// Gives pages up: they are free, or held while somebody may still need them.
void KernelMemory::Release(PageRun run) {
  map_.Update(run, [](uint64_t, PageMap::State& state) {
    state.use = state.kept ? Use::kHeld : Use::kFree;
    state.was_copied = false;
  });
}

// ---- lists ----

MDL* KernelMemory::NewList(const std::vector<PageRun>& runs,
                           uint32_t byte_offset, uint64_t bytes) {
  const uint64_t pages = PagesIn(runs);
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

MDL* KernelMemory::AllocatePages(size_t pages, PageRun within) {
  const std::vector<PageRun> taken =
      map_.FindFree(std::min(pages, kListPagesMax), within);
  if (taken.empty()) return nullptr;
  for (const PageRun& run : taken) map_.SetUse(run, Use::kUsed);
  MDL* const list = NewList(taken, 0, PagesIn(taken) * kPageBytes);
  list->MdlFlags = MDL_PAGES_LOCKED;
  allocations_[Number(list)] = {
      .kind = Kind::kList, .bytes = list->ByteCount, .pages = taken};
  return list;
}

void KernelMemory::Zero(const MDL* list) {
  for (const PageRun& run : allocations_.at(Number(list)).pages) {
    for (const PageMap::Stretch& stretch : map_.In(run)) {
      std::memset(stretch.state.home, 0, stretch.run.pages * kPageBytes);
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
    Release(run);
    ReturnToView(run);
  }
}

// Puts settled pages that are free again where they can be used from.
void KernelMemory::ReturnToView(PageRun all) {
  for (const auto& [run, state] : map_.In(all)) {
    if (state.use != Use::kFree || state.home == View(run.first)) continue;
    // The window stays reserved, so that a late use of it faults; but each of
    // these costs mappings, which whatever comes after needs, too.
    if (closed_ < kClosedMax) {
      mprotect(state.home, run.pages * kPageBytes, PROT_NONE);
      ++closed_;
    }
    map_.Update(run, [this](uint64_t first, PageMap::State& at) {
      at.home = View(first);
    });
  }
}

// Where the pages of the list follow each other at their homes; null when they
// do not.
std::byte* KernelMemory::ContiguousHome(
    const std::vector<PageRun>& runs) const {
  std::byte* const home = map_.At(runs[0].first).home;
  std::byte* next = home;
  for (const PageRun& run : runs) {
    for (const PageMap::Stretch& stretch : map_.In(run)) {
      if (stretch.state.home != next) return nullptr;
      next += stretch.run.pages * kPageBytes;
    }
  }
  return home;
}

// Maps the pages one after the other; null when that is not to be had.
std::byte* KernelMemory::MapWindow(const std::vector<PageRun>& runs,
                                   int flags) {
  const size_t bytes = PagesIn(runs) * kPageBytes;
  void* const base = mmap(nullptr, bytes, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return nullptr;
  std::byte* at = static_cast<std::byte*>(base);
  for (const PageRun& run : runs) {
    void* const mapped =
        mmap(at, run.pages * kPageBytes, PROT_READ | PROT_WRITE,
             flags | MAP_FIXED, fd_, OffsetOf(run.first));
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
  // As runs: each costs a call of the system, and not each page.
  const std::vector<PageRun> runs =
      RunsOf(MmGetMdlPfnArray(list), BatonMdlPageCount(list));
  for (const PageRun& run : runs) {
    if (!map_.Has(run)) return nullptr;
  }
  std::byte* base = ContiguousHome(runs);
  if (base == nullptr) {
    // Two mappings of a copy-on-write page would not see each other's writes.
    // Only a list that a driver made up itself can get here.
    for (const PageRun& run : runs) {
      for (const PageMap::Stretch& stretch : map_.In(run)) {
        if (stretch.state.cow) return nullptr;
      }
    }
    base = MapWindow(runs, MAP_SHARED);
    if (base == nullptr) return nullptr;
    windows_[Number(base)] = {
        .runs = runs, .pages = PagesIn(runs), .list = list};
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
  return BehindOf(address, 1).first;
}

KernelMemory::Behind KernelMemory::BehindOf(const void* address,
                                            uint64_t pages) const {
  const uint64_t at = Number(address);
  uint64_t next = std::numeric_limits<uint64_t>::max();  // mapping of ours
  for (const std::byte* view : {view_, saved_view_}) {
    if (view == nullptr) continue;
    if (at - Number(view) >= bytes()) {
      if (Number(view) > at) next = std::min(next, Number(view));
      continue;
    }
    const uint64_t page = kFirstPage + (at - Number(view)) / kPageBytes;
    return HomeAt(
        at, {.first = page,
             .pages = std::min(pages, map_.all().pages - (page - kFirstPage))});
  }
  const auto above = windows_.upper_bound(at);
  if (above != windows_.end()) next = std::min(next, above->first);
  if (above != windows_.begin()) {
    const auto& [base, window] = *std::prev(above);
    const uint64_t index = (at - base) / kPageBytes;
    if (index < window.pages) return InWindow(at, window, index, pages);
  }
  const uint64_t until = (next - at) / kPageBytes;
  return {.pages = std::max<uint64_t>(1, std::min(pages, until))};
}

// The first of the run's pages, as far as they are at home at `address`.
KernelMemory::Behind KernelMemory::HomeAt(uint64_t address, PageRun run) const {
  const PageMap::Stretch stretch = map_.From(run);
  if (Number(stretch.state.home) != address - address % kPageBytes) return {};
  return {.first = run.first, .pages = stretch.run.pages};
}

// Page `index` of the window, and those after it.
KernelMemory::Behind KernelMemory::InWindow(uint64_t address,
                                            const Window& window,
                                            uint64_t index,
                                            uint64_t pages) const {
  auto run = window.runs.begin();
  while (index >= run->pages) index -= (run++)->pages;
  const PageRun from = {.first = run->first + index,
                        .pages = std::min(pages, run->pages - index)};
  if (window.list == nullptr) return HomeAt(address, from);
  return {.first = from.first, .pages = from.pages};
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
                            PagesIn(found->second.pages), " pages are lost"));
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
  return map_.AllAre(run, Use::kUsed);
}

const std::byte* KernelMemory::AddressOf(uint64_t page) const {
  return map_.At(page).home;
}

void KernelMemory::Touch() {
  for (const auto& [run, state] : map_.In(map_.all())) {
    madvise(state.home, run.pages * kPageBytes, MADV_POPULATE_WRITE);
  }
}

void KernelMemory::TouchFree(uint64_t pages) {
  for (const PageRun& run : map_.FindFree(pages, map_.all())) {
    // Finding out that a page is there takes time, too.
    const uint64_t first = std::max(run.first, touched_end_);
    const uint64_t end = run.first + run.pages;
    if (first >= end) continue;
    madvise(View(first), (end - first) * kPageBytes, MADV_POPULATE_WRITE);
  }
}

absl::Status KernelMemory::TouchSaved() {
  if (saved_view_ != nullptr) return absl::OkStatus();
  saved_view_ = MapLarge(fd_, bytes(), MAP_PRIVATE);
  if (saved_view_ == nullptr) return Unavailable("map the saved pages");
  madvise(saved_view_, bytes(), MADV_POPULATE_READ);
  // Not all of the other view: small pages that are there take long to close,
  // and a large one is lost as soon as a part of it is closed.
  const uint64_t ahead = std::min(kPagesAhead, map_.all().pages);
  madvise(view_, ahead * kPageBytes, MADV_NOHUGEPAGE);
  madvise(view_, ahead * kPageBytes, MADV_POPULATE_WRITE);
  touched_end_ = map_.all().first + ahead;
  // For the longest list, and for books of many runs.
  TouchHeap(map_.all().pages * sizeof(PFN_NUMBER) + kBooksBytes);
  return absl::OkStatus();
}

void KernelMemory::Keep(const SavedBlock& block) {
  for (const PageRun& run : block.runs) {
    map_.Update(run,
                [](uint64_t, PageMap::State& state) { state.kept = true; });
  }
}

void KernelMemory::MarkCopied(PageRun run) {
  map_.Update(run,
              [](uint64_t, PageMap::State& state) { state.was_copied = true; });
}

std::optional<uint64_t> KernelMemory::FirstCopied(PageRun run) const {
  if (!map_.Has(run)) return std::nullopt;
  for (const PageMap::Stretch& stretch : map_.In(run)) {
    if (stretch.state.was_copied) return stretch.run.first;
  }
  return std::nullopt;
}

std::vector<PageRun> KernelMemory::TakeForCopy(uint64_t pages) {
  if (free_pages() < pages) return {};
  std::vector<PageRun> taken = map_.FindFree(pages, map_.all());
  for (const PageRun& run : taken) {
    map_.Update(run, [](uint64_t, PageMap::State& state) {
      state.use = Use::kHeld;
      state.kept = true;
    });
  }
  return taken;
}

void KernelMemory::ReleaseKept() {
  map_.Update(map_.all(), [](uint64_t, PageMap::State& state) {
    state.was_copied = false;
    if (!state.kept || state.cow) return;
    state.kept = false;
    if (state.use == Use::kHeld) state.use = Use::kFree;
  });
}

absl::Status KernelMemory::Reserve(const std::vector<SavedBlock>& blocks) {
  if (absl::Status there = TouchSaved(); !there.ok()) return there;
  for (const SavedBlock& block : blocks) {
    std::vector<PageRun> runs;
    for (const PageRun& run : block.runs) AddRun(runs, run);
    for (const PageRun& run : runs) {
      if (!map_.AllAre(run, Use::kFree)) {
        return ErrorWithReason(
            absl::StatusCode::kDataLoss, "SAVED_STATE_DAMAGED",
            absl::StrCat("of ", run.pages, " saved pages from ", Hex(run.first),
                         " on some are not in the host's memory, or saved "
                         "twice"));
      }
      map_.SetUse(run, Use::kHeld);
    }
    if (absl::Status mapped = MapSaved(runs); !mapped.ok()) return mapped;
  }
  return CloseView(blocks);
}

// No other way to the saved bytes may stay open.
absl::Status KernelMemory::CloseView(const std::vector<SavedBlock>& blocks) {
  std::vector<PageRun> all;
  for (const SavedBlock& block : blocks) {
    all.insert(all.end(), block.runs.begin(), block.runs.end());
  }
  // Each call of the system takes longer than finding out that it can be saved.
  std::sort(all.begin(), all.end(),
            [](PageRun a, PageRun b) { return a.first < b.first; });
  std::vector<PageRun> joined;
  for (const PageRun& run : all) AddRun(joined, run);
  for (const PageRun& run : joined) {
    if (mprotect(View(run.first), run.pages * kPageBytes, PROT_NONE) != 0) {
      return Unavailable("close the view of saved pages");
    }
  }
  return absl::OkStatus();
}

// Maps the pages of one block copy-on-write, one after the other.
absl::Status KernelMemory::MapSaved(const std::vector<PageRun>& runs) {
  if (runs.empty()) return absl::OkStatus();
  std::byte* at = SavedView(runs[0].first);
  if (runs.size() > 1) {
    at = MapWindow(runs, MAP_PRIVATE);
    if (at == nullptr) return Unavailable("map a saved block");
    windows_[Number(at)] = {.runs = runs, .pages = PagesIn(runs)};
  }
  for (const PageRun& run : runs) {
    map_.Update(run, [&](uint64_t first, PageMap::State& state) {
      state.kept = true;
      state.cow = true;
      state.home = at + (first - run.first) * kPageBytes;
    });
    at += run.pages * kPageBytes;
  }
  return absl::OkStatus();
}

MDL* KernelMemory::Deliver(const SavedBlock& block) {
  for (const PageRun& run : block.runs) map_.SetUse(run, Use::kUsed);
  MDL* const list = NewList(block.runs, block.byte_offset, block.bytes);
  list->MdlFlags = MDL_PAGES_LOCKED;
  allocations_[Number(list)] = {
      .kind = Kind::kList, .bytes = block.bytes, .pages = block.runs};
  return list;
}

bool KernelMemory::Withdraw(MDL* list, const SavedBlock& block) {
  const auto found = allocations_.find(Number(list));
  const bool left = found != allocations_.end() && !found->second.pages.empty();
  if (found != allocations_.end()) {
    found->second.pages.clear();
    FreeList(list);
  }
  for (const PageRun& run : block.runs) map_.SetUse(run, Use::kHeld);
  return left;
}

// Writes what the driver changed into the file.
absl::Status KernelMemory::WriteBack(const PageMap::Stretch& stretch) {
  std::array<std::byte, kPageBytes> old;
  for (uint64_t i = 0; i < stretch.run.pages; ++i) {
    const off_t offset = OffsetOf(stretch.run.first + i);
    const std::byte* const home = stretch.state.home + i * kPageBytes;
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

// Has all that is mapped copy-on-write be the file itself, in as few mappings
// as there are: a process cannot have any number of them.
absl::Status KernelMemory::ShareAll() {
  const auto share = [this](std::byte* at, PageRun run) {
    return mmap(at, run.pages * kPageBytes, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_FIXED, fd_, OffsetOf(run.first)) == at;
  };
  bool shared = share(saved_view_, map_.all());
  for (const auto& [address, window] : windows_) {
    if (window.list != nullptr) continue;
    auto* at = static_cast<std::byte*>(Pointer(address));
    for (const PageRun& run : window.runs) {
      shared = shared && share(at, run);
      at += run.pages * kPageBytes;
    }
  }
  shared = shared && mprotect(view_, bytes(), PROT_READ | PROT_WRITE) == 0;
  return shared ? absl::OkStatus() : Unavailable("share the saved pages again");
}

absl::Status KernelMemory::Settle() {
  const std::vector<PageMap::Stretch> all = map_.In(map_.all());
  const bool any = std::any_of(all.begin(), all.end(),
                               [](const auto& s) { return s.state.cow; });
  if (!any) return absl::OkStatus();
  for (const PageMap::Stretch& stretch : all) {
    if (!stretch.state.cow || stretch.state.use != Use::kUsed) continue;
    if (absl::Status s = WriteBack(stretch); !s.ok()) return s;
  }
  if (absl::Status s = ShareAll(); !s.ok()) return s;
  map_.Update(map_.all(), [](uint64_t, PageMap::State& state) {
    if (!state.cow) return;
    state.cow = false;
    state.kept = false;
    if (state.use == Use::kHeld) state.use = Use::kFree;
  });
  ReturnToView(map_.all());
  Touch();
  return absl::OkStatus();
}

KernelMemory::Outstanding KernelMemory::outstanding() const {
  Outstanding out;
  uint64_t first = std::numeric_limits<uint64_t>::max();
  for (const auto& [address, allocation] : allocations_) {
    const auto page = PageOf(Pointer(address));
    if (page.has_value() && map_.At(*page).kept) continue;
    if (allocation.kind == Kind::kList) {
      const auto& pages = allocation.pages;
      if (!pages.empty() && map_.At(pages[0].first).kept) continue;
      ++out.lists;
      out.pages += PagesIn(pages);
    } else if (allocation.kind == Kind::kContiguous) {
      out.pages += allocation.run.pages;
    } else {
      ++out.pool;
    }
    if (address < first) {
      first = address;
      out.first =
          absl::StrCat(allocation.bytes, " bytes, tag ", Hex(allocation.tag));
    }
  }
  return out;
}

}  // namespace baton::port
