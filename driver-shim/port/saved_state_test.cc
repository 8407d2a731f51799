#include "driver-shim/port/saved_state.h"

#include <sys/mman.h>

#include <memory>
#include <string>
#include <utility>

#include "base/reason.h"
#include "driver-shim/port/kernel_memory.h"
#include "gtest/gtest.h"

namespace baton::port {
namespace {

constexpr uint64_t kPages = 4;

class SavedStateTest : public testing::Test {
 protected:
  SavedStateTest() {
    auto store =
        SavedStateStore::Create(testing::TempDir(), kPages * PAGE_SIZE);
    EXPECT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    index_ = Map(store_->index_fd(), BlockIndex::kBytes);
    memory_ = Map(store_->memory_fd(), kPages * PAGE_SIZE);
  }
  ~SavedStateTest() override {
    munmap(index_, BlockIndex::kBytes);
    munmap(memory_, kPages * PAGE_SIZE);
    store_->Remove();
  }

  static std::byte* Map(int fd, size_t bytes) {
    void* const at =
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    EXPECT_NE(at, MAP_FAILED);
    return static_cast<std::byte*>(at);
  }

  // What a driver host that went mad could leave behind.
  absl::Status CheckWith(const SavedBlock& block) {
    BlockIndex index(index_);
    index.Begin();
    EXPECT_TRUE(index.Append(block));
    index.Seal();
    return store_->Check().status();
  }

  std::unique_ptr<SavedStateStore> store_;
  std::byte* index_ = nullptr;
  std::byte* memory_ = nullptr;
};

TEST_F(SavedStateTest, FindsBlocksWhoseBytesChanged) {
  SavedBlock block = {.runs = {{.first = kFirstPage, .pages = 1}},
                      .bytes = PAGE_SIZE};
  block.digest = DigestOf(block, memory_, kFirstPage);
  EXPECT_TRUE(CheckWith(block).ok());
  block.digest.low ^= 1;
  EXPECT_EQ(Reason(CheckWith(block)), "SAVED_STATE_DAMAGED");
}

// The four first were found by ./dev fuzz block_index: they were read outside
// of the memory, or let pass.
TEST_F(SavedStateTest, RegressionRefusesBlocksThatCannotBe) {
  const struct {
    const char* what = "";
    SavedBlock block = {};
  } kCases[] = {
      {"a run without pages, behind the end",
       {.runs = {{.first = kFirstPage + kPages, .pages = 0},
                 {.first = kFirstPage, .pages = 2}},
        .byte_offset = 100,
        .bytes = PAGE_SIZE}},
      {"bytes that wrap around",
       {.runs = {{.first = kFirstPage, .pages = 1}},
        .byte_offset = 2,
        .bytes = ~uint64_t{0}}},
      {"nothing at all", {}},
      {"more pages than bytes",
       {.runs = {{.first = kFirstPage, .pages = 2}}, .bytes = PAGE_SIZE}},
      {"more bytes than pages",
       {.runs = {{.first = kFirstPage, .pages = 1}},
        .byte_offset = 1,
        .bytes = PAGE_SIZE}},
      {"no pages", {.bytes = 1}},
      {"an offset without pages", {.byte_offset = 1}},
      {"pages in front", {.runs = {{.first = kFirstPage - 1, .pages = 1}}}},
      {"pages behind", {.runs = {{.first = kFirstPage, .pages = kPages + 1}}}},
      {"pages that wrap around",
       {.runs = {{.first = kFirstPage + 1, .pages = ~uint64_t{0}}}}},
      {"an offset of a page",
       {.runs = {{.first = kFirstPage, .pages = 2}}, .byte_offset = PAGE_SIZE}},
  };
  for (const auto& c : kCases) {
    const absl::Status status = CheckWith(c.block);
    EXPECT_EQ(Reason(status), "SAVED_STATE_DAMAGED") << c.what;
    EXPECT_EQ(status.message(), "block 0 does not fit its pages") << c.what;
  }
}

// Found by ./dev fuzz block_index: both pages were mapped, apart. Who maps them
// refuses them.
TEST_F(SavedStateTest, RegressionAPageTwiceInOneBlockIsNotHandedOver) {
  auto memory =
      KernelMemory::Create(store_->memory_fd(), [](int, const std::string&) {});
  ASSERT_TRUE(memory.ok()) << memory.status();
  const SavedBlock block = {
      .runs = {{.first = kFirstPage, .pages = 1}, {kFirstPage, 1}},
      .bytes = uint64_t{2} * PAGE_SIZE};
  EXPECT_EQ(Reason((*memory)->Reserve({block})), "SAVED_STATE_DAMAGED");
}

}  // namespace
}  // namespace baton::port
