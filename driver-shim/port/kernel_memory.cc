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

std::vector<uint64_t> PagesOf(const MDL* list) {
  const PFN_NUMBER* const pages = MmGetMdlPfnArray(list);
  return {pages, pages + BatonMdlPageCount(list)};
}

std::vector<uint64_t> PagesOf(const SavedBlock& block) {
  std::vector<uint64_t> pages;
  for (const PageRun& run : block.runs) {
    for (uint64_t i = 0; i < run.pages; ++i) pages.push_back(run.first + i);
  }
  return pages;
}

// The pages as runs, so that each run costs one call of the system.
std::vector<PageRun> RunsOf(const std::vector<uint64_t>& pages) {
  std::vector<PageRun> runs;
  for (const uint64_t page : pages) {
    if (!runs.empty() && runs.back().first + runs.back().pages == page) {
      ++runs.back().pages;
    } else {
      runs.push_back({.first = page, .pages = 1});
    }
  }
  return runs;
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
  madvise(view, bytes, MADV_POPULATE_WRITE);
  memory->view_ = static_cast<std::byte*>(view);
  memory->pages_.resize(bytes / kPageBytes);
  for (size_t i = 0; i < memory->pages_.size(); ++i) {
    memory->pages_[i].home = memory->view_ + i * kPageBytes;
  }
  return memory;
}

KernelMemory::~KernelMemory() {
  for (const auto& [address, allocation] : allocations_) {
    if (allocation.kind == Kind::kList) {
      std::free(Pointer(address));
    }
  }
  for (const auto& [address, window] : windows_) {
    munmap(Pointer(address), window.pages.size() * kPageBytes);
  }
  munmap(view_, pages_.size() * kPageBytes);
}

// ---- pool and contiguous memory ----

