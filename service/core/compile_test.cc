#include "service/core/compile.h"

#include <set>
#include <string>
#include <vector>

#include "base/reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/stage.h"

namespace baton::core {
namespace {

using support::Stage;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Rollout MakeRollout(const std::vector<WaveSpec>& waves) {
  Rollout rollout;
  rollout.name = support::kRollout;
  rollout.spec = support::MakeSpec();
  rollout.spec.waves = waves;
  return rollout;
}

std::vector<size_t> SizesOf(const RolloutPlan& plan) {
  std::vector<size_t> sizes;
  for (const PlannedWave& wave : plan.waves) sizes.push_back(wave.hosts.size());
  return sizes;
}

TEST(CompileTest, CutsTheSelectionIntoWaves) {
  const Stage stage(8);
  struct Row {
    std::vector<WaveSpec> waves;
    std::vector<size_t> sizes;
  };
  const Row rows[] = {
      {{}, {8}},
      {{{"", WaveSize::kHosts, 1}, {"", WaveSize::kRest}}, {1, 7}},
      // 10 % of 8 is 0.8, rounded up.
      {{{"", WaveSize::kPercent, 10},
        {"", WaveSize::kPercent, 50},
        {"", WaveSize::kRest}},
       {1, 4, 3}},
      {{{"", WaveSize::kPercent, 33},
        {"", WaveSize::kPercent, 33},
        {"", WaveSize::kPercent, 34}},
       {3, 3, 2}},
      {{{"", WaveSize::kHosts, 20}, {"", WaveSize::kRest}}, {8, 0}},
  };
  for (const Row& row : rows) {
    const auto plan = CompilePlan(stage.fleet(), MakeRollout(row.waves));
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_EQ(SizesOf(*plan), row.sizes);
    EXPECT_EQ(plan->hosts, 8u);
  }
}

TEST(CompileTest, OrdersHostsByNameAndNamesWaves) {
  const Stage stage(3);
  const auto plan = CompilePlan(
      stage.fleet(),
      MakeRollout({{"canary", WaveSize::kHosts, 1, absl::Minutes(5)},
                   {"", WaveSize::kRest}}));
  ASSERT_TRUE(plan.ok());
  const PlannedWave canary{
      "canary", absl::Minutes(5), {{"hosts/host-1", "1.0", 2}}};
  const PlannedWave rest{
      "wave-2",
      absl::ZeroDuration(),
      {{"hosts/host-2", "1.0", 2}, {"hosts/host-3", "1.0", 2}}};
  EXPECT_THAT(plan->waves, ElementsAre(canary, rest));
  EXPECT_EQ(plan->max_unavailable, 1u);
  EXPECT_EQ(plan->failures_max, 0u);
}

TEST(CompileTest, RefusesWavesThatLeaveHostsOut) {
  const Stage stage(3);
  const absl::Status status =
      CompilePlan(stage.fleet(), MakeRollout({{"", WaveSize::kHosts, 2}}))
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Reason(status), "WAVES_LEAVE_HOSTS");
  EXPECT_THAT(std::string(status.message()), HasSubstr("2 of 3 hosts"));
}

TEST(CompileTest, SelectsByLabelsAndSaysWhatIsBlocked) {
  Stage stage(4);
  stage.Do(CordonHost{"hosts/host-2", "disk"}, "bob");
  Rollout rollout = MakeRollout({});
  rollout.spec.selector = "zone=even";
  const auto plan = CompilePlan(stage.fleet(), rollout);
  ASSERT_TRUE(plan.ok());
  EXPECT_THAT(plan->waves[0].hosts,
              ElementsAre(PlannedHost{"hosts/host-4", "1.0", 2}));
  EXPECT_THAT(plan->blocked,
              ElementsAre(BlockedHost{"hosts/host-2", "HOST_CORDONED",
                                      "cordoned by 'bob': disk"}));
}

TEST(CompileTest, RefusesAnEmptySelectionAndCountsWhy) {
  Stage stage(2);
  stage.Disconnect(1);
  stage.Disconnect(2);
  const absl::Status status =
      CompilePlan(stage.fleet(), MakeRollout({})).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Reason(status), "EMPTY_SELECTION");
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("2 blocked (HOST_OFFLINE 2)"));
}

TEST(CompileTest, DigestIsOfWhatWasReviewedOnly) {
  Stage stage(3);
  const Rollout rollout = MakeRollout({});
  const std::string digest = CompilePlan(stage.fleet(), rollout)->digest;

  // Neither time nor a guest that comes or goes makes it another plan.
  stage.Advance(absl::Seconds(5));
  Inventory inventory = support::MakeInventory("1.0");
  inventory.adapters[0].vgpus.pop_back();
  stage.Do(HostHeard{"hosts/host-1", stage.host(1).stream, inventory});
  EXPECT_EQ(CompilePlan(stage.fleet(), rollout)->digest, digest);

  stage.Do(CordonHost{"hosts/host-1", "disk"});
  EXPECT_NE(CompilePlan(stage.fleet(), rollout)->digest, digest);
}

TEST(CompileTest, DigestDiffersForEachFieldOfTheSpec) {
  const Stage stage(3);
  std::set<std::string> digests;
  std::vector<Rollout> rollouts(9, MakeRollout({}));
  rollouts[1].spec.selector = "zone";
  rollouts[2].spec.waves = {{"", WaveSize::kRest}};
  rollouts[3].spec.waves = {{"", WaveSize::kRest, 0, absl::Seconds(1)}};
  rollouts[4].spec.limits.max_unavailable = 1;
  rollouts[5].spec.limits.max_unavailable_percent = 1;
  rollouts[6].spec.failure_tolerance.hosts = 0;
  rollouts[7].spec.failure_tolerance.percent = 0;
  rollouts[8].spec.deadlines.save = absl::Seconds(2);
  for (const Rollout& rollout : rollouts) {
    digests.insert(CompilePlan(stage.fleet(), rollout)->digest);
  }
  EXPECT_EQ(digests.size(), rollouts.size());
}

TEST(CompileTest, SpellsOutWhatDiffers) {
  Stage stage(3);
  const Rollout rollout = MakeRollout({});
  const RolloutPlan before = *CompilePlan(stage.fleet(), rollout);
  stage.Disconnect(1);
  stage.Connect(2, "1.1");
  stage.Connect(4);
  const RolloutPlan after = *CompilePlan(stage.fleet(), rollout);
  EXPECT_EQ(PlanDifference(before, after),
            "'hosts/host-1' is blocked: HOST_OFFLINE, was in wave 'wave-1' "
            "from 1.0; "
            "'hosts/host-2' is in wave 'wave-1' from 1.1, was in wave 'wave-1' "
            "from 1.0; "
            "'hosts/host-4' is in wave 'wave-1' from 1.0, was not selected");
  EXPECT_EQ(PlanDifference(before, before), "");
}

}  // namespace
}  // namespace baton::core
