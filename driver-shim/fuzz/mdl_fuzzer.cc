// Descriptor lists and the memory behind them: a driver's calls in any order,
// with any sizes, and with addresses that it gave back long ago. Whatever it
// does, what is its own stays whole, and the books balance in the end.

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/check.h"
#include "driver-shim/ddi/kernel.h"
#include "driver-shim/fuzz/input.h"
#include "driver-shim/port/kernel_memory.h"

namespace baton::fuzz {
namespace {

using port::kFirstPage;

constexpr uint64_t kPages = 48;
constexpr uint32_t kTag = 0x7a7a7546;
constexpr size_t kStepsMax = 200;

int MemoryFd() {
  static const int fd = [] {
    const int made = memfd_create("mdl-fuzzer", MFD_CLOEXEC);
    CHECK(made >= 0 && ftruncate(made, kPages * PAGE_SIZE) == 0);
    return made;
  }();
  return fd;
}

class Driver {
 public:
  explicit Driver(Input& input) : input_(input) {
    auto memory = port::KernelMemory::Create(
        MemoryFd(), [this](int, const std::string&) { ++misuses_; });
    CHECK(memory.ok());
    memory_ = *std::move(memory);
    CHECK(memory_->free_pages() == kPages);
  }

  void Run() {
    for (size_t i = 0; i < kStepsMax && !input_.empty(); ++i) Step();
    CheckOwn();
    CHECK(misuses_ == expected_misuses_);
    GiveBack();
    CHECK(memory_->free_pages() == kPages);
    const auto left = memory_->outstanding();
    CHECK(left.pool + left.lists + left.pages == 0);
  }

 private:
  struct Taken {
    size_t bytes = 0;
    uint8_t mark = 0;
    bool contiguous = false;
  };

  void Step() {
    switch (input_.Below(11)) {
      case 0:
        return Keep(memory_->AllocatePool(last_bytes_ = Size(), kTag), false);
      case 1:
        return Keep(
            memory_->AllocateContiguous(last_bytes_ = Size(), Highest()), true);
      case 2:
        return FreeOne();
      case 3:
        return FreeStale();
      case 4:
        return TakePages();
      case 5:
        return MapOne();
      case 6:
        return FreeList();
      case 7:
        return Describe();
      case 8:
        return SaveAndCancel();
      case 9:
        return AskAnywhere();
      case 10:
        return CheckOwn();
    }
  }

  size_t Size() {
    const uint8_t how = input_.Take<uint8_t>();
    if (how < 100) return size_t{how} * 3;
    return how < 230 ? size_t{input_.Take<uint16_t>()} * 2
                     : input_.Take<uint64_t>();
  }

  uint64_t Highest() {
    return input_.Below(4) != 0 ? ~uint64_t{0} : input_.Take<uint64_t>();
  }

  void Keep(void* address, bool contiguous) {
    if (address == nullptr) return;
    CHECK(!taken_.contains(address));
    CHECK(memory_->PageOf(address).has_value());
    const auto mark = static_cast<uint8_t>(++marks_);
    std::memset(address, mark, last_bytes_);
    taken_[address] = {last_bytes_, mark, contiguous};
    stale_.erase(address);
  }

  void* Pick() {
    auto at = taken_.begin();
    std::advance(at, static_cast<long>(input_.Below(taken_.size())));
    return at->first;
  }

  void FreeOne() {
    if (taken_.empty()) return;
    void* const address = Pick();
    const Taken taken = taken_[address];
    CheckMark(address, taken);
    if (taken.contiguous) {
      memory_->FreeContiguous(address);
    } else {
      memory_->FreePool(address, kTag);
    }
    taken_.erase(address);
    stale_.insert(address);
  }

  void FreeStale() {
    if (stale_.empty()) return;
    auto at = stale_.begin();
    std::advance(at, static_cast<long>(input_.Below(stale_.size())));
    ++expected_misuses_;
    if (input_.Below(2) == 0) {
      memory_->FreePool(*at, std::nullopt);
    } else {
      memory_->FreeContiguous(*at);
    }
  }

  void TakePages() {
    const port::PageRun within = {
        .first = input_.Below(4) != 0 ? 0 : input_.Take<uint64_t>(),
        .pages = input_.Below(4) != 0 ? ~uint64_t{0} : input_.Take<uint64_t>()};
    MDL* const list = memory_->AllocatePages(input_.Below(12), within);
    if (list == nullptr) return;
    CHECK(MmGetMdlByteCount(list) == BatonMdlPageCount(list) * PAGE_SIZE);
    memory_->Zero(list);
    for (SIZE_T i = 0; i < BatonMdlPageCount(list); ++i) {
      const uint64_t page = MmGetMdlPfnArray(list)[i];
      CHECK(memory_->OwnsAll({.first = page, .pages = 1}));
      CHECK(*memory_->AddressOf(page) == std::byte{0});
    }
    lists_[list] = 0;
  }

  MDL* PickList() {
    auto at = lists_.begin();
    std::advance(at, static_cast<long>(input_.Below(lists_.size())));
    return at->first;
  }

