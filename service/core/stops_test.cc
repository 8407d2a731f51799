#include "service/core/stops.h"

#include <string>
#include <vector>

#include "base/reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/stage.h"

namespace baton::core {
namespace {

using support::HostName;
using support::kOldDriver;
using support::kRollout;
using support::MakeSpec;
using support::Stage;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kRollback[] = "rollouts/r-rollback";

RolloutSpec SpecOf(uint32_t at_once) {
  RolloutSpec spec = MakeSpec();
  spec.limits.max_unavailable = at_once;
  return spec;
}

// The host's agent says that it is past its point of no return.
void PassNoReturn(int number, Stage& stage) {
  UpdateReport report = stage.ReportOf(number, UpdateState::kRunning);
  report.past_no_return = true;
  report.step = Step::kUnload;
  stage.Do(UpdateReported{HostName(number), stage.host(number).stream, report});
}

TEST(StopsTest, SaysWhatEachHostInFlightWillDo) {
  Stage stage(3);
  EXPECT_THAT(EffectsOf(Rollout{}), ElementsAre());
  stage.Start(SpecOf(2));
  PassNoReturn(2, stage);
  UpdateReport paused = stage.ReportOf(1, UpdateState::kRunning);
  paused.step = Step::kPause;
  Stage other(1);
  other.Start(SpecOf(1));
  other.Do(UpdateReported{HostName(1), other.host(1).stream, paused});
  EXPECT_EQ(EffectsOf(other.rollout())[0].outcome, Outcome::kFinish);
  EXPECT_THAT(
      EffectsOf(stage.rollout()),
      ElementsAre(HostEffect{HostName(1), Outcome::kCancel, Step::kNone},
                  HostEffect{HostName(2), Outcome::kFinish, Step::kUnload}));
  // Whether it would be carried out is said beforehand, too.
  EXPECT_TRUE(Check(AbortRollout{kRollout, "why"}, stage.fleet()).ok());
  stage.Do(AbortRollout{kRollout, "why"});
  EXPECT_EQ(Reason(Check(AbortRollout{kRollout, "why"}, stage.fleet())),
            "ROLLOUT_ABORTING");
  EXPECT_EQ(Reason(Check(PauseRollout{kRollout, "why"}, stage.fleet())),
            "ROLLOUT_ABORTING");
}

TEST(StopsTest, APauseLetsHostsComeAgain) {
  Stage stage(3);
  stage.Start(SpecOf(2));
  PassNoReturn(2, stage);
  stage.Do(PauseRollout{kRollout, "look"}, "bob");
  EXPECT_EQ(stage.rollout().state, RolloutState::kHeld);
  EXPECT_EQ(stage.rollout().reason, "PAUSED_BY_OPERATOR");
  EXPECT_EQ(stage.rollout().message, "paused by 'bob': look");
  EXPECT_EQ(stage.update(1).cancel, Cancel::kRequeues);
  EXPECT_EQ(stage.update(2).cancel, Cancel::kNone);
  stage.Report(1, UpdateState::kCancelled);
  stage.Report(2, UpdateState::kDone);
  EXPECT_EQ(stage.update(1).state, UpdateState::kPending);
  EXPECT_EQ(StateOf(stage.host(1)), HostState::kReady);
  stage.Do(ResumeRollout{kRollout});
  stage.Settle();
  EXPECT_EQ(stage.update(1).state, UpdateState::kRunning);
}

TEST(StopsTest, AnAbortAfterAPauseIsAnEnd) {
  Stage stage(2);
  stage.Start(SpecOf(1));
  stage.Do(PauseRollout{kRollout, "look"});
  stage.Do(AbortRollout{kRollout, "enough"});
  EXPECT_EQ(stage.update(1).cancel, Cancel::kEnds);
  stage.Do(EmergencyStop{"smoke"});
  EXPECT_EQ(stage.update(1).cancel, Cancel::kEnds);
  stage.Report(1, UpdateState::kCancelled);
  EXPECT_EQ(stage.update(1).state, UpdateState::kCancelled);
  EXPECT_EQ(stage.rollout().state, RolloutState::kAborted);
}

TEST(StopsTest, AnEmergencyStopOutlivesTheServiceAndStopsEveryRollout) {
  Stage stage(4);
  RolloutSpec odd = SpecOf(1);
  odd.selector = "zone=odd";
  RolloutSpec even = SpecOf(2);
  even.selector = "zone=even";
  stage.Start(odd, "rollouts/odd");
  stage.Start(even, "rollouts/even");
  stage.Do(EmergencyStop{"smoke"}, "bob");
  stage.Settle();
  EXPECT_EQ(stage.update(1, "rollouts/odd").cancel, Cancel::kRequeues);
  EXPECT_EQ(stage.update(2, "rollouts/even").cancel, Cancel::kRequeues);
  stage.Do(ServiceStarted{});
  for (int number = 1; number <= 4; ++number) stage.Connect(number);
  for (const int number : {1, 2}) {
    stage.Report(number, UpdateState::kCancelled);
    // A host that was restored is in service: the stop keeps none out.
    EXPECT_EQ(StateOf(stage.host(number)), HostState::kReady);
  }
  stage.Advance(absl::Hours(24));
  for (const char* name : {"rollouts/odd", "rollouts/even"}) {
    EXPECT_THAT(stage.Explain(name).summary, HasSubstr("smoke"));
    EXPECT_EQ(stage.rollout(name).tally.running.size(), 0u);
  }
  stage.Do(LiftEmergencyStop{"a toaster"});
  stage.Settle();
  EXPECT_EQ(stage.update(2, "rollouts/even").state, UpdateState::kRunning);
}

TEST(StopsTest, HoldsAfterAWaveUntilSomebodyResumes) {
  Stage stage(2);
  RolloutSpec spec = SpecOf(1);
  spec.waves = {{"canary", WaveSize::kHosts, 1, absl::Minutes(5)},
                {"", WaveSize::kRest}};
  spec.waves[0].hold_after = true;
  stage.Start(spec);
  stage.Report(1, UpdateState::kDone);
  EXPECT_EQ(stage.rollout().state, RolloutState::kRunning);
  stage.Advance(absl::Minutes(5));
  EXPECT_EQ(stage.rollout().state, RolloutState::kHeld);
  EXPECT_EQ(stage.rollout().reason, "HOLD_AFTER_WAVE");
  EXPECT_THAT(stage.rollout().message, HasSubstr("'canary'"));
  stage.Do(ResumeRollout{kRollout});
  stage.Settle();
  EXPECT_EQ(stage.update(2).state, UpdateState::kRunning);
}

// ---- Taking back.

TEST(StopsTest, TakesBackWhatItBroughtAsARolloutOfItsOwn) {
  Stage stage(4);
  RolloutSpec spec = SpecOf(2);
  spec.waves = {{"canary", WaveSize::kHosts, 1, absl::Minutes(5)},
                {"", WaveSize::kRest}};
  spec.waves[0].approvals = 1;
  stage.Do(CreateRollout{kRollout, spec});
  stage.Plan();
  const std::string digest = stage.rollout().plan->digest;
  stage.Do(ApproveRollout{kRollout, digest}, "bob");
  stage.Do(StartRollout{kRollout, digest});
  stage.Settle();
  stage.Report(1, UpdateState::kDone);
  stage.Advance(absl::Minutes(5));
  stage.Report(2, UpdateState::kDone);
  PassNoReturn(3, stage);
  EXPECT_THAT(HostsToTakeBack(stage.rollout()),
              ElementsAre(HostName(1), HostName(2)));

  const uint64_t records = stage.fleet().audit_sequence;
  stage.Do(RollBackRollout{kRollout, "slow guests"}, "carol");
  stage.Settle();
  // Nothing is taken back while a host is in flight.
  EXPECT_EQ(stage.rollout().state, RolloutState::kAborting);
  EXPECT_EQ(stage.rollout().rollback, "");
  stage.Report(4, UpdateState::kCancelled);
  stage.Report(3, UpdateState::kDone);
  EXPECT_EQ(stage.rollout().state, RolloutState::kAborted);
  EXPECT_EQ(stage.rollout().rollback, kRollback);
  EXPECT_GT(stage.fleet().audit_sequence, records);

  const Rollout& rollback = stage.rollout(kRollback);
  EXPECT_EQ(rollback.state, RolloutState::kRunning);
  EXPECT_EQ(rollback.author, "carol");
  EXPECT_EQ(rollback.spec.rollback_of, kRollout);
  EXPECT_EQ(rollback.spec.limits, spec.limits);
  ASSERT_EQ(rollback.plan->waves.size(), 2u);
  EXPECT_EQ(rollback.plan->waves[0].approvals, 0u);
  EXPECT_EQ(rollback.plan->waves[0].hosts[0].host, HostName(1));
  EXPECT_EQ(rollback.plan->waves[0].hosts[0].to_driver, kOldDriver);
  EXPECT_EQ(rollback.updates.count(HostName(4)), 0u);
  EXPECT_EQ(stage.host(1).rollout, kRollback);

  stage.Report(1, UpdateState::kDone);
  EXPECT_EQ(DriverVersionsOf(stage.host(1)), "1.0");
  stage.Advance(absl::Minutes(5));
  stage.Report(2, UpdateState::kDone);
  stage.Report(3, UpdateState::kDone);
  EXPECT_EQ(stage.rollout(kRollback).state, RolloutState::kSucceeded);
  EXPECT_EQ(stage.rollout().state, RolloutState::kRolledBack);
  EXPECT_EQ(stage.rollout().reason, "TAKEN_BACK");
  EXPECT_EQ(Reason(stage.Try(RollBackRollout{kRollback, "again"})),
            "ROLLBACK_OF_ROLLBACK");
}

TEST(StopsTest, TakesBackOnce) {
  Stage stage(2);
  stage.Start(SpecOf(1));
  stage.Report(1, UpdateState::kDone);
  stage.Do(RollBackRollout{kRollout, "worse"});
  EXPECT_EQ(Reason(stage.Try(RollBackRollout{kRollout, "worse"})),
            "ROLLBACK_STARTED");
}

TEST(StopsTest, SaysSoWhenThereIsNothingToTakeBack) {
  Stage stage(2);
  stage.Start(SpecOf(1));
  stage.Report(1, UpdateState::kCancelled);
  stage.Do(RollBackRollout{kRollout, "worse"});
  stage.Settle();
  EXPECT_EQ(stage.rollout().state, RolloutState::kRolledBack);
  EXPECT_EQ(stage.rollout().reason, "NOTHING_TO_TAKE_BACK");
  EXPECT_EQ(stage.fleet().rollouts.size(), 1u);
}

TEST(StopsTest, SaysSoWhenNothingCanBeTakenBack) {
  Stage stage(2);
  stage.Start(SpecOf(1));
  stage.Report(1, UpdateState::kDone);
  stage.Do(DriverDeleted{kOldDriver});
  stage.Do(RollBackRollout{kRollout, "worse"});
  stage.Report(2, UpdateState::kCancelled);
  EXPECT_EQ(stage.rollout().state, RolloutState::kAborted);
  EXPECT_EQ(stage.rollout().reason, "ROLLBACK_BLOCKED");
  EXPECT_THAT(stage.rollout().message, HasSubstr("DRIVER_NOT_FOUND 1"));
  EXPECT_THAT(stage.rollout().message, HasSubstr(kOldDriver));
  // Whoever asks again hears it at once.
  const RollBackRollout again{kRollout, "worse"};
  const absl::Status status = stage.Try(again);
  EXPECT_EQ(Reason(status), "ROLLBACK_BLOCKED");
  EXPECT_THAT(std::string(status.message()), HasSubstr(kOldDriver));
  EXPECT_EQ(Check(again, stage.fleet()), status);
  // It may be asked for again once that is mended.
  stage.Do(DriverStored{support::MakeDriver("1.0")});
  stage.Do(RollBackRollout{kRollout, "worse"});
  stage.Settle();
  EXPECT_EQ(stage.rollout().rollback, kRollback);
}

TEST(StopsTest, WaitsForAHostThatIsAwayRatherThanLeavingItBehind) {
  Stage stage(2);
  stage.Start(SpecOf(1));
  stage.Report(1, UpdateState::kDone);
  stage.Report(2, UpdateState::kDone);
  stage.Do(CordonHost{HostName(1), "disk"});
  stage.Do(RollBackRollout{kRollout, "worse"});
  stage.Settle();
  EXPECT_EQ(stage.update(1, kRollback).state, UpdateState::kPending);
  stage.Do(UncordonHost{HostName(1)});
  stage.Settle();
  EXPECT_EQ(stage.update(1, kRollback).state, UpdateState::kRunning);
}

// ./dev sim --hosts 5 --seed 54: two rollouts claimed the host.
TEST(Regression, ARollbackLeavesAHostToTheRolloutThatHasIt) {
  Stage stage(2);
  stage.Start(SpecOf(1));
  stage.Report(1, UpdateState::kDone);
  stage.Report(2, UpdateState::kDone);
  RolloutSpec back = SpecOf(1);
  back.driver = kOldDriver;
  back.selector = "zone=odd";  // host 1
  stage.Start(back, "rollouts/back");
  stage.Do(RollBackRollout{kRollout, "worse"});
  stage.Settle();
  const RolloutPlan& plan = *stage.rollout(kRollback).plan;
  EXPECT_EQ(plan.hosts, 1u);
  ASSERT_EQ(plan.blocked.size(), 1u);
  EXPECT_EQ(plan.blocked[0].host, HostName(1));
  EXPECT_EQ(plan.blocked[0].reason, "HELD_BY_ROLLOUT");
}

TEST(StopsTest, LeavesAloneAHostThatRunsSomethingElseByNow) {
  Stage stage(2);
  stage.Start(SpecOf(1));
  stage.Report(1, UpdateState::kDone);
  stage.Report(2, UpdateState::kDone);
  stage.Do(HostHeard{HostName(1), stage.host(1).stream,
                     support::MakeInventory("3.0")});
  stage.Do(RollBackRollout{kRollout, "worse"});
  stage.Settle();
  const RolloutPlan& plan = *stage.rollout(kRollback).plan;
  ASSERT_EQ(plan.blocked.size(), 1u);
  EXPECT_EQ(plan.blocked[0].reason, "NOT_AT_VERSION");
  EXPECT_EQ(plan.hosts, 1u);
}

// It was looked for under the new one's name.
TEST(Regression, TakesBackToADriverOfAnotherName) {
  Stage stage(1);
  Driver open = support::MakeDriver("2.0");
  open.name = "drivers/softgpu-open/versions/2.0";
  open.manifest.driver = "softgpu-open";
  stage.Do(DriverStored{open});
  RolloutSpec spec = SpecOf(1);
  spec.driver = open.name;
  stage.Start(spec);
  stage.Report(1, UpdateState::kDone);
  Inventory shown = support::MakeInventory("2.0");
  shown.adapters[0].driver = "softgpu-open";
  stage.Do(HostHeard{HostName(1), stage.host(1).stream, shown});
  stage.Do(RollBackRollout{kRollout, "worse"});
  stage.Settle();
  const RolloutPlan& plan = *stage.rollout(kRollback).plan;
  EXPECT_TRUE(plan.blocked.empty());
  ASSERT_EQ(plan.hosts, 1u);
  EXPECT_EQ(plan.waves[0].hosts[0].to_driver, kOldDriver);
}

// What is to be taken back to is another driver than was reviewed.
TEST(Regression, APlanOfHostsOfAnotherDriverByNowIsNotStarted) {
  Stage stage(1);
  stage.Do(CreateRollout{kRollout, SpecOf(1)});
  stage.Plan();
  const std::string digest = stage.rollout().plan->digest;
  EXPECT_EQ(stage.rollout().plan->waves[0].hosts[0].from_driver, "");
  Inventory shown = support::MakeInventory("1.0");
  shown.adapters[0].driver = "softgpu-open";
  stage.Do(HostHeard{HostName(1), stage.host(1).stream, shown});
  const absl::Status refused = stage.Try(StartRollout{kRollout, digest});
  EXPECT_EQ(Reason(refused), "PLAN_CHANGED");
  EXPECT_THAT(std::string(refused.message()),
              testing::HasSubstr("drivers/softgpu-open/versions/1.0"));
  stage.Plan();
  EXPECT_EQ(stage.rollout().plan->waves[0].hosts[0].from_driver,
            "drivers/softgpu-open/versions/1.0");
}

// Whoever could not make another rollout could not take one back either.
TEST(Regression, TakesBackThoughThereAreAsManyRolloutsAsThereMayBe) {
  Stage stage(1);
  stage.Start(SpecOf(1));
  stage.Report(1, UpdateState::kDone);
  stage.Do(RollBackRollout{kRollout, "worse"});
  Fleet fleet = stage.fleet();
  for (size_t i = fleet.rollouts.size(); i < kRolloutsMax; ++i) {
    const std::string name = "rollouts/old-" + std::to_string(i);
    fleet.rollouts[name].name = name;
  }
  const auto apply = [&](const EventBody& body) {
    return Apply({fleet.now, "alice", body}, fleet).status();
  };
  EXPECT_EQ(Reason(apply(CreateRollout{"rollouts/one-more", SpecOf(1)})),
            "TOO_MANY_ROLLOUTS");
  EXPECT_EQ(apply(CreateRollback{kRollout}), absl::OkStatus());
  EXPECT_EQ(FindRollout(fleet, kRollout)->rollback, kRollback);
}

TEST(StopsTest, FindsARollbackANameThatIsFree) {
  Fleet fleet;
  Rollout original;
  original.name = "rollouts/" + std::string(63, 'x');
  original.take_back = TakeBack{"bob", "worse"};
  const std::string first = MakeRollback(fleet, original).name;
  EXPECT_EQ(first, "rollouts/" + std::string(54, 'x') + "-rollback");
  fleet.rollouts[first] = {};
  EXPECT_EQ(MakeRollback(fleet, original).name,
            "rollouts/" + std::string(52, 'x') + "-rollback-2");
}

// ---- Hosts.

TEST(StopsTest, TriesAgainAHostThatWasSkippedOrFailed) {
  Stage stage(3);
  RolloutSpec spec = SpecOf(1);
  spec.failure_tolerance.hosts = 0;
  stage.Start(spec);
  stage.Report(1, UpdateState::kRolledBack);
  EXPECT_EQ(stage.rollout().state, RolloutState::kHeld);
  stage.Do(ResumeRollout{kRollout, true});
  stage.Settle();
  EXPECT_EQ(stage.update(2).state, UpdateState::kRunning);
  stage.Do(RetryUpdate{kRollout, HostName(1), "fixed"}, "bob");
  EXPECT_EQ(stage.rollout().failures_accepted, 0u);
  EXPECT_EQ(stage.update(1).vgpus.size(), 0u);
  stage.Report(2, UpdateState::kDone);
  EXPECT_EQ(stage.update(1).state, UpdateState::kRunning);
  EXPECT_EQ(stage.update(1).attempt, 2u);
  stage.Do(SkipUpdate{kRollout, HostName(3), "gone soon"}, "bob");
  EXPECT_EQ(stage.update(3).message, "skipped by 'bob': gone soon");
  stage.Report(1, UpdateState::kDone);
  EXPECT_EQ(stage.rollout().state, RolloutState::kSucceeded);
}

TEST(StopsTest, ASkipByAnOperatorIsNoFailure) {
  Stage stage(2);
  stage.Start(SpecOf(1));
  stage.Do(SkipUpdate{kRollout, HostName(2), "gone soon"});
  stage.Report(1, UpdateState::kDone);
  EXPECT_EQ(stage.rollout().state, RolloutState::kSucceeded);
}

TEST(StopsTest, RetriesNoHostThatAnotherRolloutHas) {
  Stage stage(2);
  stage.Start(SpecOf(2));
  stage.Report(1, UpdateState::kCancelled);
  EXPECT_EQ(stage.rollout().state, RolloutState::kRunning);
  RolloutSpec other = SpecOf(2);
  stage.Start(other, "rollouts/other");
  EXPECT_EQ(stage.host(1).claimant, "rollouts/other");
  EXPECT_EQ(Reason(stage.Try(RetryUpdate{kRollout, HostName(1), "fixed"})),
            "HELD_BY_ROLLOUT");
}

// It waited for a host that nobody knew, and nothing said why.
TEST(Regression, AHostThatWasDeletedIsNotTriedAgain) {
  Stage stage(2);
  RolloutSpec spec = SpecOf(1);
  spec.failure_tolerance.hosts = 1;
  stage.Start(spec);
  stage.Report(1, UpdateState::kCancelled);
  stage.Disconnect(1);
  stage.Do(DeleteHost{HostName(1), "it burned"});
  EXPECT_EQ(Reason(stage.Try(RetryUpdate{kRollout, HostName(1), "fixed"})),
            "HOST_NOT_FOUND");
  stage.Report(2, UpdateState::kDone);
  EXPECT_EQ(stage.rollout().state, RolloutState::kSucceeded);
}

TEST(StopsTest, ReleasesAHostThatIsGoneButNotIntoService) {
  Stage stage(2);
  stage.Start(SpecOf(1));
  stage.Disconnect(1);
  stage.Do(ReleaseHost{HostName(1), "it burned"}, "bob");
  EXPECT_EQ(stage.host(1).rollout, "");
  EXPECT_EQ(StateOf(stage.host(1)), HostState::kQuarantined);
  EXPECT_EQ(stage.update(1).reason, "RELEASED_BY_OPERATOR");
  stage.Settle();
  stage.Do(LiftQuarantine{HostName(1), "looked"});
  stage.Do(DeleteHost{HostName(1), "it burned"});
  EXPECT_EQ(FindHost(stage.fleet(), HostName(1)), nullptr);
  // Its place in the budget is free, and nothing waits for it to be well.
  stage.Do(ResumeRollout{kRollout, true});
  stage.Settle();
  EXPECT_EQ(stage.update(2).state, UpdateState::kRunning);
}

// ---- Approvals.

TEST(ApprovalTest, WaitsForTheWordOfOthersBoundToTheDigest) {
  Stage stage(2);
  RolloutSpec spec = SpecOf(1);
  spec.waves = {{"canary", WaveSize::kHosts, 1}, {"rest", WaveSize::kRest}};
  spec.waves[0].approvals = 2;
  spec.waves[1].approvals = 1;
  stage.Start(spec);
  EXPECT_EQ(stage.rollout().state, RolloutState::kAwaitingApproval);
  EXPECT_EQ(stage.update(1).state, UpdateState::kPending);
  EXPECT_THAT(stage.Explain().summary, HasSubstr("0 of 2 approvals"));

  const std::string digest = stage.rollout().plan->digest;
  const auto approve = [&](const std::string& who, const std::string& what,
                           const std::string& wave = "") {
    absl::Status status =
        stage.Try(ApproveRollout{kRollout, what, wave, "fine"}, who);
    stage.Settle();
    return status;
  };
  absl::Status status = approve("alice", digest);
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Reason(status), "OWN_ROLLOUT");
  status = approve("bob", "sha256:0");
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Reason(status), "PLAN_CHANGED");
  EXPECT_EQ(Reason(approve("bob", digest, "none")), "WAVE_NOT_FOUND");
  EXPECT_TRUE(approve("bob", digest).ok());
  status = approve("bob", digest);
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Reason(status), "ALREADY_APPROVED");
  EXPECT_EQ(stage.rollout().state, RolloutState::kAwaitingApproval);
  EXPECT_TRUE(approve("carol", digest, "canary").ok());
  EXPECT_EQ(stage.rollout().state, RolloutState::kRunning);
  EXPECT_EQ(stage.rollout().reason, "");
  EXPECT_EQ(Reason(approve("dave", digest, "canary")), "APPROVAL_NOT_NEEDED");

  // A later wave waits at its own gate.
  stage.Report(1, UpdateState::kDone);
  EXPECT_EQ(stage.rollout().wave, 1u);
  EXPECT_EQ(stage.rollout().state, RolloutState::kRunning);
  EXPECT_EQ(stage.update(2).state, UpdateState::kPending);
  EXPECT_THAT(stage.Explain().summary, HasSubstr("APPROVAL_MISSING"));
  EXPECT_TRUE(approve("bob", digest).ok());
  EXPECT_EQ(stage.update(2).state, UpdateState::kRunning);
}

TEST(ApprovalTest, CountsForThePlanThatWasReviewedOnly) {
  Stage stage(3);
  RolloutSpec spec = SpecOf(1);
  spec.waves = {{"all", WaveSize::kRest}};
  spec.waves[0].approvals = 1;
  stage.Do(CreateRollout{kRollout, spec});
  stage.Plan();
  stage.Do(ApproveRollout{kRollout, stage.rollout().plan->digest}, "bob");
  stage.Plan();
  EXPECT_EQ(stage.rollout().approvals.size(), 1u);
  stage.Do(CordonHost{HostName(3), "disk"});
  stage.Plan();
  EXPECT_EQ(stage.rollout().approvals.size(), 0u);
  stage.Do(StartRollout{kRollout, stage.rollout().plan->digest});
  EXPECT_EQ(stage.rollout().state, RolloutState::kAwaitingApproval);
  stage.Do(HoldRollout{kRollout, "wait"});
  stage.Do(ResumeRollout{kRollout});
  EXPECT_EQ(stage.rollout().state, RolloutState::kAwaitingApproval);
}

}  // namespace
}  // namespace baton::core
