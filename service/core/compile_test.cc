#include "service/core/compile.h"

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "base/reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "service/core/canonical.h"
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

// What is predicted for a host of the stage without history.
absl::Duration Blackout() {
  return absl::Milliseconds(100) + absl::Seconds(4.0 / 1024);
}

// The wave's hosts by their numbers, in order.
std::vector<int> NumbersOf(const PlannedWave& wave) {
  std::vector<int> numbers;
  for (const PlannedHost& host : wave.hosts) {
    const std::string& name = host.host;
    numbers.push_back(std::stoi(name.substr(name.rfind('-') + 1)));
  }
  return numbers;
}

// Shows host `number` with vGPUs of these profiles.
void ShowProfiles(int number, const std::vector<std::string>& profiles,
                  Stage& stage) {
  Inventory inventory = support::MakeInventory("1.0");
  inventory.adapters[0].vgpus.clear();
  for (const std::string& profile : profiles) {
    VirtualGpu vgpu;
    vgpu.profile = profile;
    vgpu.guest_driver = "31.0";
    inventory.adapters[0].vgpus.push_back(vgpu);
  }
  stage.Do(HostHeard{support::HostName(number), stage.host(number).stream,
                     inventory});
}

std::vector<size_t> SizesOf(const RolloutPlan& plan) {
  std::vector<size_t> sizes;
  sizes.reserve(plan.waves.size());
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
  const absl::Duration blackout = Blackout();
  const PlannedWave canary{
      "canary", absl::Minutes(5), {{"hosts/host-1", "1.0", 2, "", blackout}}};
  const PlannedWave rest{"wave-2",
                         absl::ZeroDuration(),
                         {{"hosts/host-2", "1.0", 2, "", blackout},
                          {"hosts/host-3", "1.0", 2, "", blackout}}};
  EXPECT_THAT(plan->waves, ElementsAre(canary, rest));
  EXPECT_EQ(plan->predicted_blackout, blackout);
  // One at a time, 30 s each, and the bake.
  EXPECT_EQ(plan->estimated_duration, absl::Seconds(90) + absl::Minutes(5));
  EXPECT_EQ(plan->estimated_end, plan->time + plan->estimated_duration);
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
  EXPECT_THAT(
      plan->waves[0].hosts,
      ElementsAre(PlannedHost{"hosts/host-4", "1.0", 2, "", Blackout()}));
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
  const std::vector<std::function<void(RolloutSpec&)>> changes = {
      [](auto&) {},
      [](auto& s) { s.selector = "zone"; },
      [](auto& s) {
        s.waves = {{"", WaveSize::kRest}};
      },
      [](auto& s) {
        s.waves = {{"", WaveSize::kRest, 0, absl::Seconds(1)}};
      },
      [](auto& s) {
        s.waves = {{"", WaveSize::kRest}};
        s.waves[0].coverage = true;
      },
      [](auto& s) {
        s.waves = {{"", WaveSize::kRest}};
        s.waves[0].approvals = 1;
      },
      [](auto& s) {
        s.waves = {{"", WaveSize::kRest}};
        s.waves[0].hold_after = true;
      },
      [](auto& s) {
        s.waves = {{"", WaveSize::kRest}};
        s.waves[0].failure_tolerance = FailureTolerance{};
      },
      [](auto& s) {
        s.waves = {{"", WaveSize::kRest}};
        s.waves[0].failure_tolerance = FailureTolerance{1};
      },
      [](auto& s) { s.limits.max_unavailable = 1; },
      [](auto& s) { s.limits.max_unavailable_percent = 1; },
      [](auto& s) {
        s.limits.domains = {{"rack", 1}};
      },
      [](auto& s) {
        s.limits.domains = {{"rack", 2}};
      },
      [](auto& s) { s.failure_tolerance.hosts = 0; },
      [](auto& s) { s.failure_tolerance.percent = 0; },
      [](auto& s) { s.deadlines.save = absl::Seconds(2); },
      [](auto& s) { s.on_exceeded = OnExceeded::kRollBack; },
      [](auto& s) { s.blackout.per_vgpu_max = absl::Seconds(2); },
      [](auto& s) { s.blackout.p99_max = absl::Seconds(2); },
      [](auto& s) { s.retry.attempts = 2; },
      [](auto& s) { s.retry.backoff = absl::Seconds(2); },
      [](auto& s) {
        s.windows = {WindowSpec{{}, "01:00", "02:00", "UTC"}};
      },
      [](auto& s) {
        s.windows = {WindowSpec{{}, "01:30", "02:00", "UTC"}};
      },
      [](auto& s) {
        s.windows = {WindowSpec{{}, "01:00", "02:30", "UTC"}};
      },
      [](auto& s) {
        s.windows = {WindowSpec{{}, "01:00", "02:00", "EST"}};
      },
      [](auto& s) {
        s.windows = {
            WindowSpec{{absl::Weekday::monday}, "01:00", "02:00", "UTC"}};
      },
      [](auto& s) {
        s.windows = {WindowSpec{{},
                                "01:00",
                                "02:00",
                                "UTC",
                                std::nullopt,
                                WindowCutoff::kCancelBeforeUnload}};
      },
      [](auto& s) { s.hooks.before = "drain"; },
      [](auto& s) { s.hooks.after = "drain"; },
      [](auto& s) { s.require.rollback_path = false; },
      [](auto& s) { s.require.spare_memory_bytes = 0; },
      [](auto& s) { s.deadline = absl::Hours(1); },
      [](auto& s) { s.rollback_of = "rollouts/other"; }};
  std::set<std::string> texts;
  for (const auto& change : changes) {
    RolloutSpec spec = support::MakeSpec();
    change(spec);
    texts.insert(CanonicalText(spec));
  }
  EXPECT_EQ(texts.size(), changes.size());
}

