#include "service/core/index.h"

#include <functional>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/stage.h"

namespace baton::core {
namespace {

using support::HostName;
using support::kRollout;
using support::Stage;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const WaveTally& WaveOf(const Stage& stage) {
  return stage.rollout().tally.waves[stage.rollout().wave];
}

TEST(IndexTest, MovesAHostFromLaneToLane) {
  Stage stage(4);
  stage.Start(support::MakeSpec());  // host 1 runs
  EXPECT_EQ(WaveOf(stage).ready.size(), 3u);
  EXPECT_EQ(stage.host(2).claimant, kRollout);

  stage.Disconnect(2);
  stage.Do(CordonHost{HostName(3), "disk"});
  EXPECT_THAT(WaveOf(stage).waiting, ElementsAre(1, 2));
  stage.Do(UncordonHost{HostName(3)});
  EXPECT_THAT(WaveOf(stage).waiting, ElementsAre(1));

  Inventory other = support::MakeInventory("1.0");
  other.adapters[0].pci_id = "ffff:ffff";
  stage.Do(HostHeard{HostName(4), stage.host(4).stream, other});
  EXPECT_THAT(WaveOf(stage).unfit, ElementsAre(3));

  stage.Report(1, UpdateState::kDone);
  EXPECT_EQ(stage.host(1).claimant, "");
  EXPECT_THAT(WaveOf(stage).unwell, IsEmpty());
  stage.Disconnect(1);
  EXPECT_THAT(WaveOf(stage).unwell, ElementsAre(0));
}

TEST(IndexTest, EmptiesTheLanesOfARolloutThatEnded) {
  Stage stage(2);
  stage.Start(support::MakeSpec());
  stage.Report(1, UpdateState::kDone);
  stage.Disconnect(1);
  EXPECT_THAT(WaveOf(stage).unwell, SizeIs(1));
  stage.Report(2, UpdateState::kDone);
  EXPECT_EQ(stage.rollout().state, RolloutState::kSucceeded);
  EXPECT_THAT(WaveOf(stage).unwell, IsEmpty());
  EXPECT_THAT(stage.fleet().active, IsEmpty());
}

TEST(IndexTest, ComesBackFromWhatIsStored) {
  Stage stage(3);
  stage.Start(support::MakeSpec());
  Fleet fleet = stage.fleet();
  // Updates that nobody touched are not stored.
  fleet.rollouts[kRollout].updates.erase(HostName(2));
  fleet.rollouts[kRollout].tally = {};
  fleet.active.clear();
  fleet.silence.clear();
  fleet.ledger = {};
  Reindex(fleet);
  EXPECT_EQ(fleet, stage.fleet());
}

TEST(IndexTest, NoticesWhatIsNotAsCounted) {
  const std::pair<std::string, std::function<void(Fleet&)>> rows[] = {
      {"silence", [](Fleet& f) { f.silence.clear(); }},
      {"alarms",
       [](Fleet& f) {
         f.alarms.insert({f.now, "r", "h"});
       }},
      {"ledger", [](Fleet& f) { f.ledger.Erase(HostName(1)); }},
      {"claim of 'hosts/host-2'",
       [](Fleet& f) { f.hosts[HostName(2)].claimant.clear(); }},
      {"tally of 'rollouts/r'",
       [](Fleet& f) { f.rollouts[kRollout].tally.failures = 9; }},
      {"tally of 'rollouts/r'",
       [](Fleet& f) { f.rollouts[kRollout].tally.waves[0].ready.Erase(1); }},
  };
  Stage stage(3);
  stage.Start(support::MakeSpec());
  EXPECT_EQ(CheckIndex(stage.fleet()), absl::OkStatus());
  for (const auto& [what, damage] : rows) {
    Fleet fleet = stage.fleet();
    damage(fleet);
    EXPECT_THAT(std::string(CheckIndex(fleet).message()), HasSubstr(what));
  }
}

}  // namespace
}  // namespace baton::core
