#include "service/core/plan.h"

#include <algorithm>
#include <set>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/stage.h"

namespace baton::core {
namespace {

using support::HostName;
using support::kRollout;
using support::MakeSpec;
using support::Stage;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::set<int> RunningIn(const Stage& stage,
                        const std::string& rollout = kRollout) {
  std::set<int> running;
  for (const auto& [host, update] : stage.rollout(rollout).updates) {
    if (update.state == UpdateState::kRunning) {
      running.insert(std::stoi(host.str().substr(host.str().rfind('-') + 1)));
    }
  }
  return running;
}

RolloutSpec SpecOf(uint32_t max_unavailable, uint32_t tolerated) {
  RolloutSpec spec = MakeSpec();
  spec.limits.max_unavailable = max_unavailable;
  spec.failure_tolerance.hosts = tolerated;
  return spec;
}

TEST(DecideTest, StartsNoMoreHostsThanMayBeOutOfService) {
  Stage stage(5);
  stage.Start(SpecOf(2, 0));
  EXPECT_THAT(RunningIn(stage), ElementsAre(1, 2));
  stage.Report(1, UpdateState::kDone);
  EXPECT_THAT(RunningIn(stage), ElementsAre(2, 3));
}

RolloutSpec RackedSpec() {
  RolloutSpec spec = SpecOf(4, 0);
  spec.limits.domains = {{"zone", 1}};  // odd or even, as the host's number
  return spec;
}

TEST(DecideTest, KeepsToTheLimitOfEachDomainInTheOrderOfThePlan) {
  Stage stage(6);
  stage.Start(RackedSpec());
  EXPECT_THAT(RunningIn(stage), ElementsAre(1, 2));
  stage.Report(2, UpdateState::kDone);
  EXPECT_THAT(RunningIn(stage), ElementsAre(1, 4));
  // A host that is down for another reason fills its domain as well.
  stage.Disconnect(6);
  stage.Report(4, UpdateState::kDone);
  EXPECT_THAT(RunningIn(stage), ElementsAre(1));
}

TEST(DecideTest, FollowsALabelThatMovesAHostToAnotherDomain) {
  Stage stage(4);
  stage.Start(RackedSpec());
  EXPECT_THAT(RunningIn(stage), ElementsAre(1, 2));
  stage.Do(UpdateHostLabels{HostName(3), {{"zone", "third"}}});
  stage.Settle();
  EXPECT_THAT(RunningIn(stage), ElementsAre(1, 2, 3));
  // It takes its place along: the domain that it left has room.
  stage.Do(UpdateHostLabels{HostName(2), {{"zone", "fourth"}}});
  stage.Settle();
  EXPECT_THAT(RunningIn(stage), ElementsAre(1, 2, 3, 4));
}

TEST(DecideTest, SharesTheDomainsWithOtherRollouts) {
  Stage stage(4);
  RolloutSpec one = RackedSpec();
  one.selector = "zone=odd";
  stage.Start(one, "rollouts/a");
  stage.Do(UpdateHostLabels{HostName(2), {{"rack", "r"}}});
  stage.Do(UpdateHostLabels{HostName(3), {{"rack", "r"}}});
  RolloutSpec other = SpecOf(4, 0);
  other.selector = "zone=even";
  other.limits.domains = {{"rack", 1}};
  stage.Start(other, "rollouts/b");
  EXPECT_THAT(RunningIn(stage, "rollouts/a"), ElementsAre(1));
  EXPECT_THAT(RunningIn(stage, "rollouts/b"), ElementsAre(2));
  stage.Report(1, UpdateState::kDone);
  // Its rack has a host that is out of service, but only the other rollout has
  // a limit for racks.
  EXPECT_THAT(RunningIn(stage, "rollouts/a"), ElementsAre(3));
  EXPECT_EQ(stage.fleet().ledger.Domain("rack", "r").count,
            (Unavailable{.slots = 2}));
  stage.Report(3, UpdateState::kDone);
  EXPECT_EQ(stage.fleet().ledger.labels(), std::set<std::string>{"rack"});
}

TEST(DecideTest, ShowsTheArithmeticOfAnAdmission) {
  Stage stage(3);
  stage.Do(CreateRollout{kRollout, RackedSpec()});
  stage.Plan();
  stage.Disconnect(3);
  stage.Do(StartRollout{kRollout, [&] {
                          stage.Plan();
                          return stage.rollout().plan->digest;
                        }()});
  const Changes changes = stage.Do(AdmitHost{kRollout, HostName(2), 1});
  EXPECT_EQ(changes.audit.at(0).detail,
            "attempt 1; fleet 1 of 2; zone=even 0 of 1");
}

// ---- Another attempt.

TEST(DecideTest, TriesAgainAfterABackoffAsOftenAsItMay) {
  Stage stage(1);
  RolloutSpec spec = SpecOf(1, 0);
  spec.retry = {3, absl::Seconds(30)};
  stage.Start(spec);
  for (const int wait : {30, 60}) {
    stage.Report(1, UpdateState::kCancelled);
    EXPECT_EQ(stage.update(1).state, UpdateState::kPending);
    EXPECT_EQ(stage.update(1).reason, "SAVE_FAILED");
    EXPECT_EQ(stage.host(1).rollout, "");
    EXPECT_EQ(ProgressOf(stage.rollout()).failures, 0u);
    const Explanation why = stage.Explain();
    EXPECT_TRUE(std::any_of(
        why.gates.begin(), why.gates.end(),
        [](const Gate& gate) { return gate.reason == "RETRY_BACKOFF"; }));
    stage.Advance(absl::Seconds(wait - 1));
    EXPECT_EQ(stage.update(1).state, UpdateState::kPending);
    EXPECT_LE(NextDeadline(stage.fleet()),
              stage.fleet().now + absl::Seconds(1));
    stage.Advance(absl::Seconds(1));
    EXPECT_EQ(stage.update(1).state, UpdateState::kRunning);
    EXPECT_EQ(stage.update(1).reason, "");
  }
  EXPECT_EQ(stage.update(1).attempt, 3u);
  stage.Report(1, UpdateState::kCancelled);
  EXPECT_EQ(stage.update(1).state, UpdateState::kCancelled);
  EXPECT_EQ(stage.rollout().state, RolloutState::kFailed);
}

TEST(DecideTest, WaitsAnHourAtMostBeforeItTriesAgain) {
  Stage stage(1);
  RolloutSpec spec = SpecOf(1, 0);
  spec.retry = {4, absl::Minutes(40)};
  stage.Start(spec);
  stage.Report(1, UpdateState::kCancelled);
  stage.Advance(absl::Minutes(40));
  stage.Report(1, UpdateState::kCancelled);
  EXPECT_EQ(stage.update(1).not_before, stage.fleet().now + absl::Hours(1));
}

TEST(DecideTest, TriesNothingAgainThatWasUnloadedOrAborted) {
  RolloutSpec spec = SpecOf(1, 0);
  spec.retry.attempts = 3;
  Stage late(1);
  late.Start(spec);
  late.Report(1, UpdateState::kRolledBack);
  EXPECT_EQ(late.update(1).state, UpdateState::kRolledBack);
  Stage aborted(1);
  aborted.Start(spec);
  aborted.Do(AbortRollout{kRollout, "enough"});
  aborted.Report(1, UpdateState::kCancelled);
  EXPECT_EQ(aborted.update(1).state, UpdateState::kCancelled);
  EXPECT_EQ(aborted.rollout().state, RolloutState::kAborted);
}

TEST(DecideTest, SpendsNoTryOnAnAttemptThatWasPaused) {
  Stage stage(1);
  stage.Start(SpecOf(1, 0));
  Fleet fleet = stage.fleet();
  fleet.rollouts.at(kRollout).updates.at(HostName(1)).cancel =
      Cancel::kRequeues;
  const UpdateReported report{HostName(1), stage.host(1).stream,
                              stage.ReportOf(1, UpdateState::kCancelled)};
  ASSERT_TRUE(Apply({fleet.now, "agent", report}, fleet).ok());
  const Update& update = fleet.rollouts.at(kRollout).updates.at(HostName(1));
  EXPECT_EQ(update.state, UpdateState::kPending);
  EXPECT_EQ(update.tries, 0u);
  EXPECT_EQ(update.cancel, Cancel::kNone);
  EXPECT_EQ(update.not_before, absl::InfinitePast());
  // The same end, said again, changes nothing.
  UpdateReported again = report;
  again.report.sequence += 1;
  const auto changes = Apply({fleet.now, "agent", again}, fleet);
  ASSERT_TRUE(changes.ok()) << changes.status();
  EXPECT_TRUE(changes->empty());
}

TEST(DecideTest, AnswersWithAFewDecisionsAtATime) {
  Stage stage(static_cast<int>(kDecisionsMax) + 5);
  stage.Do(CreateRollout{kRollout, SpecOf(1000, 0)});
  stage.Plan();
  stage.Do(StartRollout{kRollout, stage.rollout().plan->digest});
  EXPECT_EQ(Decide(stage.fleet()).size(), kDecisionsMax);
  stage.Settle();
  EXPECT_THAT(RunningIn(stage), testing::SizeIs(kDecisionsMax + 5));
}

TEST(DecideTest, CountsHostsThatAreDownForWhateverReason) {
  Stage stage(6);
  stage.Do(CreateRollout{kRollout, SpecOf(3, 0)});
  stage.Plan();
  stage.Disconnect(6);
  Inventory faulty = support::MakeInventory("1.0");
  faulty.fault = "the shim does not answer";
  stage.Do(HostHeard{HostName(5), stage.host(5).stream, faulty});
  stage.Plan();
  stage.Do(StartRollout{kRollout, stage.rollout().plan->digest});
  stage.Settle();
  EXPECT_THAT(RunningIn(stage), ElementsAre(1));
  stage.Connect(6);
  stage.Settle();
  EXPECT_THAT(RunningIn(stage), ElementsAre(1, 2));
}

TEST(DecideTest, SharesOneBudgetBetweenAllRollouts) {
  Stage stage(6);
  RolloutSpec odd = SpecOf(2, 0);
  odd.selector = "zone=odd";
  RolloutSpec even = SpecOf(3, 0);
  even.selector = "zone=even";
  stage.Start(odd, "rollouts/odd");
  stage.Start(even, "rollouts/even");
  EXPECT_THAT(RunningIn(stage, "rollouts/odd"), ElementsAre(1, 3));
  EXPECT_THAT(RunningIn(stage, "rollouts/even"), ElementsAre(2));
}

TEST(DecideTest, OneHostThatIsAwayDoesNotKeepTheOthersOfItsWave) {
  Stage stage(3);
  stage.Do(CreateRollout{kRollout, SpecOf(2, 0)});
  stage.Plan();
  stage.Do(StartRollout{kRollout, stage.rollout().plan->digest});
  stage.Disconnect(1);
  stage.Settle();
  EXPECT_THAT(RunningIn(stage), ElementsAre(2));
  EXPECT_EQ(stage.update(1).state, UpdateState::kPending);
}

TEST(DecideTest, LetsACordonedHostWait) {
  Stage stage(2);
  stage.Start(SpecOf(1, 0));
  stage.Do(CordonHost{HostName(2), "disk"});
  stage.Report(1, UpdateState::kDone);
  EXPECT_THAT(RunningIn(stage), IsEmpty());
  EXPECT_EQ(stage.rollout().state, RolloutState::kRunning);
  stage.Do(UncordonHost{HostName(2)});
  stage.Settle();
  EXPECT_THAT(RunningIn(stage), ElementsAre(2));
}

TEST(OrderTest, CarriesWhatThePolicySaysOfTheHost) {
  Stage stage(1);
  RolloutSpec spec = SpecOf(1, 0);
  stage.Start(spec);
  EXPECT_FALSE(OrderFor(stage.fleet(), HostName(1))->without_way_back);
  Stage other(1);
  spec.require.rollback_path = false;
  spec.deadlines.save = absl::Milliseconds(7);
  other.Connect(1, "0.9");  // whose package nobody stored
  other.Start(spec);
  EXPECT_EQ(OrderFor(other.fleet(), HostName(1)), std::nullopt);
  other.Do(ApproveRollout{kRollout, other.rollout().plan->digest}, "bob");
  other.Settle();
  const std::optional<Order> order = OrderFor(other.fleet(), HostName(1));
  ASSERT_TRUE(order.has_value());
  EXPECT_TRUE(order->without_way_back);
  EXPECT_EQ(order->deadlines, spec.deadlines);
  EXPECT_EQ(order->hooks, spec.hooks);
}

TEST(DecideTest, SkipsAHostThatIsThereAlready) {
  Stage stage(2);
  stage.Start(SpecOf(1, 0));
  stage.Do(HostHeard{HostName(2), stage.host(2).stream,
                     support::MakeInventory("2.0")});
  stage.Report(1, UpdateState::kDone);
  EXPECT_EQ(stage.update(2).state, UpdateState::kSkipped);
  EXPECT_EQ(stage.update(2).reason, "ALREADY_AT_VERSION");
  EXPECT_EQ(stage.rollout().state, RolloutState::kSucceeded);
}

TEST(DecideTest, CountsAHostThatCanNoLongerBeUpdatedAsFailed) {
  Stage stage(2);
  stage.Start(SpecOf(1, 0));
  Inventory inventory = support::MakeInventory("1.0");
  inventory.adapters[0].pci_id = "1b70:0009";
  stage.Do(HostHeard{HostName(2), stage.host(2).stream, inventory});
  stage.Report(1, UpdateState::kDone);
  EXPECT_EQ(stage.update(2).reason, "DEVICE_NOT_SUPPORTED");
  EXPECT_EQ(stage.rollout().state, RolloutState::kFailed);
}

TEST(DecideTest, AdvancesAWaveOnceItHasBaked) {
  Stage stage(3);
  RolloutSpec spec = SpecOf(3, 0);
  spec.waves = {{"canary", WaveSize::kHosts, 1, absl::Minutes(5)},
                {"", WaveSize::kRest, 0, absl::Minutes(5)}};
  stage.Start(spec);
  EXPECT_THAT(RunningIn(stage), ElementsAre(1));
  stage.Report(1, UpdateState::kDone);
  EXPECT_THAT(RunningIn(stage), IsEmpty());
  EXPECT_EQ(NextDeadline(stage.fleet()),
            stage.fleet().now + stage.fleet().settings.lost_after);
  stage.Advance(absl::Minutes(5) - absl::Seconds(1));
  EXPECT_THAT(RunningIn(stage), IsEmpty());
  stage.Advance(absl::Seconds(1));
  EXPECT_THAT(RunningIn(stage), ElementsAre(2, 3));
  // Nothing comes after the last wave: it has nothing to bake for.
  stage.Report(2, UpdateState::kDone);
  stage.Report(3, UpdateState::kDone);
  EXPECT_EQ(stage.rollout().state, RolloutState::kSucceeded);
}

TEST(DecideTest, DoesNotAdvanceOnAnUpdatedHostThatIsUnwell) {
  Stage stage(3);
  RolloutSpec spec = SpecOf(3, 0);
  spec.waves = {{"canary", WaveSize::kHosts, 1, absl::Minutes(5)},
                {"", WaveSize::kRest}};
  stage.Start(spec);
  stage.Report(1, UpdateState::kDone);
  stage.Disconnect(1);
  stage.Advance(absl::Minutes(10));
  EXPECT_EQ(stage.rollout().wave, 0u);
  stage.Connect(1, "2.0");
  stage.Settle();
  EXPECT_EQ(stage.rollout().wave, 1u);
}

TEST(DecideTest, BakesWhileHeldButAdvancesOnlyOnceResumed) {
  Stage stage(2);
  RolloutSpec spec = SpecOf(1, 0);
  spec.waves = {{"", WaveSize::kHosts, 1, absl::Minutes(5)},
                {"", WaveSize::kRest}};
  stage.Start(spec);
  stage.Do(HoldRollout{kRollout, "wait"});
  stage.Report(1, UpdateState::kDone);
  stage.Advance(absl::Minutes(6));
  EXPECT_EQ(stage.rollout().wave, 0u);
  stage.Do(ResumeRollout{kRollout});
  stage.Settle();
  EXPECT_THAT(RunningIn(stage), ElementsAre(2));
}

TEST(DecideTest, RunsThroughWavesWithoutHosts) {
  Stage stage(1);
  RolloutSpec spec = SpecOf(1, 0);
  spec.waves = {{"", WaveSize::kHosts, 1, absl::Hours(1)},
                {"", WaveSize::kHosts, 1, absl::Hours(1)},
                {"", WaveSize::kRest}};
  stage.Start(spec);
  stage.Report(1, UpdateState::kDone);
  EXPECT_EQ(stage.rollout().state, RolloutState::kSucceeded);
}

TEST(DecideTest, HoldsOnceFailuresExceedTheToleranceAndLetsTheOthersFinish) {
  Stage stage(5);
  stage.Start(SpecOf(2, 1));
  stage.Report(1, UpdateState::kCancelled);
  EXPECT_EQ(stage.rollout().state, RolloutState::kRunning);
  EXPECT_THAT(RunningIn(stage), ElementsAre(2, 3));
  stage.Report(2, UpdateState::kRolledBack);
  EXPECT_EQ(stage.rollout().state, RolloutState::kHeld);
  EXPECT_THAT(RunningIn(stage), ElementsAre(3));
  stage.Report(3, UpdateState::kDone);
  EXPECT_EQ(stage.rollout().state, RolloutState::kHeld);
  EXPECT_THAT(RunningIn(stage), IsEmpty());
}

TEST(DecideTest, FailsWhenTheLastHostsFailedAndNoneIsLeftToHold) {
  Stage stage(2);
  stage.Start(SpecOf(2, 1));
  stage.Report(1, UpdateState::kCancelled);
  stage.Report(2, UpdateState::kCancelled);
  EXPECT_EQ(stage.rollout().state, RolloutState::kFailed);
  EXPECT_EQ(stage.rollout().reason, "FAILURE_TOLERANCE_EXCEEDED");
}

TEST(DecideTest, SucceedsWithFailuresWithinTheTolerance) {
  Stage stage(2);
  stage.Start(SpecOf(2, 1));
  stage.Report(1, UpdateState::kCancelled);
  stage.Report(2, UpdateState::kDone);
  EXPECT_EQ(stage.rollout().state, RolloutState::kSucceeded);
  EXPECT_EQ(stage.rollout().reason, "");
}

TEST(DecideTest, TakesAHostThatIsSilentForLost) {
  Stage stage(1);
  Fleet fleet = stage.fleet();
  EXPECT_EQ(NextDeadline(fleet), fleet.now + fleet.settings.lost_after);
  fleet.now += fleet.settings.lost_after - absl::Nanoseconds(1);
  EXPECT_THAT(Decide(fleet), IsEmpty());
  fleet.now += absl::Nanoseconds(1);
  const std::vector<EventBody> decided = Decide(fleet);
  ASSERT_EQ(decided.size(), 1u);
  EXPECT_EQ(std::get<LoseHost>(decided[0]).host, HostName(1));
}

TEST(OrderTest, RepeatsUntilTheReportAndTurnsIntoACancelOnAbort) {
  Stage stage(2);
  EXPECT_EQ(OrderFor(stage.fleet(), HostName(1)), std::nullopt);
  RolloutSpec spec = SpecOf(1, 0);
  spec.deadlines.save = absl::Seconds(7);
  stage.Start(spec);
  Order want;
  want.host = HostName(1);
  want.epoch = 1;
  want.rollout = kRollout;
  want.attempt = 1;
  want.driver = support::kNewDriver;
  want.driver_digest = support::MakeDriver("2.0").digest;
  want.driver_size_bytes = 4096;
  want.deadlines = spec.deadlines;
  EXPECT_EQ(OrderFor(stage.fleet(), HostName(1)), want);

  // The same after a restart of the service, but for its epoch.
  stage.Do(ServiceStarted{});
  want.epoch = 2;
  EXPECT_EQ(OrderFor(stage.fleet(), HostName(1)), want);

  stage.Do(AbortRollout{kRollout, "enough"});
  Order cancel;
  cancel.host = HostName(1);
  cancel.epoch = 2;
  cancel.rollout = kRollout;
  cancel.attempt = 1;
  cancel.kind = OrderKind::kCancel;
  EXPECT_EQ(OrderFor(stage.fleet(), HostName(1)), cancel);
  stage.Connect(1);
  stage.Report(1, UpdateState::kCancelled);
  EXPECT_EQ(OrderFor(stage.fleet(), HostName(1)), std::nullopt);
}

}  // namespace
}  // namespace baton::core
