#include "service/core/packed.h"

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "service/core/host.h"
#include "service/core/update.h"

namespace baton::core {
namespace {

using ::testing::ElementsAre;

TEST(PackedTest, BringsBackEveryNumberAndTime) {
  const uint64_t numbers[] = {0,
                              1,
                              127,
                              128,
                              300,
                              uint64_t{1} << 63,
                              std::numeric_limits<uint64_t>::max()};
  const absl::Time times[] = {
      absl::InfinitePast(), absl::UnixEpoch(), absl::FromUnixNanos(-5),
      absl::FromUnixNanos(1'700'000'000'000'000'001), absl::InfiniteFuture()};
  const absl::Duration durations[] = {absl::ZeroDuration(),
                                      -absl::Nanoseconds(1), absl::Hours(1),
                                      absl::InfiniteDuration()};
  std::string bytes;
  Packer to(bytes);
  for (const uint64_t number : numbers) to.Number(number);
  for (const absl::Time time : times) to.Time(time);
  for (const absl::Duration duration : durations) to.Duration(duration);
  to.Text(std::string("a\0b", 3));
  Unpacker from(bytes);
  for (const uint64_t number : numbers) EXPECT_EQ(from.Number(), number);
  for (const absl::Time time : times) EXPECT_EQ(from.Time(), time);
  for (const absl::Duration duration : durations) {
    EXPECT_EQ(from.Duration(), duration);
  }
  EXPECT_EQ(from.Text(), std::string("a\0b", 3));
  EXPECT_EQ(from.rest(), "");
}

TEST(PackedTest, BringsBackSteps) {
  StepRecord plain;
  plain.step = Step::kPause;
  plain.start_time = absl::FromUnixNanos(7);
  plain.elapsed = absl::Milliseconds(3);
  const StepRecord full{Step::kSave,
                        absl::FromUnixNanos(8),
                        absl::Milliseconds(4),
                        -13,
                        "R",
                        "m",
                        0xC0000001,
                        "DxgkDdi",
                        "R4",
                        true};
  StepRecord asked;
  asked.nt_status = 0;
  const Packed<StepRecord> packed = {plain, full, asked, StepRecord()};
  EXPECT_EQ(packed.size(), 4u);
  EXPECT_THAT(packed.Get(), ElementsAre(plain, full, asked, StepRecord()));
  EXPECT_EQ(packed.at(1), full);
  EXPECT_TRUE(Packed<StepRecord>().empty());
  EXPECT_EQ(packed, Packed<StepRecord>(packed.Get()));
}

TEST(PackedTest, BringsBackVirtualGpusAndAdapters) {
  const VirtualGpuResult lost{1, "g", false, std::nullopt, "missing"};
  const VirtualGpuResult kept{2, "", true, absl::Milliseconds(5), ""};
  const Packed<VirtualGpuResult> vgpus = {lost, kept};
  EXPECT_THAT(vgpus.Get(), ElementsAre(lost, kept));

  Adapter adapter{
      "gpu0",      "S1",
      "1b70:0001", "softgpu",
      "1.0",       "sha256:0",
      true,        {{1, "0x1", "S1-64", "guest-1", 64 << 20, "31.0"}},
      "hung"};
  Inventory inventory{{adapter, Adapter()}, "silent", 5, {"drain"}};
  EXPECT_EQ(KeptInventory(inventory).Get(), inventory);
}

TEST(PackedTest, TakesLittleRoomForAStepThatSucceeded) {
  StepRecord step;
  step.step = Step::kSave;
  step.start_time = absl::FromUnixNanos(1'700'000'000'000'000'001);
  step.elapsed = absl::Milliseconds(3);
  std::string bytes;
  Packer to(bytes);
  Pack(step, to);
  EXPECT_LE(bytes.size(), 16u);
}

}  // namespace
}  // namespace baton::core
