#include "driver-shim/port/kernel_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "driver-shim/port/named_memory.h"
#include "gtest/gtest.h"

namespace baton::port {
namespace {

constexpr size_t kPages = 64;
constexpr PageRun kAnywhere = {.first = kFirstPage, .pages = kPages};

class KernelMemoryTest : public testing::Test {
 protected:
  void SetUp() override {
    auto file = NamedMemory::Create(testing::TempDir() + "/kernel_memory_test",
                                    kPages * PAGE_SIZE);
    ASSERT_TRUE(file.ok()) << file.status();
    file_ = std::move(*file);
    file_->Remove();
    memory_ = NewDriver();
  }

  // What another driver's host, started on the same memory, has.
  std::unique_ptr<KernelMemory> NewDriver() {
    auto memory = KernelMemory::Create(
        file_->fd(), [this](int rule, const std::string& message) {
          misuses_.push_back({rule, message});
        });
    EXPECT_TRUE(memory.ok()) << memory.status();
    return std::move(*memory);
  }

  // Takes pages that do not follow each other, and fills them.
  MDL* NewScattered(const std::string& text) {
    MDL* const gap = memory_->AllocatePages(1, kAnywhere);
    MDL* const a = memory_->AllocatePages(1, kAnywhere);
    memory_->FreePages(gap);
    memory_->FreeList(gap);
    memory_->FreePages(a);
    memory_->FreeList(a);
    void* const one = memory_->AllocatePool(PAGE_SIZE, 1);
    void* const two = memory_->AllocatePool(PAGE_SIZE, 1);
    memory_->FreePool(one, 1);
    MDL* const list = memory_->AllocatePages(3, kAnywhere);
    memory_->FreePool(two, 1);
    std::strcpy(static_cast<char*>(memory_->MapPages(list)), text.c_str());
    return list;
  }

  SavedBlock BlockOf(const MDL* list) {
    SavedBlock block = {.kind = BlockKind::kMdl,
                        .byte_offset = list->ByteOffset,
                        .bytes = list->ByteCount};
    const PFN_NUMBER* const pages = MmGetMdlPfnArray(list);
    for (size_t i = 0; i < BatonMdlPageCount(list); ++i) {
      block.runs.push_back({.first = pages[i], .pages = 1});
    }
    block.digest = DigestOf(block, file_->data(), kFirstPage);
    return block;
  }

