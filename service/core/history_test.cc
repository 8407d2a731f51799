#include "service/core/history.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::core {
namespace {

constexpr char kFrom[] = "drivers/d/versions/1";
constexpr char kTo[] = "drivers/d/versions/2";

Host HostOf() {
  Adapter adapter;
  adapter.model = "S1";
  adapter.vgpus = {
      {1, "", "small", "a"}, {2, "", "small", "b"}, {3, "", "large", "c"}};
  Host host;
  host.inventory.adapters = {adapter};
  return host;
}

Update UpdateOf() {
  Update update;
  update.state = UpdateState::kDone;
  update.start_time = absl::FromUnixSeconds(100);
  update.end_time = absl::FromUnixSeconds(140);
  update.saved = SavedState{3, 3000};
  update.vgpus = {{1, "a", true, absl::Milliseconds(10)},
                  {2, "b", true, absl::Milliseconds(30)},
                  {3, "c", true, absl::Milliseconds(50)}};
  return update;
}

TEST(HistoryTest, SharesTheCostOutByKind) {
  const History costs = CostOf(HostOf(), UpdateOf(), kFrom, kTo);
  ASSERT_EQ(costs.size(), 2u);
  const HistoryEntry& small = costs.at({kFrom, kTo, "S1", "small"});
  EXPECT_EQ(small.vgpus, 2u);
  EXPECT_EQ(small.saved_bytes, 2000u);
  EXPECT_EQ(small.hosts, 1u);
  EXPECT_EQ(small.duration, absl::Seconds(40));
  EXPECT_EQ(small.time, absl::FromUnixSeconds(140));
  EXPECT_EQ(small.blackouts.count(), 2u);
  const HistoryEntry& large = costs.at({kFrom, kTo, "S1", "large"});
  EXPECT_EQ(large.vgpus, 1u);
  EXPECT_EQ(large.saved_bytes, 1000u);
  EXPECT_EQ(large.hosts, 1u);
}

TEST(HistoryTest, LeavesOutWhatIsNotKnown) {
  Update update = UpdateOf();
  update.saved.reset();
  std::vector<VirtualGpuResult> vgpus = update.vgpus.Get();
  vgpus[0].guest = "another";
  vgpus[1].blackout.reset();
  update.vgpus = vgpus;
  const History costs = CostOf(HostOf(), update, kFrom, kTo);
  ASSERT_EQ(costs.size(), 1u);
  EXPECT_EQ(costs.begin()->first.profile, "large");
  EXPECT_EQ(costs.begin()->second.saved_bytes, 0u);
  update.vgpus = {};
  EXPECT_TRUE(CostOf(HostOf(), update, kFrom, kTo).empty());
}

TEST(HistoryTest, Adds) {
  const HistoryEntry cost =
      CostOf(HostOf(), UpdateOf(), kFrom, kTo).begin()->second;
  HistoryEntry entry;
  Add(cost, entry);
  EXPECT_EQ(entry, cost);
  Add(cost, entry);
  EXPECT_EQ(entry.vgpus, 2 * cost.vgpus);
  EXPECT_EQ(entry.hosts, 2u);
  EXPECT_EQ(entry.duration, absl::Seconds(80));
  EXPECT_EQ(entry.saved_bytes, 2 * cost.saved_bytes);
  EXPECT_EQ(entry.blackouts.count(), 2 * cost.blackouts.count());
}

TEST(HistoryTest, ForgetsWhatWasUsedLeastRecently) {
  History history;
  history[{"a"}].time = absl::FromUnixSeconds(2);
  history[{"b"}].time = absl::FromUnixSeconds(1);
  history[{"c"}].time = absl::FromUnixSeconds(3);
  EXPECT_EQ(LeastRecent(history), HistoryKey{"b"});
}

}  // namespace
}  // namespace baton::core
