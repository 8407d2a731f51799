#include "service/core/tally.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(ReadyQueueTest, HasTheFirstOfEachLineInOrder) {
  ReadyQueue queue;
  queue.Insert(7, {"r1"});
  queue.Insert(3, {"r2"});
  queue.Insert(5, {"r1"});
  queue.Insert(4, {"r2"});
  EXPECT_EQ(queue.size(), 4u);
  EXPECT_THAT(queue.heads(), ElementsAre(Pair(3, ElementsAre("r2")),
                                         Pair(5, ElementsAre("r1"))));
  EXPECT_THAT(queue.Line({"r1"}), ElementsAre(5, 7));
}

TEST(ReadyQueueTest, IsAsIfWhatWasErasedHadNeverBeenIn) {
  ReadyQueue queue;
  queue.Insert(1, {});
  ReadyQueue want = queue;
  queue.Insert(0, {});
  queue.Insert(2, {"r1"});
  queue.Insert(3, {"r1"});
  queue.Erase(2);
  EXPECT_THAT(queue.heads(),
              ElementsAre(Pair(0, IsEmpty()), Pair(3, ElementsAre("r1"))));
  queue.Erase(0);
  queue.Erase(3);
  queue.Erase(9);
  EXPECT_EQ(queue, want);
  queue.Erase(1);
  EXPECT_TRUE(queue.empty());
  EXPECT_THAT(queue.heads(), IsEmpty());
}

TEST(TallyTest, TakesOutWhatItCounted) {
  std::vector<Update> updates;
  for (const UpdateState state :
       {UpdateState::kPending, UpdateState::kRunning, UpdateState::kDone,
        UpdateState::kCancelled, UpdateState::kRolledBack,
        UpdateState::kQuarantined, UpdateState::kSkipped}) {
    Update update;
    update.state = state;
    update.wave = static_cast<uint32_t>(state) % 2;
    update.past_no_return = state == UpdateState::kDone;
    update.vgpus = {{1, "g", true, absl::Milliseconds(7), ""},
                    {2, "h", false, std::nullopt, ""}};
    updates.push_back(update);
  }
  Tally tally;
  tally.waves.resize(2);
  const Tally empty = tally;
  for (size_t i = 0; i < updates.size(); ++i) {
    Count(std::to_string(i), CountedOf(updates[i]), tally);
  }
  EXPECT_EQ(tally.failures, 4u);
  EXPECT_EQ(tally.vgpus, 2u);
  EXPECT_EQ(tally.vgpus_preserved, 1u);
  EXPECT_EQ(tally.blackouts.count(), 7u);
  EXPECT_THAT(tally.running, ElementsAre("1"));
  EXPECT_THAT(tally.failed, ElementsAre("3", "4", "5", "6"));
  EXPECT_EQ(tally.waves[0].hosts + tally.waves[1].hosts, 7u);
  EXPECT_EQ(tally.waves[0].ended + tally.waves[1].ended, 5u);
  for (size_t i = 0; i < updates.size(); ++i) {
    Uncount(std::to_string(i), CountedOf(updates[i]), tally);
  }
  EXPECT_EQ(tally, empty);
}

}  // namespace
}  // namespace baton::core
