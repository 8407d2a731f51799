#include "driver-shim/port/block_saver.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "driver-shim/ddi/hot_update.h"
#include "driver-shim/port/block_index.h"
#include "driver-shim/port/host_protocol.h"
#include "driver-shim/port/host_recorder.h"
#include "driver-shim/port/kernel_memory.h"
#include "driver-shim/port/page_set.h"
#include "gtest/gtest.h"

namespace baton::port {
namespace {

using Args = DXGKARGCB_SAVEMEMORYFORHOTUPDATE;

// A driver's host without the process: its memory, index and records.
class BlockSaverTest : public testing::Test {
 protected:
  // `pages`  of the host's memory; only those that are used take any
  void HaveMemory(size_t pages) {
    fd_ = memfd_create("block_saver_test", MFD_CLOEXEC);
    ASSERT_EQ(ftruncate(fd_, static_cast<off_t>(pages * PAGE_SIZE)), 0);
    memory_ = NewMemory();
    saver_ = std::make_unique<BlockSaver>(*memory_, index_, recorder_);
    saver_->Open();
  }
  void TearDown() override { close(fd_); }

  std::unique_ptr<KernelMemory> NewMemory() {
    return *KernelMemory::Create(fd_, [this](int rule, const std::string& m) {
      recorder_.Break({.rule = rule, .message = m});
    });
  }

  std::byte* NewPages(size_t pages) {
    return static_cast<std::byte*>(memory_->AllocatePool(pages * PAGE_SIZE, 1));
  }
  Args DataOf(void* data, size_t bytes) {
    Args args = {};
    args.pData = data;
    args.DataSize = static_cast<UINT>(bytes);
    return args;
  }
  // The whole range from the page of `data` on.
  Args RangeOf(const void* data, uint64_t pages) {
    return RangeOf(*memory_->PageOf(data), pages);
  }
  Args RangeOf(uint64_t first, uint64_t pages) {
    range_ = BatonKsrRange(first, pages);
    Args args = {};
    args.NumDataMemoryRanges = 1;
    args.pDataMemoryRanges = &range_;
    return args;
  }

  // The rule that the last block broke; 0: none.
  int Rule() { return recorder_.End().rule; }
  std::vector<SavedBlock> Seal() {
    saver_->Seal();
    return *index_.Read();
  }
  // What the next driver reads in the list that it is handed.
  std::string Handed(KernelMemory& next, const SavedBlock& block) {
    MDL* const list = next.Deliver(block);
    const auto* const data = static_cast<const char*>(next.MapPages(list));
    return data == nullptr ? "not mapped"
                           : std::string(data, MmGetMdlByteCount(list));
  }

