#include "service/core/predict.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace baton::core {
namespace {

constexpr char kFrom[] = "drivers/d/versions/1";
constexpr char kTo[] = "drivers/d/versions/2";

Host HostOf(const std::vector<std::string>& profiles) {
  Adapter adapter;
  adapter.model = "S1";
  adapter.driver = "d";
  adapter.driver_version = "1";
  for (const std::string& profile : profiles) {
    VirtualGpu vgpu;
    vgpu.profile = profile;
    vgpu.vram_bytes = uint64_t{64} << 20;
    adapter.vgpus.push_back(vgpu);
  }
  Host host;
  host.inventory.adapters = {adapter};
  return host;
}

HistoryEntry EntryOf(absl::Duration blackout, uint64_t bytes,
                     absl::Duration duration) {
  HistoryEntry entry;
  for (int i = 0; i < 10; ++i) entry.blackouts.Add(blackout);
  entry.vgpus = 10;
  entry.saved_bytes = 10 * bytes;
  entry.hosts = 5;
  entry.duration = 5 * duration;
  return entry;
}

TEST(PredictTest, GoesBySizeWithoutHistory) {
  const Prediction none = Predict({}, HostOf({}), kTo);
  EXPECT_EQ(none, (Prediction{0, absl::ZeroDuration(), absl::Seconds(30)}));
  const Prediction two = Predict({}, HostOf({"a", "b"}), kTo);
  EXPECT_EQ(two.saved_bytes, uint64_t{4} << 20);
  EXPECT_EQ(two.blackout, absl::Milliseconds(100) + absl::Seconds(1.0 / 256));
  EXPECT_EQ(two.duration, absl::Seconds(30));
}

TEST(PredictTest, GoesByHistoryWhereThereIsOne) {
  const History history = {
      {{kFrom, kTo, "S1", "a"},
       EntryOf(absl::Milliseconds(20), 1000, absl::Seconds(7))},
      {{kFrom, kTo, "S1", "b"},
       EntryOf(absl::Milliseconds(40), 5000, absl::Seconds(3))},
      {{kTo, kFrom, "S1", "a"},
       EntryOf(absl::Seconds(9), 1, absl::Seconds(9))}};
  const Prediction both = Predict(history, HostOf({"a", "a", "b"}), kTo);
  EXPECT_EQ(both.saved_bytes, 7000u);
  EXPECT_NEAR(absl::ToDoubleMilliseconds(both.blackout), 40, 1);
  EXPECT_EQ(both.duration, absl::Seconds(7));
  // One kind is new: its size counts.
  const Prediction mixed = Predict(history, HostOf({"a", "c"}), kTo);
  EXPECT_EQ(mixed.saved_bytes, 1000 + (uint64_t{2} << 20));
  EXPECT_GT(mixed.blackout, absl::Milliseconds(100));
  EXPECT_EQ(mixed.duration, absl::Seconds(7));
}

// Waves of 4 and 6 hosts, two at once, 1 min each; the first bakes 10 min.
TEST(EstimateTest, CountsBatchesBakesAndWindows) {
  const absl::Time noon =
      absl::FromCivil(absl::CivilHour(2026, 3, 2, 12), absl::UTCTimeZone());
  const auto window = [](const std::string& from, const std::string& to,
                         WindowCutoff cutoff) {
    return WindowSpec{{}, from, to, "UTC", absl::UTCTimeZone(), cutoff};
  };
  struct Row {
    std::vector<WindowSpec> windows;
    absl::Time end;
  };
  const absl::Duration day = absl::Hours(24);
  const Row rows[] = {
      {{}, noon + absl::Minutes(15)},
      {{window("00:00", "00:00", WindowCutoff::kFinish)},
       noon + absl::Minutes(15)},
      {{window("13:00", "14:00", WindowCutoff::kFinish)},
       noon + absl::Minutes(60 + 15)},
      // A minute for the first batch, which ends after the window; the other
      // one a day later, and the second wave a day after that.
      {{window("12:00", "12:01", WindowCutoff::kFinish)},
       noon + 4 * day + absl::Minutes(1)},
      {{window("11:59", "12:01", WindowCutoff::kCancelBeforeUnload)},
       noon + 3 * day},
  };
  for (const Row& row : rows) {
    RolloutSpec spec;
    spec.windows = row.windows;
    RolloutPlan plan;
    plan.max_unavailable = 2;
    plan.waves.resize(2);
    plan.waves[0].bake = absl::Minutes(10);
    plan.waves[0].hosts.resize(4);
    plan.waves[0].hosts[3].predicted_blackout = absl::Seconds(1);
    plan.waves[1].bake = absl::Hours(1);
    plan.waves[1].hosts.resize(6);
    const std::vector<std::vector<absl::Duration>> durations = {
        std::vector<absl::Duration>(4, absl::Minutes(1)),
        std::vector<absl::Duration>(6, absl::Minutes(1))};
    Estimate(spec, durations, noon, plan);
    EXPECT_EQ(plan.estimated_duration, absl::Minutes(15));
    EXPECT_EQ(plan.predicted_blackout, absl::Seconds(1));
    EXPECT_EQ(plan.estimated_end, row.end);
  }
}

TEST(EstimateTest, SaysSoWhenNoWindowIsLongEnough) {
  RolloutSpec spec;
  spec.windows = {{{},
                   "12:00",
                   "12:01",
                   "UTC",
                   absl::UTCTimeZone(),
                   WindowCutoff::kCancelBeforeUnload}};
  RolloutPlan plan;
  plan.max_unavailable = 1;
  plan.waves.resize(1);
  plan.waves[0].hosts.resize(1);
  Estimate(spec, {{absl::Minutes(2)}}, absl::UnixEpoch(), plan);
  EXPECT_EQ(plan.estimated_end, absl::InfiniteFuture());
  EXPECT_EQ(plan.estimated_duration, absl::Minutes(2));
}

}  // namespace
}  // namespace baton::core
