#include "driver-shim/kit/gather.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace baton::kit {
namespace {

struct Scattered {
  char name[4] = {'n', 'a', 'm', 'e'};
  char skipped = '#';
  char more[3] = {'a', 'b', 'c'};
};

TEST(PiecesTest, GathersAndScattersAStructure) {
  Scattered from;
  baton_kit_piece array[2] = {};
  baton_kit_pieces pieces = {};
  baton_kit_pieces_start(&pieces, array, 2);
  baton_kit_add_piece(&pieces, from.name, 2);
  baton_kit_add_piece(&pieces, from.name + 2, 2);
  baton_kit_add_piece(&pieces, from.more, 3);
  baton_kit_add_piece(&pieces, nullptr, 0);
  EXPECT_EQ(pieces.count, 2u);
  std::string flat(7, 0);
  EXPECT_EQ(baton_kit_gather(&pieces, flat.data(), 6), 0u);
  EXPECT_EQ(baton_kit_gather(&pieces, flat.data(), 7), 7u);
  EXPECT_EQ(flat, "nameabc");

  EXPECT_EQ(baton_kit_scatter(&pieces, "NAMEABCD", 8), 0u);
  EXPECT_EQ(from.name[0], 'n');
  EXPECT_EQ(baton_kit_scatter(&pieces, "NAMEABC", 7), 1u);
  EXPECT_EQ(std::string(from.name, 4), "NAME");
  EXPECT_EQ(std::string(from.more, 3), "ABC");
  EXPECT_EQ(from.skipped, '#');
}

TEST(PiecesTest, OnePieceTooManyFailsTheWhole) {
  Scattered from;
  baton_kit_piece array[1] = {};
  baton_kit_pieces pieces = {};
  baton_kit_pieces_start(&pieces, array, 1);
  baton_kit_add_piece(&pieces, from.name, 4);
  baton_kit_add_piece(&pieces, from.more, 3);
  std::string flat(16, '#');
  EXPECT_EQ(baton_kit_gather(&pieces, flat.data(), flat.size()), 0u);
  EXPECT_EQ(baton_kit_scatter(&pieces, flat.data(), 4), 0u);
  std::vector<uint64_t> words(16);
  baton_kit_writer writer = {};
  baton_kit_start(&writer, words.data(), words.size() * 8, 1);
  baton_kit_write_pieces(&writer, {1, 1, 0, 0}, &pieces);
  EXPECT_EQ(baton_kit_finish(&writer), 0u);
}

TEST(PiecesTest, RefusesSizesThatWrapAround) {
  Scattered from;
  baton_kit_piece array[4] = {};
  baton_kit_pieces pieces = {};
  baton_kit_pieces_start(&pieces, array, 4);
  baton_kit_add_piece(&pieces, from.name, 4);
  baton_kit_add_piece(&pieces, from.more, ~uint64_t{0});
  EXPECT_EQ(pieces.failed, 1u);
}

TEST(PiecesTest, MakeARecord) {
  Scattered from;
  baton_kit_piece array[2] = {};
  baton_kit_pieces pieces = {};
  baton_kit_pieces_start(&pieces, array, 2);
  baton_kit_add_piece(&pieces, from.name, 4);
  baton_kit_add_piece(&pieces, from.more, 3);
  std::vector<uint64_t> words(16);
  baton_kit_writer writer = {};
  baton_kit_start(&writer, words.data(), words.size() * 8, 1);
  baton_kit_write_pieces(&writer, {5, 1, 0, 0}, &pieces);
  const uint64_t bytes = baton_kit_finish(&writer);
  ASSERT_NE(bytes, 0u);
  baton_kit_reader reader = {};
  ASSERT_EQ(baton_kit_open(&reader, words.data(), bytes), BATON_KIT_OK);
  baton_kit_record record = {};
  const void* payload = nullptr;
  ASSERT_EQ(baton_kit_next(&reader, &record, &payload), BATON_KIT_OK);
  EXPECT_EQ(std::string(static_cast<const char*>(payload), record.bytes),
            "nameabc");
}

std::vector<uint64_t> Added(const std::vector<std::vector<uint64_t>>& adds,
                            uint32_t room) {
  std::vector<DXGK_KSR_MEMORY_RANGE> array(room + 1);
  baton_kit_pages pages = {};
  baton_kit_pages_start(&pages, array.data(), room);
  for (const auto& add : adds) baton_kit_add_pages(&pages, add[0], add[1]);
  EXPECT_EQ(array[room].MemoryRangeDesc, 0u) << "wrote behind its array";
  if (pages.failed != 0) return {0};
  std::vector<uint64_t> flat;
  for (uint32_t i = 0; i < pages.count; ++i) {
    flat.push_back(BatonKsrFirstPage(array[i]));
    flat.push_back(BatonKsrPages(array[i]));
  }
  return flat;
}

TEST(PagesTest, AreKeptAsTheFewestRanges) {
  constexpr uint64_t kMost = BATON_KSR_PAGES_MAX;
  constexpr uint64_t kLast = BATON_KSR_FIRST_PAGE_MAX;
  const std::vector<uint64_t> failed = {0};
  const struct {
    const char* what = "";
    std::vector<std::vector<uint64_t>> adds = {};
    uint32_t room = 4;
    std::vector<uint64_t> want = {};
  } kCases[] = {
      {"merged", {{7, 1}, {8, 2}, {20, 1}}, 4, {7, 3, 20, 1}},
      {"in front: not merged", {{8, 1}, {7, 1}}, 4, {8, 1, 7, 1}},
      {"none", {{7, 0}}, 4, {}},
      {"page twice", {{7, 2}, {8, 1}}, 4, failed},
      {"page twice, around", {{7, 2}, {6, 5}}, 4, failed},
      {"no room", {{1, 1}, {3, 1}, {5, 1}}, 2, failed},
      {"split", {{0, kMost + 5}}, 4, {0, kMost, kMost, 5}},
      {"filled up", {{0, kMost - 1}, {kMost - 1, 3}}, 4, {0, kMost, kMost, 2}},
      {"the last page", {{kLast, 1}}, 4, {kLast, 1}},
      {"behind the last page", {{kLast, 2}}, 4, failed},
      {"far behind", {{kLast + 1, 1}}, 4, failed},
      {"wraps around", {{5, ~uint64_t{0}}}, 4, failed},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(Added(c.adds, c.room), c.want) << c.what;
  }
}

TEST(BlockTest, HasOneFormAndASize) {
  DXGKARGCB_SAVEMEMORYFORHOTUPDATE block = {};
  char data[8] = {};
  char metadata[4] = {};
  EXPECT_EQ(baton_kit_block_of_data(&block, data, 8, metadata, 4), 1u);
  EXPECT_EQ(block.pData, data);
  EXPECT_EQ(block.DataSize, 8u);
  EXPECT_EQ(block.MetaDataSize, 4u);
  EXPECT_EQ(baton_kit_block_of_data(&block, data, 0, nullptr, 0), 0u);
  EXPECT_EQ(baton_kit_block_of_data(&block, nullptr, 8, nullptr, 0), 0u);
  EXPECT_EQ(
      baton_kit_block_of_data(&block, data, uint64_t{1} << 32, nullptr, 0), 0u);

  MDL list = {};
  EXPECT_EQ(baton_kit_block_of_list(&block, &list, nullptr, 4), 0u);
  list.ByteCount = 1;
  EXPECT_EQ(baton_kit_block_of_list(&block, &list, nullptr, 4), 1u);
  EXPECT_EQ(block.pData, nullptr);
  EXPECT_EQ(block.MetaDataSize, 0u);
  EXPECT_EQ(baton_kit_block_of_list(&block, nullptr, nullptr, 0), 0u);

  DXGK_KSR_MEMORY_RANGE array[1] = {};
  baton_kit_pages pages = {};
  baton_kit_pages_start(&pages, array, 1);
  EXPECT_EQ(baton_kit_block_of_pages(&block, &pages, metadata, 0), 0u);
  baton_kit_add_pages(&pages, 7, 1);
  EXPECT_EQ(baton_kit_block_of_pages(&block, &pages, metadata, 0), 1u);
  EXPECT_EQ(block.NumDataMemoryRanges, 1u);
  EXPECT_EQ(block.pDataMdl, nullptr);
  EXPECT_EQ(block.pMetaData, nullptr);
  baton_kit_add_pages(&pages, 9, 1);
  EXPECT_EQ(baton_kit_block_of_pages(&block, &pages, metadata, 4), 0u);
}

}  // namespace
}  // namespace baton::kit