  std::unique_ptr<NamedMemory> file_;
  std::unique_ptr<KernelMemory> memory_;
  std::vector<std::pair<int, std::string>> misuses_;
};

TEST_F(KernelMemoryTest, PoolIsAlignedAsTheKernelPromises) {
  std::vector<std::pair<void*, size_t>> all;
  for (const size_t bytes : {1, 16, 17, 100, 2048, 2049, 4095, 4096, 9000}) {
    void* const p = memory_->AllocatePool(bytes, 0x74736554);
    ASSERT_NE(p, nullptr) << bytes;
    const auto at = reinterpret_cast<uintptr_t>(p);
    EXPECT_EQ(at % 16, 0u) << bytes;
    if (bytes >= PAGE_SIZE) {
      EXPECT_EQ(at % PAGE_SIZE, 0u) << bytes;
    } else {
      EXPECT_EQ(at / PAGE_SIZE, (at + bytes - 1) / PAGE_SIZE) << bytes;
    }
    std::memset(p, static_cast<int>(bytes), bytes);
    all.push_back({p, bytes});
  }
  for (const auto& [p, bytes] : all) {
    for (size_t i = 0; i < bytes; ++i) {
      ASSERT_EQ(static_cast<uint8_t*>(p)[i], static_cast<uint8_t>(bytes));
    }
    memory_->FreePool(p, 0x74736554);
  }
  EXPECT_EQ(memory_->free_pages(), kPages);
  EXPECT_TRUE(misuses_.empty());
}

TEST_F(KernelMemoryTest, RunsOutWithoutHarm) {
  EXPECT_EQ(memory_->AllocatePool((kPages + 1) * PAGE_SIZE, 1), nullptr);
  void* const all = memory_->AllocatePool(kPages * PAGE_SIZE, 1);
  ASSERT_NE(all, nullptr);
  EXPECT_EQ(memory_->AllocatePool(1, 1), nullptr);
  EXPECT_EQ(memory_->AllocatePages(1, kAnywhere), nullptr);
  EXPECT_TRUE(memory_->TakeForCopy(1).empty());
  memory_->FreePool(all, 1);
  EXPECT_EQ(memory_->TakeForCopy(kPages).size(), 1u);
  memory_->ReleaseKept();
  EXPECT_EQ(memory_->free_pages(), kPages);
}

// Of 4 GiB it said that they were none.
TEST_F(KernelMemoryTest, RegressionAListHasNoMorePagesThanItCanCount) {
  constexpr uint64_t kMost = (uint64_t{1} << 20) - 1;
  const int fd = memfd_create("kernel_memory_test", MFD_CLOEXEC);
  ASSERT_EQ(ftruncate(fd, (kMost + 3) * PAGE_SIZE), 0);
  const auto memory = KernelMemory::Create(fd, [](int, const std::string&) {});
  ASSERT_TRUE(memory.ok()) << memory.status();
  MDL* const list = (*memory)->AllocatePages(
      kMost + 2, {.first = kFirstPage, .pages = kMost + 3});
  ASSERT_NE(list, nullptr);
  EXPECT_EQ(BatonMdlPageCount(list), kMost);
  EXPECT_EQ((*memory)->free_pages(), 3u);
  (*memory)->FreePages(list);
  (*memory)->FreeList(list);
  EXPECT_EQ((*memory)->free_pages(), kMost + 3);
  close(fd);
}

TEST_F(KernelMemoryTest, ScatteredPagesAreMappedInTheOrderOfTheList) {
  MDL* const list = NewScattered("hello");
  const PFN_NUMBER* const pages = MmGetMdlPfnArray(list);
  ASSERT_EQ(BatonMdlPageCount(list), 3u);
  EXPECT_NE(pages[0] + 1, pages[1]);
  auto* const at = static_cast<std::byte*>(memory_->MapPages(list));
  at[PAGE_SIZE] = std::byte{7};
  EXPECT_EQ(file_->data()[(pages[1] - kFirstPage) * PAGE_SIZE], std::byte{7});
  EXPECT_EQ(memory_->PageOf(at + size_t{2} * PAGE_SIZE), pages[2]);
  memory_->UnmapPages(list);
  EXPECT_EQ(memory_->PageOf(at + size_t{2} * PAGE_SIZE), std::nullopt);
  memory_->FreePages(list);
  memory_->FreeList(list);
  EXPECT_TRUE(misuses_.empty());
}

TEST_F(KernelMemoryTest, ListOfPoolHasItsPageNumbers) {
  auto* const pool =
      static_cast<std::byte*>(memory_->AllocatePool(size_t{3} * PAGE_SIZE, 1));
  MDL* const list = memory_->AllocateList(pool + 100, 2 * PAGE_SIZE);
  memory_->FillList(list);
  ASSERT_EQ(BatonMdlPageCount(list), 3u);
  EXPECT_EQ(MmGetMdlPfnArray(list)[1], *memory_->PageOf(pool) + 1);
  EXPECT_EQ(memory_->MapPages(list), pool + 100);
  memory_->FreeList(list);
  memory_->FreePool(pool, std::nullopt);
  EXPECT_TRUE(misuses_.empty());
}

TEST_F(KernelMemoryTest, EveryKindOfDoubleFreeIsReported) {
  void* const pool = memory_->AllocatePool(64, 1);
  memory_->FreePool(pool, 1);
  memory_->FreePool(pool, 1);
  MDL* const list = memory_->AllocatePages(2, kAnywhere);
  memory_->FreePages(list);
  memory_->FreePages(list);
  memory_->FreeList(list);
  memory_->FreeList(list);
  memory_->FreePages(list);
  int local = 0;
  memory_->FreePool(&local, 1);
  ASSERT_EQ(misuses_.size(), 5u);
  for (const auto& [rule, message] : misuses_) EXPECT_EQ(rule, 7) << message;
  EXPECT_NE(misuses_[0].second.find("freed twice"), std::string::npos);
  EXPECT_NE(misuses_[4].second.find("never allocated"), std::string::npos);
  EXPECT_EQ(memory_->free_pages(), kPages);
}

TEST_F(KernelMemoryTest, ListFreedBeforeItsPagesIsReported) {
  MDL* const list = memory_->AllocatePages(2, kAnywhere);
  memory_->FreeList(list);
  ASSERT_EQ(misuses_.size(), 1u);
  EXPECT_NE(misuses_[0].second.find("2 pages are lost"), std::string::npos);
}

TEST_F(KernelMemoryTest, SaysWhatIsOutstanding) {
  memory_->AllocatePool(40, 0x41);
  memory_->AllocatePages(3, kAnywhere);
  const KernelMemory::Outstanding out = memory_->outstanding();
  EXPECT_EQ(out.pool, 1u);
  EXPECT_EQ(out.lists, 1u);
  EXPECT_EQ(out.pages, 3u);
}

TEST_F(KernelMemoryTest, SavedPagesAreNotUsedAgainThoughTheDriverFreesThem) {
  MDL* const list = NewScattered("kept");
  const SavedBlock block = BlockOf(list);
  for (const PageRun& run : block.runs) EXPECT_TRUE(memory_->OwnsAll(run));
  memory_->Keep(block);
  memory_->FreePages(list);
  memory_->FreeList(list);
  EXPECT_EQ(memory_->free_pages(), kPages - 3);
  while (void* p = memory_->AllocatePool(PAGE_SIZE, 1)) {
    std::memset(p, 0xff, PAGE_SIZE);
  }
  EXPECT_EQ(DigestOf(block, file_->data(), kFirstPage), block.digest);
  memory_->ReleaseKept();
  EXPECT_EQ(memory_->free_pages(), 3u);
}

TEST_F(KernelMemoryTest, NextDriverWritesWithoutTouchingTheSavedBytes) {
  const SavedBlock block = BlockOf(NewScattered("the very same bytes"));
  for (int round = 0; round < 2; ++round) {
    const auto next = NewDriver();
    ASSERT_TRUE(next->Reserve({block}).ok());
    EXPECT_EQ(next->free_pages(), kPages - 3);
    MDL* const list = next->Deliver(block);
    auto* const text = static_cast<char*>(next->MapPages(list));
    EXPECT_STREQ(text, "the very same bytes") << round;
    EXPECT_EQ(next->PageOf(text + PAGE_SIZE), block.runs[1].first);
    std::memset(text, 'x', size_t{3} * PAGE_SIZE);
    EXPECT_EQ(DigestOf(block, file_->data(), kFirstPage), block.digest);
    // Freed or not, nobody gets the pages before Settle().
    if (round == 1) next->FreePages(list);
    EXPECT_EQ(next->free_pages(), kPages - 3);
  }
  EXPECT_TRUE(misuses_.empty());
}

TEST_F(KernelMemoryTest, SettleMakesWhatWasWrittenPermanent) {
  const SavedBlock kept = BlockOf(NewScattered("kept"));
  const SavedBlock freed = BlockOf(memory_->AllocatePages(2, kAnywhere));
  const auto next = NewDriver();
  ASSERT_TRUE(next->Reserve({kept, freed}).ok());
  MDL* const list = next->Deliver(kept);
  auto* const text = static_cast<char*>(next->MapPages(list));
  std::strcpy(text + PAGE_SIZE, "new");
  MDL* const gone = next->Deliver(freed);
  std::strcpy(static_cast<char*>(next->MapPages(gone)), "never seen");
  next->FreePages(gone);
  next->FreeList(gone);
  EXPECT_EQ(next->free_pages(), kPages - 5);

  ASSERT_TRUE(next->Settle().ok());
  EXPECT_EQ(next->free_pages(), kPages - 3);
  const auto* const second =
      file_->data() + (kept.runs[1].first - kFirstPage) * PAGE_SIZE;
  EXPECT_STREQ(reinterpret_cast<const char*>(second), "new");
  EXPECT_STREQ(text, "kept");
  std::strcpy(text + PAGE_SIZE, "newer");
  EXPECT_STREQ(reinterpret_cast<const char*>(second), "newer");

  // What is free again can be used, and is the file's.
  while (auto* p = static_cast<char*>(next->AllocatePool(PAGE_SIZE, 1))) {
    std::memset(p, 'y', PAGE_SIZE);
  }
  EXPECT_EQ(next->free_pages(), 0u);
  const auto* const reused =
      file_->data() + (freed.runs[0].first - kFirstPage) * PAGE_SIZE;
  EXPECT_EQ(*reused, std::byte{'y'});
  next->FreePages(list);
  next->FreeList(list);
  EXPECT_EQ(next->free_pages(), 3u);
  EXPECT_NE(next->AllocatePool(PAGE_SIZE, 1), nullptr);
  EXPECT_TRUE(misuses_.empty());
}

TEST_F(KernelMemoryTest, SaysWhetherAListThatWasRefusedIsLeft) {
  const SavedBlock block = BlockOf(memory_->AllocatePages(2, kAnywhere));
  const auto next = NewDriver();
  ASSERT_TRUE(next->Reserve({block}).ok());
  MDL* const list = next->Deliver(block);
  next->FreePages(list);
  EXPECT_FALSE(next->Withdraw(list, block));
  EXPECT_TRUE(misuses_.empty());
  MDL* const left = next->Deliver(block);
  EXPECT_TRUE(next->Withdraw(left, block));
}

TEST_F(KernelMemoryTest, TheSamePageInTwoBlocksIsRefused) {
  const SavedBlock block = BlockOf(memory_->AllocatePages(2, kAnywhere));
  EXPECT_FALSE(NewDriver()->Reserve({block, block}).ok());
  EXPECT_FALSE(
      NewDriver()
          ->Reserve({{.runs = {{.first = kFirstPage + kPages, .pages = 1}},
                      .bytes = 1}})
          .ok());
}

}  // namespace
}  // namespace baton::port
