#include "driver-shim/kit/records.h"

#include <cstring>
#include <vector>

#include "gtest/gtest.h"

namespace baton::kit {
namespace {

struct Row {
  baton_kit_record header = {};
  const char* payload = "";
};

std::vector<uint64_t> FrameOf(const std::vector<Row>& rows) {
  std::vector<uint64_t> words(64);
  baton_kit_writer writer = {};
  baton_kit_start(&writer, words.data(), words.size() * 8, 7);
  for (const Row& row : rows) {
    baton_kit_write(&writer, row.header, row.payload);
  }
  EXPECT_NE(baton_kit_finish(&writer), 0u);
  return words;
}

constexpr baton_kit_known kKnown[] = {
    {.type = 1, .version = 1, .flags = BATON_KIT_REQUIRED, .bytes_min = 4},
    {.type = 2, .version = 1, .flags = BATON_KIT_REPEATED, .bytes_min = 0},
    {.type = 2, .version = 2, .flags = 0, .bytes_min = 0},
};

baton_kit_result Check(const std::vector<Row>& rows) {
  const std::vector<uint64_t> words = FrameOf(rows);
  baton_kit_reader reader = {};
  EXPECT_EQ(baton_kit_open(&reader, words.data(), words.size() * 8),
            BATON_KIT_OK);
  const baton_kit_reader before = reader;
  const baton_kit_result result = baton_kit_check(&reader, kKnown, 3);
  EXPECT_EQ(reader.at, before.at);
  return result;
}

constexpr Row kOne = {{1, 1, 0, 4}, "1234"};

TEST(RecordsTest, JudgesAFrameByWhatItsReaderKnows) {
  const struct {
    const char* what = "";
    std::vector<Row> rows = {};
    baton_kit_result want = BATON_KIT_OK;
  } kCases[] = {
      {"all that must be", {kOne}, BATON_KIT_OK},
      {"a field was added", {{{1, 1, 0, 8}, "12345678"}}, BATON_KIT_OK},
      {"a field is missing", {{{1, 1, 0, 3}, "123"}}, BATON_KIT_SHORT_RECORD},
      {"unknown, optional",
       {kOne, {{9, 1, BATON_KIT_OPTIONAL, 0}, ""}},
       BATON_KIT_OK},
      {"unknown", {kOne, {{9, 1, 0, 0}, ""}}, BATON_KIT_UNKNOWN_RECORD},
      {"known, but of a later version",
       {{{1, 2, 0, 4}, "1234"}},
       BATON_KIT_UNKNOWN_RECORD},
      {"of a later version, optional",
       {{{1, 2, BATON_KIT_OPTIONAL, 4}, "1234"}},
       BATON_KIT_MISSING_RECORD},
      {"nothing", {}, BATON_KIT_MISSING_RECORD},
      {"twice", {kOne, kOne}, BATON_KIT_REPEATED_RECORD},
      {"twice, and may be",
       {kOne, {{2, 1, 0, 0}, ""}, {{2, 1, 0, 0}, ""}},
       BATON_KIT_OK},
      {"both versions",
       {kOne, {{2, 1, 0, 0}, ""}, {{2, 2, 0, 0}, ""}},
       BATON_KIT_OK},
  };
  for (const auto& c : kCases) EXPECT_EQ(Check(c.rows), c.want) << c.what;
}

TEST(RecordsTest, SaysWhenTheFrameIsDamaged) {
  std::vector<uint64_t> words = FrameOf({kOne});
  baton_kit_reader reader = {};
  ASSERT_EQ(baton_kit_open(&reader, words.data(), words.size() * 8),
            BATON_KIT_OK);
  words[5] = 4096;  // the record's length, after it was checked
  EXPECT_EQ(baton_kit_check(&reader, kKnown, 3), BATON_KIT_DAMAGED);
  baton_kit_record record = {};
  const void* payload = nullptr;
  EXPECT_EQ(baton_kit_find(&reader, 1, 1, &record, &payload),
            BATON_KIT_DAMAGED);
}

TEST(RecordsTest, FindsTheFirstOfATypeAndVersion) {
  const std::vector<uint64_t> words =
      FrameOf({kOne, {{2, 1, 0, 1}, "a"}, {{2, 2, 0, 1}, "b"}});
  baton_kit_reader reader = {};
  ASSERT_EQ(baton_kit_open(&reader, words.data(), words.size() * 8),
            BATON_KIT_OK);
  baton_kit_record record = {};
  const void* payload = nullptr;
  ASSERT_EQ(baton_kit_find(&reader, 2, 2, &record, &payload), BATON_KIT_OK);
  EXPECT_EQ(*static_cast<const char*>(payload), 'b');
  EXPECT_EQ(baton_kit_find(&reader, 2, 3, &record, &payload), BATON_KIT_END);
}

TEST(RecordsTest, TakesAPayloadOfAnotherAge) {
  struct {
    char first[4];
    char added[4];
  } now;
  const baton_kit_record older = {1, 1, 0, 4};
  std::memset(&now, '#', sizeof now);
  EXPECT_EQ(baton_kit_take(&older, "1234", &now, sizeof now), 4u);
  EXPECT_EQ(std::memcmp(&now, "1234\0\0\0\0", 8), 0);
  const baton_kit_record newer = {1, 1, 0, 12};
  EXPECT_EQ(baton_kit_take(&newer, "12345678abcd", &now, sizeof now), 8u);
  EXPECT_EQ(std::memcmp(&now, "12345678", 8), 0);
}

TEST(RecordsTest, NamesEachResult) {
  for (int i = BATON_KIT_OK; i <= BATON_KIT_SHORT_RECORD; ++i) {
    EXPECT_STRNE(baton_kit_result_name(static_cast<baton_kit_result>(i)),
                 "unknown");
  }
}

}  // namespace
}  // namespace baton::kit