std::optional<uint64_t> KernelMemory::FindFree(uint64_t pages,
                                               uint64_t highest) const {
  uint64_t found = 0;
  for (uint64_t i = 0; i < pages_.size() && kFirstPage + i <= highest; ++i) {
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
  for (uint64_t i = 0; i < pages; ++i) At(*first + i).use = Use::kUsed;
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
    At(*page).use = Use::kUsed;
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
  At(page).use = At(page).kept ? Use::kHeld : Use::kFree;
  At(page).was_copied = false;
}

// ---- lists ----

MDL* KernelMemory::NewList(const std::vector<uint64_t>& pages,
                           uint32_t byte_offset, uint64_t bytes) {
  const size_t size = sizeof(MDL) + pages.size() * sizeof(PFN_NUMBER);
  MDL* const list = static_cast<MDL*>(std::calloc(1, size));
  CHECK(list != nullptr);
  list->Size = static_cast<CSHORT>(
      std::min<size_t>(size, std::numeric_limits<CSHORT>::max()));
  list->ByteOffset = byte_offset;
  list->ByteCount = static_cast<ULONG>(bytes);
  std::copy(pages.begin(), pages.end(), MmGetMdlPfnArray(list));
  freed_.erase(Number(list));
  return list;
}

MDL* KernelMemory::AllocatePages(size_t pages, PageRun within) {
  std::vector<uint64_t> taken;
  for (uint64_t i = 0; i < pages_.size() && taken.size() < pages; ++i) {
    const uint64_t page = kFirstPage + i;
    if (page < within.first || page - within.first >= within.pages) continue;
    if (pages_[i].use == Use::kFree) taken.push_back(page);
  }
  if (taken.empty()) return nullptr;
  for (const uint64_t page : taken) At(page).use = Use::kUsed;
  MDL* const list = NewList(taken, 0, taken.size() * kPageBytes);
  list->MdlFlags = MDL_PAGES_LOCKED;
  allocations_[Number(list)] = {
      .kind = Kind::kList, .bytes = list->ByteCount, .pages = taken};
  return list;
}

void KernelMemory::Zero(const MDL* list) {
  for (const uint64_t page : allocations_.at(Number(list)).pages) {
    std::memset(At(page).home, 0, kPageBytes);
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
  const std::vector<uint64_t> pages = std::exchange(found->second.pages, {});
  UnmapPages(list);
  for (const uint64_t page : pages) Release(page);
  for (const PageRun& run : RunsOf(pages)) ReturnToView(run);
}

// Puts settled pages that are free again where they can be used from.
void KernelMemory::ReturnToView(PageRun run) {
  for (uint64_t i = 0; i < run.pages; ++i) {
    Page& page = At(run.first + i);
    if (page.use != Use::kFree || page.home == View(run.first + i)) continue;
    // The window stays reserved, so that a late use of it faults.
    mprotect(page.home, kPageBytes, PROT_NONE);
    page.home = View(run.first + i);
    CHECK(mmap(page.home, kPageBytes, PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_FIXED, fd_,
               static_cast<off_t>((run.first + i - kFirstPage) * kPageBytes)) ==
          page.home);
  }
}

// Where the pages of the list follow each other at their homes.
std::optional<std::byte*> KernelMemory::ContiguousHome(const MDL* list) const {
  const std::vector<uint64_t> pages = PagesOf(list);
  for (size_t i = 0; i < pages.size(); ++i) {
    if (!Has(pages[i])) return std::nullopt;
    if (At(pages[i]).home != At(pages[0]).home + i * kPageBytes) {
      return std::nullopt;
    }
  }
  return At(pages[0]).home;
}

// Maps the pages one after the other; null when that is not to be had.
std::byte* KernelMemory::MapWindow(const std::vector<uint64_t>& pages,
                                   int flags) {
  const size_t bytes = pages.size() * kPageBytes;
  void* const base = mmap(nullptr, bytes, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return nullptr;
  std::byte* at = static_cast<std::byte*>(base);
  for (const PageRun& run : RunsOf(pages)) {
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
  const std::vector<uint64_t> pages = PagesOf(list);
  if (pages.empty()) return nullptr;
  std::byte* base = ContiguousHome(list).value_or(nullptr);
  if (base == nullptr) {
    for (const uint64_t page : pages) {
      // Two mappings of a copy-on-write page would not see each other's
      // writes. Only a list that a driver made up itself can get here.
      if (!Has(page) || At(page).cow) return nullptr;
    }
    base = MapWindow(pages, MAP_SHARED);
    if (base == nullptr) return nullptr;
    windows_[Number(base)] = {.pages = pages, .list = list};
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
    munmap(Pointer(window->first), window->second.pages.size() * kPageBytes);
    windows_.erase(window);
  }
  list->MappedSystemVa = nullptr;
  list->MdlFlags =
      static_cast<CSHORT>(list->MdlFlags & ~MDL_MAPPED_TO_SYSTEM_VA);
}

std::optional<uint64_t> KernelMemory::PageOf(const void* address) const {
  const uint64_t at = Number(address);
  if (at >= Number(view_) && at - Number(view_) < pages_.size() * kPageBytes) {
    const uint64_t page = kFirstPage + (at - Number(view_)) / kPageBytes;
    if (At(page).home == View(page)) return page;
    return std::nullopt;
  }
  const auto next = windows_.upper_bound(at);
  if (next == windows_.begin()) return std::nullopt;
  const auto window = std::prev(next);
  const uint64_t index = (at - window->first) / kPageBytes;
  if (index >= window->second.pages.size()) return std::nullopt;
  const uint64_t page = window->second.pages[index];
  const bool is_home =
      Number(At(page).home) == window->first + index * kPageBytes;
  if (window->second.list == nullptr && !is_home) return std::nullopt;
  return page;
}

MDL* KernelMemory::AllocateList(void* address, uint32_t bytes) {
  const std::vector<uint64_t> pages(
      ADDRESS_AND_SIZE_TO_SPAN_PAGES(address, bytes));
  MDL* const list = NewList(pages, Number(address) % kPageBytes, bytes);
  list->StartVa = static_cast<std::byte*>(address) - list->ByteOffset;
  allocations_[Number(list)] = {.kind = Kind::kList, .bytes = bytes};
  return list;
}

void KernelMemory::FreeList(MDL* list) {
  const auto found = allocations_.find(Number(list));
  const bool known =
      found != allocations_.end() && found->second.kind == Kind::kList;
  if (known && !found->second.pages.empty()) {
    on_misuse_(7, absl::StrCat("list at ", Hex(Number(list)),
                               " is freed before its pages: ",
                               found->second.pages.size(), " pages are lost"));
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

void KernelMemory::Keep(const SavedBlock& block) {
  for (const uint64_t page : PagesOf(block)) At(page).kept = true;
}

std::vector<PageRun> KernelMemory::TakeForCopy(uint64_t pages) {
  std::vector<uint64_t> taken;
  for (uint64_t i = 0; i < pages_.size() && taken.size() < pages; ++i) {
    if (pages_[i].use == Use::kFree) taken.push_back(kFirstPage + i);
  }
  if (taken.size() < pages) return {};
  for (const uint64_t page : taken) {
    At(page).use = Use::kHeld;
    At(page).kept = true;
  }
  return RunsOf(taken);
}

void KernelMemory::ReleaseKept() {
  for (Page& page : pages_) {
    page.was_copied = false;
    if (!page.kept || page.cow) continue;
    page.kept = false;
    if (page.use == Use::kHeld) page.use = Use::kFree;
  }
}

absl::Status KernelMemory::Reserve(const std::vector<SavedBlock>& blocks) {
  for (const SavedBlock& block : blocks) {
    const std::vector<uint64_t> pages = PagesOf(block);
    for (const uint64_t page : pages) {
      if (!Has(page) || At(page).use != Use::kFree) {
        return ErrorWithReason(
            absl::StatusCode::kDataLoss, "SAVED_STATE_DAMAGED",
            absl::StrCat("saved page ", Hex(page),
                         " is not in the host's memory, or saved twice"));
      }
    }
    std::byte* at = MapWindow(pages, MAP_PRIVATE);
    if (at == nullptr) return Unavailable("map a saved block");
    windows_[Number(at)] = {.pages = pages};
    for (const PageRun& run : RunsOf(pages)) {
      // No other way to the saved bytes may stay open.
      mprotect(View(run.first), run.pages * kPageBytes, PROT_NONE);
    }
    for (const uint64_t page : pages) {
      At(page) = {.use = Use::kHeld, .kept = true, .cow = true, .home = at};
      at += kPageBytes;
    }
  }
  return absl::OkStatus();
}

MDL* KernelMemory::Deliver(const SavedBlock& block) {
  const std::vector<uint64_t> pages = PagesOf(block);
  for (const uint64_t page : pages) At(page).use = Use::kUsed;
  MDL* const list = NewList(pages, block.byte_offset, block.bytes);
  list->MdlFlags = MDL_PAGES_LOCKED;
  allocations_[Number(list)] = {
      .kind = Kind::kList, .bytes = block.bytes, .pages = pages};
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
  for (const uint64_t page : PagesOf(block)) At(page).use = Use::kHeld;
}

absl::Status KernelMemory::Settle() {
  std::array<std::byte, kPageBytes> old;
  for (uint64_t i = 0; i < pages_.size(); ++i) {
    Page& page = pages_[i];
    if (!page.cow) continue;
    const off_t offset = static_cast<off_t>(i * kPageBytes);
    if (page.use == Use::kUsed) {
      const bool read = pread(fd_, old.data(), kPageBytes, offset) ==
                        static_cast<ssize_t>(kPageBytes);
      const bool dirty =
          !read || std::memcmp(old.data(), page.home, kPageBytes) != 0;
      if (dirty && pwrite(fd_, page.home, kPageBytes, offset) !=
                       static_cast<ssize_t>(kPageBytes)) {
        return Unavailable("write a page back");
      }
      if (mmap(page.home, kPageBytes, PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_FIXED, fd_, offset) != page.home) {
        return Unavailable("share a page again");
      }
    }
    page.cow = false;
    page.kept = false;
    if (page.use == Use::kHeld) page.use = Use::kFree;
    ReturnToView({.first = kFirstPage + i, .pages = 1});
  }
  return absl::OkStatus();
}

KernelMemory::Outstanding KernelMemory::outstanding() const {
  Outstanding out;
  for (const auto& [address, allocation] : allocations_) {
    const auto page = PageOf(Pointer(address));
    if (page.has_value() && At(*page).kept) continue;
    if (allocation.kind == Kind::kList) {
      const auto& pages = allocation.pages;
      if (!pages.empty() && At(pages[0]).kept) continue;
      ++out.lists;
      out.pages += pages.size();
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

uint64_t KernelMemory::free_pages() const {
  return static_cast<uint64_t>(
      std::count_if(pages_.begin(), pages_.end(),
                    [](const Page& page) { return page.use == Use::kFree; }));
}

}  // namespace baton::port
