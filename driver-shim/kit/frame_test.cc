#include "driver-shim/kit/frame.h"

#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace baton::kit {
namespace {

struct Read {
  uint32_t type = 0;
  uint16_t version = 0;
  uint16_t flags = 0;
  std::string payload = "";

  bool operator==(const Read&) const = default;
};

// Reads all records; `result` receives what ended it.
std::vector<Read> ReadAll(const std::vector<uint64_t>& words, uint64_t bytes,
                          baton_kit_result* result) {
  std::vector<Read> records;
  baton_kit_reader reader = {};
  *result = baton_kit_open(&reader, words.data(), bytes);
  while (*result == BATON_KIT_OK) {
    baton_kit_record record = {};
    const void* payload = nullptr;
    *result = baton_kit_next(&reader, &record, &payload);
    if (*result != BATON_KIT_OK) break;
    records.push_back(
        {record.type, record.version, record.flags,
         std::string(static_cast<const char*>(payload), record.bytes)});
  }
  return records;
}

uint64_t WriteTwo(std::vector<uint64_t>& words) {
  baton_kit_writer writer = {};
  baton_kit_start(&writer, words.data(), words.size() * 8, 7);
  baton_kit_write(&writer, {1, 1, 0, 5}, "hello");
  baton_kit_write(&writer, {2, 3, BATON_KIT_OPTIONAL, 0}, "");
  return baton_kit_finish(&writer);
}

TEST(FrameTest, ReadsWhatWasWritten) {
  std::vector<uint64_t> words(64);
  EXPECT_EQ(WriteTwo(words), 32u + 16 + 8 + 16);
  baton_kit_result end = BATON_KIT_OK;
  const std::vector<Read> want = {{1, 1, 0, "hello"},
                                  {2, 3, BATON_KIT_OPTIONAL, ""}};
  EXPECT_EQ(ReadAll(words, words.size() * 8, &end), want);
  EXPECT_EQ(end, BATON_KIT_END);
}

TEST(FrameTest, FramesAPayloadThatIsAlreadyInPlace) {
  std::vector<uint64_t> words(64, ~uint64_t{0});
  char* live = reinterpret_cast<char*>(words.data()) + BATON_KIT_FIRST_PAYLOAD;
  const std::string payload = "alive";
  payload.copy(live, payload.size());
  baton_kit_writer writer = {};
  baton_kit_start(&writer, words.data(), words.size() * 8, 7);
  uint64_t room = 0;
  EXPECT_EQ(baton_kit_begin(&writer, {1, 1, 0, 0}, &room), live);
  EXPECT_EQ(room, words.size() * 8 - BATON_KIT_FIRST_PAYLOAD);
  baton_kit_end(&writer, 5);
  ASSERT_NE(baton_kit_finish(&writer), 0u);
  baton_kit_result end = BATON_KIT_OK;
  EXPECT_EQ(ReadAll(words, words.size() * 8, &end),
            (std::vector<Read>{{1, 1, 0, "alive"}}));
}

TEST(FrameTest, SaysWhenThereIsNoRoom) {
  for (size_t room = 0; room < 9; ++room) {
    std::vector<uint64_t> words(room + 1);
    baton_kit_writer writer = {};
    baton_kit_start(&writer, words.data(), room * 8, 7);
    baton_kit_write(&writer, {1, 1, 0, 17}, "seventeen letters");
    EXPECT_EQ(baton_kit_finish(&writer), 0u) << room;
    EXPECT_EQ(words[room], 0u) << "wrote behind its buffer";
  }
}

TEST(FrameTest, RefusesWhatIsNoFrame) {
  std::vector<uint64_t> words(64);
  const uint64_t bytes = WriteTwo(words);
  baton_kit_result result = BATON_KIT_OK;

  ReadAll(words, 31, &result);
  EXPECT_EQ(result, BATON_KIT_TRUNCATED);
  ReadAll(words, bytes - 1, &result);
  EXPECT_EQ(result, BATON_KIT_TRUNCATED);

  std::vector<uint64_t> other = words;
  other[0] ^= 1;
  ReadAll(other, bytes, &result);
  EXPECT_EQ(result, BATON_KIT_NOT_A_FRAME);

  other = words;
  other[0] += uint64_t{1} << 32;
  ReadAll(other, bytes, &result);
  EXPECT_EQ(result, BATON_KIT_TOO_NEW);
}

TEST(FrameTest, FindsEverySingleFlippedBit) {
  std::vector<uint64_t> words(64);
  const uint64_t bytes = WriteTwo(words);
  for (uint64_t bit = 0; bit < bytes * 8; ++bit) {
    std::vector<uint64_t> damaged = words;
    reinterpret_cast<uint8_t*>(damaged.data())[bit / 8] ^=
        static_cast<uint8_t>(1u << (bit % 8));
    baton_kit_result result = BATON_KIT_OK;
    ReadAll(damaged, words.size() * 8, &result);
    EXPECT_NE(result, BATON_KIT_END) << "bit " << bit;
  }
}

// The highest bits of words reach no other bit of a product.
TEST(FrameTest, FindsTheSameBitFlippedInTwoWords) {
  std::vector<uint64_t> words(64);
  const uint64_t count = WriteTwo(words) / 8;
  for (unsigned bit = 0; bit < 64; ++bit) {
    for (uint64_t i = 4; i < count; ++i) {
      for (uint64_t k = i + 1; k < count; ++k) {
        std::vector<uint64_t> damaged = words;
        damaged[i] ^= uint64_t{1} << bit;
        damaged[k] ^= uint64_t{1} << bit;
        baton_kit_reader reader = {};
        EXPECT_EQ(baton_kit_open(&reader, damaged.data(), words.size() * 8),
                  BATON_KIT_DAMAGED)
            << "bit " << bit << " of words " << i << " and " << k;
      }
    }
  }
}

TEST(FrameTest, RefusesAFrameThatIsNotOfWholeWords) {
  std::vector<uint64_t> words(64);
  words[1] = WriteTwo(words) - 1;
  baton_kit_reader reader = {};
  EXPECT_EQ(baton_kit_open(&reader, words.data(), words.size() * 8),
            BATON_KIT_DAMAGED);
}

TEST(FrameTest, SurvivesLengthsThatLieUnderAGoodChecksum) {
  for (const uint64_t lie : {uint64_t{1} << 63, ~uint64_t{0}, ~uint64_t{7},
                             uint64_t{40}, uint64_t{4096}}) {
    std::vector<uint64_t> words(64);
    baton_kit_writer writer = {};
    baton_kit_start(&writer, words.data(), words.size() * 8, 7);
    baton_kit_write(&writer, {1, 1, 0, 8}, "12345678");
    words[5] = lie;  // the record's length
    ASSERT_NE(baton_kit_finish(&writer), 0u);
    baton_kit_result result = BATON_KIT_OK;
    EXPECT_TRUE(ReadAll(words, words.size() * 8, &result).empty());
    EXPECT_EQ(result, BATON_KIT_DAMAGED) << lie;
  }
}

TEST(FrameTest, SurvivesRandomBytes) {
  const uint32_t seed = 20201;
  std::mt19937_64 random(seed);
  for (int round = 0; round < 2000; ++round) {
    std::vector<uint64_t> words(32);
    for (uint64_t& word : words) word = random();
    if (round % 2 == 0) {
      words[0] = BATON_KIT_MAGIC | uint64_t{BATON_KIT_FORMAT} << 32;
      words[1] = random() % 300;
    }
    baton_kit_result result = BATON_KIT_OK;
    ReadAll(words, words.size() * 8, &result);
    EXPECT_NE(result, BATON_KIT_END) << "seed " << seed << " round " << round;
  }
}

}  // namespace
}  // namespace baton::kit