  void MapOne() {
    if (lists_.empty()) return;
    MDL* const list = PickList();
    if (input_.Below(3) == 0) {
      memory_->UnmapPages(list);
      return;
    }
    void* const at = memory_->MapPages(list);
    CHECK(at != nullptr);
    CHECK(memory_->MapPages(list) == at);
    const auto mark = static_cast<uint8_t>(++marks_);
    std::memset(at, mark, MmGetMdlByteCount(list));
    lists_[list] = mark;
    CheckList(list, mark);
  }

  void FreeList() {
    if (lists_.empty()) return;
    MDL* const list = PickList();
    CheckList(list, lists_[list]);
    memory_->FreePages(list);
    if (input_.Below(8) == 0) {
      ++expected_misuses_;
      memory_->FreePages(list);
    }
    if (input_.Below(2) == 0) {
      memory_->FreeList(list);
    } else {
      memory_->FreePool(list, kTag);
    }
    lists_.erase(list);
  }

  // A list over pool: its numbers are those of the pages behind the addresses.
  void Describe() {
    if (taken_.empty()) return;
    auto* const address = static_cast<std::byte*>(Pick());
    const size_t bytes = taken_[address].bytes;
    const size_t skip = input_.Below(bytes);
    MDL* const list = memory_->AllocateList(
        address + skip, static_cast<uint32_t>(bytes - skip));
    CHECK(MmGetMdlVirtualAddress(list) == address + skip);
    if (input_.Below(4) == 0) {
      CHECK(memory_->MapPages(list) == nullptr);  // not filled in yet
    } else {
      memory_->FillList(list);
      CHECK(memory_->MapPages(list) == address + skip);
      for (SIZE_T i = 0; i < BatonMdlPageCount(list); ++i) {
        const std::byte* const page =
            static_cast<std::byte*>(list->StartVa) + i * PAGE_SIZE;
        CHECK(MmGetMdlPfnArray(list)[i] == memory_->PageOf(page));
      }
    }
    memory_->FreeList(list);
  }

  // What a Save does, and then a cancel: nothing is different afterwards.
  void SaveAndCancel() {
    const uint64_t free_before = memory_->free_pages();
    const uint64_t wanted = input_.Below(6);
    const auto copies = memory_->TakeForCopy(wanted);
    for (const port::PageRun& run : copies) {
      std::memset(memory_->CopyTarget(run.first), 0, run.pages * PAGE_SIZE);
    }
    if (!lists_.empty()) {
      MDL* const list = PickList();
      port::SavedBlock block;
      for (SIZE_T i = 0; i < BatonMdlPageCount(list); ++i) {
        block.runs.push_back({.first = MmGetMdlPfnArray(list)[i], .pages = 1});
      }
      memory_->Keep(block);
    }
    CHECK(free_before <= memory_->free_pages() + wanted);
    memory_->ReleaseKept();
    CHECK(memory_->free_pages() == free_before);
  }

  void AskAnywhere() {
    const auto number = input_.Take<uint64_t>();
    // Never followed. NOLINTNEXTLINE(performance-no-int-to-ptr)
    const auto page = memory_->PageOf(reinterpret_cast<void*>(number));
    CHECK(!page.has_value() ||
          (*page >= kFirstPage && *page - kFirstPage < kPages));
    const port::PageRun run = {.first = number,
                               .pages = input_.Take<uint64_t>()};
    if (memory_->OwnsAll(run)) CHECK(run.pages <= kPages);
    memory_->FirstCopied(run);
  }

  static void CheckMark(const void* address, const Taken& taken) {
    const auto* const bytes = static_cast<const uint8_t*>(address);
    for (size_t i = 0; i < taken.bytes; ++i) CHECK(bytes[i] == taken.mark);
  }

  void CheckList(const MDL* list, uint8_t mark) const {
    for (SIZE_T i = 0; i < BatonMdlPageCount(list); ++i) {
      const std::byte* const page =
          memory_->AddressOf(MmGetMdlPfnArray(list)[i]);
      for (size_t j = 0; j < PAGE_SIZE; j += 509) {
        CHECK(page[j] == std::byte{mark});
      }
    }
  }

  void CheckOwn() const {
    for (const auto& [address, taken] : taken_) CheckMark(address, taken);
    for (const auto& [list, mark] : lists_) CheckList(list, mark);
  }

  void GiveBack() {
    for (const auto& [address, taken] : taken_) {
      memory_->FreePool(address, std::nullopt);
    }
    for (const auto& [list, mark] : lists_) {
      memory_->FreePages(list);
      memory_->FreeList(list);
    }
  }

  Input& input_;
  std::unique_ptr<port::KernelMemory> memory_;
  std::map<void*, Taken> taken_;
  std::set<void*> stale_;
  std::map<MDL*, uint8_t> lists_;
  size_t last_bytes_ = 0;
  unsigned marks_ = 0;
  int misuses_ = 0;
  int expected_misuses_ = 0;
};

}  // namespace
}  // namespace baton::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  baton::fuzz::Input input(data, bytes);
  baton::fuzz::Driver(input).Run();
  return 0;
}