TEST(CompileTest, BlocksAHostWithoutMemoryForItsState) {
  Stage stage(3);
  Inventory inventory = support::MakeInventory("1.0");
  inventory.available_memory_bytes = uint64_t{256} << 20;
  stage.Do(HostHeard{"hosts/host-1", stage.host(1).stream, inventory});
  inventory.available_memory_bytes.reset();
  stage.Do(HostHeard{"hosts/host-2", stage.host(2).stream, inventory});
  const auto plan = CompilePlan(stage.fleet(), MakeRollout({}));
  ASSERT_TRUE(plan.ok());
  ASSERT_EQ(plan->blocked.size(), 2u);
  EXPECT_EQ(plan->blocked[0].reason, "MEMORY_SHORT");
  EXPECT_THAT(plan->blocked[0].message, HasSubstr("want at least 272629760"));
  EXPECT_EQ(plan->blocked[1].reason, "MEMORY_UNKNOWN");
}

TEST(CompileTest, BeginsAWaveWithTheHostsThatGiveItCoverage) {
  Stage stage(6);
  ShowProfiles(1, {"a"}, stage);
  ShowProfiles(2, {"a"}, stage);
  ShowProfiles(3, {"a", "b"}, stage);
  ShowProfiles(4, {"c"}, stage);
  ShowProfiles(5, {"d"}, stage);
  ShowProfiles(6, {"d"}, stage);
  WaveSpec canary{"canary", WaveSize::kHosts, 2};
  canary.coverage = true;
  WaveSpec second{"", WaveSize::kHosts, 3};
  second.coverage = true;
  Rollout rollout = MakeRollout({canary, second, {"", WaveSize::kRest}});
  const auto plan = CompilePlan(stage.fleet(), rollout);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_THAT(NumbersOf(plan->waves[0]), ElementsAre(3, 4));
  EXPECT_EQ(plan->waves[0].coverage,
            (Coverage{4, 3, {"Baton SoftGPU S1 / d / 31.0"}}));
  // Who adds to the coverage goes first, the others by name.
  EXPECT_THAT(NumbersOf(plan->waves[1]), ElementsAre(5, 1, 2));
  EXPECT_EQ(plan->waves[1].coverage, (Coverage{4, 4, {}}));
  EXPECT_THAT(NumbersOf(plan->waves[2]), ElementsAre(6));
  EXPECT_EQ(plan->waves[2].coverage, std::nullopt);

  // Guests come and go without end: what was reviewed stays what it was.
  rollout.plan = *plan;
  ShowProfiles(1, {"e", "f"}, stage);
  EXPECT_EQ(CompileAgain(stage.fleet(), rollout)->digest, plan->digest);
  EXPECT_NE(CompilePlan(stage.fleet(), rollout)->digest, plan->digest);
  stage.Do(CordonHost{"hosts/host-4", "disk"});
  EXPECT_NE(CompileAgain(stage.fleet(), rollout)->digest, plan->digest);
}

