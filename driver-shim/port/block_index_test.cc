#include "driver-shim/port/block_index.h"

#include <cstring>
#include <vector>

#include "base/reason.h"
#include "gtest/gtest.h"

namespace baton::port {
namespace {

class BlockIndexTest : public testing::Test {
 protected:
  std::vector<std::byte> data_ = std::vector<std::byte>(BlockIndex::kBytes);
  BlockIndex index_{data_.data()};
};

const SavedBlock kFirst = {.kind = BlockKind::kMdl,
                           .runs = {{.first = 3, .pages = 1}, {1, 2}},
                           .byte_offset = 100,
                           .bytes = 9000,
                           .metadata = "seven..",
                           .digest = {.high = 1, .low = 2}};
const SavedBlock kSecond = {.kind = BlockKind::kData,
                            .runs = {{.first = 9, .pages = 1}},
                            .bytes = 5,
                            .digest = {.high = 3, .low = 4}};

TEST_F(BlockIndexTest, ReadsBackWhatWasSavedInOrder) {
  index_.Begin();
  ASSERT_TRUE(index_.Append(kFirst));
  ASSERT_TRUE(index_.Append(kSecond));
  index_.Seal();

  // Another process sees it so: by the bytes alone.
  std::vector<std::byte> copy = data_;
  const auto blocks = BlockIndex(copy.data()).Read();
  ASSERT_TRUE(blocks.ok()) << blocks.status();
  EXPECT_EQ(*blocks, (std::vector<SavedBlock>{kFirst, kSecond}));

  index_.Clear();
  const auto none = index_.Read();
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(none->empty());
}

TEST_F(BlockIndexTest, RefusesWhatWasNeverSealed) {
  index_.Begin();
  ASSERT_TRUE(index_.Append(kFirst));
  EXPECT_EQ(Reason(index_.Read().status()), "SAVED_STATE_DAMAGED");
}

TEST_F(BlockIndexTest, RefusesOneFlippedBitAnywhere) {
  index_.Begin();
  ASSERT_TRUE(index_.Append(kFirst));
  index_.Seal();
  for (size_t i = 0; i < 120; ++i) {
    if (i >= 16 && i < 24) continue;  // the magic: then it is no index at all
    data_[i] ^= std::byte{4};
    EXPECT_EQ(Reason(index_.Read().status()), "SAVED_STATE_DAMAGED") << i;
    data_[i] ^= std::byte{4};
  }
  EXPECT_TRUE(index_.Read().ok());
}

TEST_F(BlockIndexTest, SaysWhenItIsFullAndKeepsTheRest) {
  index_.Begin();
  SavedBlock large = kSecond;
  large.metadata.assign(BlockIndex::kBytes / 2, 'x');
  ASSERT_TRUE(index_.Append(large));
  EXPECT_FALSE(index_.Append(large));
  ASSERT_TRUE(index_.Append(kFirst));
  index_.Seal();
  const auto blocks = index_.Read();
  ASSERT_TRUE(blocks.ok());
  EXPECT_EQ(*blocks, (std::vector<SavedBlock>{large, kFirst}));
}

// Found by ./dev fuzz block_index.
TEST_F(BlockIndexTest, RegressionABlockWithoutRunsIsReadBack) {
  const SavedBlock none = {.metadata = "nothing"};
  index_.Begin();
  ASSERT_TRUE(index_.Append(none));
  index_.Seal();
  const auto blocks = index_.Read();
  ASSERT_TRUE(blocks.ok());
  EXPECT_EQ(*blocks, (std::vector<SavedBlock>{none}));
}

TEST(DigestOfTest, IsOfTheBytesInTheOrderOfTheRuns) {
  constexpr ptrdiff_t kPage = 4096;
  std::vector<std::byte> memory(4 * kPage);
  for (size_t i = 0; i < memory.size(); ++i) memory[i] = std::byte(i * 7 / 3);
  const SavedBlock block = {.runs = {{.first = 12, .pages = 1}, {10, 2}},
                            .byte_offset = 96,
                            .bytes = 4000 + 4096 + 10};
  std::vector<std::byte> flat(memory.begin() + 2 * kPage + 96,
                              memory.begin() + 3 * kPage);
  flat.insert(flat.end(), memory.begin(), memory.begin() + 4096 + 10);
  EXPECT_EQ(DigestOf(block, memory.data(), 10),
            Xxh3Of(flat.data(), flat.size()));
}

}  // namespace
}  // namespace baton::port
