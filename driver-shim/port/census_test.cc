#include "driver-shim/port/census.h"

#include "base/reason.h"
#include "driver-shim/port/profile.h"
#include "gtest/gtest.h"

namespace baton::port {
namespace {

CensusEntry Entry(uint32_t id, const std::string& guest) {
  return {.vgpu = {.partition_id = id,
                   .luid = "0000000000000001",
                   .profile = "S1-64",
                   .guest = guest,
                   .vram_bytes = 64 << 20},
          .fence_value = 9,
          .registers = {.high = id, .low = 1},
          .driver_state = {.high = id, .low = 2}};
}

const std::vector<CensusEntry> kBefore = {Entry(0, "red"), Entry(1, "blue")};

TEST(CensusTest, JoinsWhatDeviceAndDriverSay) {
  CensusAnswer answer = {};
  answer.partition_id = 2;
  answer.vram_bytes = 64 << 20;
  answer.state.VirtualGpuLuid = {.LowPart = 0xab, .HighPart = 1};
  answer.state.Profile = ProfileOf(64 << 20);
  answer.state.Digest[0] = 5;
  const auto census = TakeCensus(
      {{.partition_id = 2, .guest = "red", .fence_value = 3}}, {answer});
  ASSERT_TRUE(census.ok()) << census.status();
  const CensusEntry want = {.vgpu = {.partition_id = 2,
                                     .luid = "00000001000000ab",
                                     .profile = "S1-64",
                                     .guest = "red",
                                     .vram_bytes = 64 << 20},
                            .fence_value = 3,
                            .driver_state = {.high = 5, .low = 0}};
  EXPECT_EQ(*census, std::vector<CensusEntry>{want});
}

TEST(CensusTest, NamesWhoeverOnlyOneOfThemKnows) {
  CensusAnswer stranger = {};
  stranger.partition_id = 3;
  const auto census =
      TakeCensus({{.partition_id = 1, .guest = "blue"}}, {stranger});
  EXPECT_EQ(Reason(census.status()), "VGPU_MISSING");
  EXPECT_EQ(census.status().message(),
            "the driver does not know partition 1 ('blue'); the device does "
            "not have partition 3");
}

TEST(CensusTest, SameIsPreserved) {
  const auto results = Compare(kBefore, kBefore);
  ASSERT_EQ(results.size(), 2u);
  EXPECT_TRUE(results[0].preserved && results[1].preserved);
  EXPECT_TRUE(Judge(results, kBefore).ok());
}

TEST(CensusTest, MissingOneIsNamedWithItsOwner) {
  const auto results = Compare(kBefore, {kBefore[0]});
  EXPECT_TRUE(results[0].preserved);
  EXPECT_FALSE(results[1].preserved);
  const absl::Status status = Judge(results, {kBefore[0]});
  EXPECT_EQ(Reason(status), "VGPU_MISSING");
  EXPECT_EQ(status.message(), "partition 1 ('blue') is missing");
}

TEST(CensusTest, EveryFieldThatDiffersIsSaid) {
  const struct {
    const char* said;
    void (*change)(CensusEntry&);
  } kCases[] = {
      {"luid", [](CensusEntry& e) { e.vgpu.luid = "0"; }},
      {"profile", [](CensusEntry& e) { e.vgpu.profile = "S1-32"; }},
      {"guest", [](CensusEntry& e) { e.vgpu.guest = "green"; }},
      {"vram bytes", [](CensusEntry& e) { e.vgpu.vram_bytes = 1; }},
      {"fence was 9, is 8", [](CensusEntry& e) { e.fence_value = 8; }},
      {"registers' digest", [](CensusEntry& e) { e.registers.low = 7; }},
      {"driver state's digest", [](CensusEntry& e) { e.driver_state = {}; }},
  };
  for (const auto& c : kCases) {
    std::vector<CensusEntry> after = kBefore;
    c.change(after[1]);
    const auto results = Compare(kBefore, after);
    EXPECT_TRUE(results[0].preserved);
    EXPECT_FALSE(results[1].preserved) << c.said;
    EXPECT_NE(results[1].difference.find(c.said), std::string::npos)
        << results[1].difference;
    EXPECT_EQ(Reason(Judge(results, after)), "VGPU_CHANGED") << c.said;
  }
}

TEST(CensusTest, OneWhoWasNotThereIsAChange) {
  std::vector<CensusEntry> after = kBefore;
  after.push_back(Entry(2, "late"));
  const absl::Status status = Judge(Compare(kBefore, after), after);
  EXPECT_EQ(Reason(status), "VGPU_CHANGED");
  EXPECT_EQ(status.message(), "partition 2 ('late') was not there");
}

TEST(Regression, GuestsThatWentOnAreTheSameByIdentity) {
  std::vector<CensusEntry> after = kBefore;
  after[0].fence_value += 7;
  after[0].registers = {};
  after[0].driver_state = {};
  const auto moved = CompareIdentity(kBefore, after);
  EXPECT_TRUE(moved[0].preserved && moved[1].preserved);
  EXPECT_FALSE(CompareIdentity(kBefore, {after[0]})[1].preserved);
  after[1].vgpu.luid = "0";
  EXPECT_FALSE(CompareIdentity(kBefore, after)[1].preserved);
}

}  // namespace
}  // namespace baton::port