  int fd_ = -1;
  std::vector<std::byte> index_bytes_ =
      std::vector<std::byte>(BlockIndex::kBytes);
  BlockIndex index_{index_bytes_.data()};
  std::unique_ptr<HostStatus> status_ = std::make_unique<HostStatus>();
  HostRecorder recorder_{*status_};
  DXGK_KSR_MEMORY_RANGE range_ = {};
  std::unique_ptr<KernelMemory> memory_;
  std::unique_ptr<BlockSaver> saver_;
};

TEST_F(BlockSaverTest, DataOfAnySizeAtAnyAddressIsCopied) {
  HaveMemory(4096);
  std::vector<std::string> want;
  for (const size_t bytes : {size_t{1}, size_t{4095}, size_t{4096},
                             size_t{4097}, size_t{99'999}, size_t{3'000'001}}) {
    for (const size_t offset : {0u, 1u, 63u, 4095u}) {
      std::string data(offset + bytes, '\0');
      for (size_t i = 0; i < data.size(); ++i) {
        data[i] = static_cast<char>(i * 31 + bytes);
      }
      // Each time other pages, so that none is saved twice.
      auto* const at = NewPages((offset + bytes) / PAGE_SIZE + 1);
      ASSERT_NE(at, nullptr);
      std::memcpy(at + offset, data.data() + offset, bytes);
      ASSERT_EQ(saver_->Save(DataOf(at + offset, bytes)), STATUS_SUCCESS);
      memory_->FreePool(at, 1);
      want.push_back(data.substr(offset));
    }
  }
  EXPECT_EQ(Rule(), 0);
  const std::vector<SavedBlock> blocks = Seal();
  ASSERT_EQ(blocks.size(), want.size());
  const auto next = NewMemory();
  ASSERT_TRUE(next->Reserve(blocks).ok());
  for (size_t i = 0; i < blocks.size(); ++i) {
    EXPECT_TRUE(Handed(*next, blocks[i]) == want[i]) << want[i].size();
  }
}

TEST_F(BlockSaverTest, AListMayBeginAndEndAnywhereInItsPages) {
  HaveMemory(64);
  std::vector<std::string> want;
  for (const size_t offset : {0u, 1u, 4095u}) {
    for (const size_t bytes : {1u, 4096u, 8191u}) {
      auto* const at = NewPages(3);
      ASSERT_NE(at, nullptr);
      std::memset(at, '.', size_t{3} * PAGE_SIZE);
      std::memset(at + offset, 'a' + static_cast<int>(want.size()), bytes);
      MDL* const list =
          memory_->AllocateList(at + offset, static_cast<uint32_t>(bytes));
      memory_->FillList(list);
      Args args = {};
      args.pDataMdl = list;
      ASSERT_EQ(saver_->Save(args), STATUS_SUCCESS);
      memory_->FreeList(list);
      want.push_back(std::string(bytes, static_cast<char>('a' + want.size())));
    }
  }
  EXPECT_EQ(Rule(), 0);
  const std::vector<SavedBlock> blocks = Seal();
  const auto next = NewMemory();
  ASSERT_TRUE(next->Reserve(blocks).ok());
  for (size_t i = 0; i < blocks.size(); ++i) {
    EXPECT_TRUE(Handed(*next, blocks[i]) == want[i]) << i;
  }
}

TEST_F(BlockSaverTest, MetadataHasNoneToOneMebibyte) {
  HaveMemory(64);
  constexpr UINT kMost = 1 << 20;
  for (const UINT bytes : {0u, 1u, 7u, kMost}) {
    std::vector<BYTE> metadata(bytes + 1, static_cast<BYTE>(bytes));
    Args args = RangeOf(NewPages(1), 1);
    args.MetaDataSize = bytes;
    args.pMetaData = bytes == 0 ? nullptr : metadata.data();
    ASSERT_EQ(saver_->Save(args), STATUS_SUCCESS) << bytes;
  }
  EXPECT_EQ(Rule(), 0);
  BYTE short_of_it = 0;  // not read: it says that it is too long
  Args args = RangeOf(NewPages(1), 1);
  args.MetaDataSize = kMost + 1;
  args.pMetaData = &short_of_it;
  EXPECT_EQ(saver_->Save(args), STATUS_NO_MEMORY);
  EXPECT_EQ(Rule(), 16);
  const std::vector<SavedBlock> blocks = Seal();
  ASSERT_EQ(blocks.size(), 4u);
  EXPECT_EQ(blocks[2].metadata, std::string(7, '\7'));
  EXPECT_EQ(blocks[3].metadata, std::string(kMost, '\0'));
}

TEST_F(BlockSaverTest, RangesAtTheLimitsOfTheirBitFieldsAreRefusedInOrder) {
  HaveMemory(64);
  const uint64_t ours = *memory_->PageOf(NewPages(8));
  const struct {
    const char* name = "";
    uint64_t first = 0;
    uint64_t pages = 0;
    int rule = 0;
  } kCases[] = {
      {"page 0", 0, 1, 3},
      {"before the first", kFirstPage - 1, 2, 3},
      {"the last page number", BATON_KSR_FIRST_PAGE_MAX, 1, 3},
      {"both at their most", BATON_KSR_FIRST_PAGE_MAX, BATON_KSR_PAGES_MAX, 3},
      {"ours, with the most pages", ours, BATON_KSR_PAGES_MAX, 3},
      {"one too many", ours, 9, 3},
      {"ours", ours, 8, 0},
  };
  for (const auto& c : kCases) {
    const NTSTATUS nt_status = saver_->Save(RangeOf(c.first, c.pages));
    EXPECT_EQ(NT_SUCCESS(nt_status), c.rule == 0) << c.name;
    EXPECT_EQ(Rule(), c.rule) << c.name;
  }
  EXPECT_EQ(Seal().size(), 1u);
}

// One range can hold 64 GiB - 4 KiB; the list that it comes back as, 4 GiB - 1.
TEST_F(BlockSaverTest, ARangeOfSixtyFourGibibytesIsMoreThanAListCanBe) {
  constexpr uint64_t kMost = BATON_KSR_PAGES_MAX;
  HaveMemory(kMost);
  const auto* const all = NewPages(kMost);
  ASSERT_NE(all, nullptr);
  EXPECT_EQ(saver_->Save(RangeOf(all, kMost)), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(Rule(), 6);
  constexpr uint64_t kListMost = (uint64_t{4} << 30) / PAGE_SIZE - 1;
  EXPECT_EQ(saver_->Save(RangeOf(all, kListMost)), STATUS_SUCCESS);
  EXPECT_EQ(Rule(), 0);
  EXPECT_EQ(Seal()[0].bytes, kListMost * PAGE_SIZE);
}

// In place and copied, with a label's worth of metadata each; of what the next
// driver is handed it keeps every other one.
TEST_F(BlockSaverTest, AHundredThousandBlocksAreHandedOver) {
  constexpr size_t kBlocks = 100'000;
  constexpr size_t kInPlace = kBlocks / 2;
  HaveMemory(kBlocks + 4096);
  auto* const pages = NewPages(kInPlace);
  ASSERT_NE(pages, nullptr);
  std::vector<BYTE> metadata(96, 'm');
  uint32_t number = 0;
  for (size_t i = 0; i < kBlocks; ++i) {
    number = static_cast<uint32_t>(i);
    const bool in_place = i < kInPlace;
    // What was copied and is freed since may hold something else.
    auto* const at = in_place ? pages + i * PAGE_SIZE : NewPages(1);
    std::memcpy(at, &number, sizeof number);
    Args args = in_place ? RangeOf(at, 1) : DataOf(at, sizeof number);
    args.MetaDataSize = static_cast<UINT>(metadata.size());
    args.pMetaData = metadata.data();
    ASSERT_EQ(saver_->Save(args), STATUS_SUCCESS) << i;
    if (!in_place) memory_->FreePool(at, 1);
  }
  EXPECT_EQ(Rule(), 0);
  const std::vector<SavedBlock> blocks = Seal();
  ASSERT_EQ(blocks.size(), kBlocks);

  const auto next = NewMemory();
  ASSERT_TRUE(next->Reserve(blocks).ok());
  std::vector<const char*> kept;
  for (size_t i = 0; i < kBlocks; ++i) {
    MDL* const list = next->Deliver(blocks[i]);
    auto* const data = static_cast<char*>(next->MapPages(list));
    ASSERT_NE(data, nullptr);
    std::memcpy(&number, data, sizeof number);
    ASSERT_EQ(number, i);
    if (i % 2 == 0) {
      kept.push_back(data);
      continue;
    }
    next->FreePages(list);
    next->FreeList(list);
  }
  const absl::Status settled = next->Settle();
  ASSERT_TRUE(settled.ok()) << settled;
  for (size_t i = 0; i < kept.size(); ++i) {
    std::memcpy(&number, kept[i], sizeof number);
    ASSERT_EQ(number, 2 * i);
  }
  EXPECT_EQ(next->free_pages(), kBlocks / 2 + 4096);
  EXPECT_EQ(Rule(), 0);
}

// Holes between saved pages are closed one by one in the next driver host.
TEST_F(BlockSaverTest, TooManyPiecesAreRefusedWhileThereIsAWayBack) {
  constexpr size_t kMost = 10'000;
  HaveMemory(2 * kMost + 8);
  auto* const pages = NewPages(2 * kMost + 2);
  ASSERT_NE(pages, nullptr);
  for (size_t i = 0; i < kMost; ++i) {
    ASSERT_EQ(saver_->Save(RangeOf(pages + 2 * i * PAGE_SIZE, 1)),
              STATUS_SUCCESS)
        << i;
  }
  EXPECT_EQ(Rule(), 0);
  EXPECT_EQ(saver_->Save(RangeOf(pages + 2 * kMost * PAGE_SIZE, 1)),
            STATUS_NO_MEMORY);
  EXPECT_EQ(Rule(), 16);
  saver_->Seal();
  const auto next = NewMemory();
  EXPECT_TRUE(next->Reserve(*index_.Read()).ok());
}

TEST_F(BlockSaverTest, SaysWhenTheIndexIsFull) {
  HaveMemory(64);
  std::vector<BYTE> metadata(1 << 20);
  size_t blocks = 0;
  NTSTATUS nt_status = STATUS_SUCCESS;
  while (NT_SUCCESS(nt_status) && blocks < 64) {
    Args args = RangeOf(NewPages(1), 1);
    args.MetaDataSize = static_cast<UINT>(metadata.size());
    args.pMetaData = metadata.data();
    nt_status = saver_->Save(args);
    if (NT_SUCCESS(nt_status)) ++blocks;
  }
  EXPECT_EQ(nt_status, STATUS_NO_MEMORY);
  EXPECT_EQ(Rule(), 16);
  EXPECT_EQ(blocks, 15u);
  EXPECT_EQ(Seal().size(), 15u);
}

}  // namespace
}  // namespace baton::port