TEST(CompileTest, SaysWhatComesOfAWave) {
  const Stage stage(10);
  WaveSpec canary{"canary", WaveSize::kHosts, 4, absl::Minutes(5)};
  canary.approvals = 2;
  canary.failure_tolerance = FailureTolerance{std::nullopt, 50};
  const auto plan =
      CompilePlan(stage.fleet(), MakeRollout({canary, {"", WaveSize::kRest}}));
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->waves[0].approvals, 2u);
  EXPECT_EQ(plan->waves[0].failures_max, 2u);
  EXPECT_EQ(plan->waves[1].approvals, 0u);
  EXPECT_EQ(plan->waves[1].failures_max, std::nullopt);
}

TEST(CompileTest, WantsAnotherPersonsWordWhereThereIsNoWayBack) {
  Stage stage(4);
  Driver one_way = support::MakeDriver("3.0");
  one_way.manifest.state_format_writes = 3;
  stage.Do(DriverStored{one_way});
  // Of host 2 nobody knows what its driver reads.
  stage.Connect(2, "0.9");
  WaveSpec last{"", WaveSize::kRest};
  last.approvals = 2;
  Rollout rollout =
      MakeRollout({{"", WaveSize::kHosts, 1}, {"", WaveSize::kHosts, 1}, last});
  const std::string digest = CompilePlan(stage.fleet(), rollout)->digest;

  rollout.spec.require.rollback_path = false;
  RolloutPlan plan = *CompilePlan(stage.fleet(), rollout);
  EXPECT_FALSE(plan.waves[0].hosts[0].without_way_back);
  EXPECT_EQ(plan.waves[0].approvals, 0u);
  EXPECT_TRUE(plan.waves[1].hosts[0].without_way_back);
  EXPECT_EQ(plan.waves[1].approvals, 1u);
  EXPECT_NE(plan.digest, digest);

  rollout.spec.driver = one_way.name;
  plan = *CompilePlan(stage.fleet(), rollout);
  for (const PlannedWave& wave : plan.waves) {
    for (const PlannedHost& host : wave.hosts) {
      EXPECT_TRUE(host.without_way_back) << host.host;
    }
  }
  EXPECT_EQ(plan.waves[0].approvals, 1u);
  EXPECT_EQ(plan.waves[2].approvals, 2u);

  rollout.spec.require.rollback_path = true;
  plan = *CompilePlan(stage.fleet(), rollout);
  EXPECT_EQ(plan.hosts, 1u);  // the one of which nobody knows
  EXPECT_FALSE(plan.waves[0].hosts[0].without_way_back);
  EXPECT_EQ(plan.waves[0].approvals, 0u);
}

TEST(CompileTest, PredictsFromWhatEarlierUpdatesCost) {
  Stage stage(3);
  stage.Start(support::MakeSpec());
  stage.Advance(absl::Seconds(8));
  stage.Report(1, UpdateState::kDone);
  ASSERT_EQ(stage.fleet().history.size(), 1u);
  const auto& [key, entry] = *stage.fleet().history.begin();
  EXPECT_EQ(key, (HistoryKey{support::kOldDriver, support::kNewDriver,
                             "Baton SoftGPU S1", "S1-64"}));
  EXPECT_EQ(entry.vgpus, 2u);
  stage.Do(AbortRollout{support::kRollout, "enough"});
  stage.Report(2, UpdateState::kCancelled);
  const auto plan = CompilePlan(stage.fleet(), MakeRollout({}));
  ASSERT_TRUE(plan.ok());
  EXPECT_NEAR(absl::ToDoubleMilliseconds(plan->predicted_blackout), 20, 0.5);
  EXPECT_EQ(plan->estimated_duration, 2 * absl::Seconds(8));
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
