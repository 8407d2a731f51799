#include "cli/render/words.h"

#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace baton::cli {
namespace {

google::protobuf::Duration Nanos(int64_t nanos) {
  google::protobuf::Duration duration;
  duration.set_seconds(nanos / 1'000'000'000);
  duration.set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
  return duration;
}

TEST(WordsTest, EnumsLoseTheirPrefix) {
  EXPECT_EQ(Word(v1::HOST_STATE_READY), "READY");
  EXPECT_EQ(Word(v1::ROLLOUT_STATE_ROLLED_BACK), "ROLLED_BACK");
  EXPECT_EQ(Word(v1::UPDATE_STATE_QUARANTINED), "QUARANTINED");
  EXPECT_EQ(Word(v1::GATE_VERDICT_STOP), "STOP");
  EXPECT_EQ(Word(v1::STEP_REOPEN_GATE), "REOPEN_GATE");
  EXPECT_EQ(Word(v1::STEP_UNSPECIFIED), "-");
}

TEST(WordsTest, EnumsFromALaterReleaseShowTheirNumber) {
  EXPECT_EQ(Word(static_cast<v1::RolloutState>(99)), "99");
}

TEST(WordsTest, DurationsHaveThreeDigitsOrWholeSeconds) {
  const std::vector<std::pair<int64_t, std::string>> cases = {
      {0, "0 us"},
      {850'000, "850 us"},
      {21'340'000, "21.3 ms"},
      {999'900'000, "999.9 ms"},
      {1'020'000'000, "1.02 s"},
      {60'000'000'000, "1m00s"},
      {3'599'000'000'000, "59m59s"},
      {11'100'000'000'000, "3h05m"},
  };
  for (const auto& [nanos, text] : cases) EXPECT_EQ(Text(Nanos(nanos)), text);
}

TEST(WordsTest, TimesAreUtc) {
  google::protobuf::Timestamp time;
  EXPECT_EQ(Text(time), "-");
  time.set_seconds(1715938200);
  EXPECT_EQ(Text(time), "2024-05-17T09:30:00Z");
}

TEST(WordsTest, BytesUseBinaryUnits) {
  EXPECT_EQ(BytesText(0), "0 B");
  EXPECT_EQ(BytesText(1023), "1023 B");
  EXPECT_EQ(BytesText(1536), "1.5 KiB");
  EXPECT_EQ(BytesText(uint64_t{64} << 20), "64 MiB");
  EXPECT_EQ(BytesText(uint64_t{1} << 50), "1024 TiB");
}

TEST(WordsTest, CountsHaveAPlural) {
  EXPECT_EQ(Count(0, "host"), "0 hosts");
  EXPECT_EQ(Count(1, "host"), "1 host");
}

TEST(WordsTest, NothingFromTheWireSteersTheTerminal) {
  EXPECT_EQ(Printable("a\x1b[31mb\nc\x7f"), "a [31mb c ");
  EXPECT_EQ(Printable("blå"), "blå");
}

TEST(WordsTest, CutsAtCharactersNotBytes) {
  EXPECT_EQ(Columns("blå"), 3);
  EXPECT_EQ(Cut("blåbær", 6), "blåbær");
  EXPECT_EQ(Cut("blåbær", 4), "blå~");
  EXPECT_EQ(Cut("ab", 1), "~");
}

}  // namespace
}  // namespace baton::cli
