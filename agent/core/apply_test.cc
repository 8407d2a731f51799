#include "agent/core/apply.h"

#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "agent/core/plan.h"
#include "base/reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::agent::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Phase kPhases[] = {
    Phase::kIdle,      Phase::kUnknown,    Phase::kAccepted,
    Phase::kPrepared,  Phase::kGateClosed, Phase::kPaused,
    Phase::kSaved,     Phase::kUnloaded,   Phase::kRestored,
    Phase::kVerified,  Phase::kResumed,    Phase::kConfirmed,
    Phase::kSwitched,  Phase::kCommitted,  Phase::kCancelling,
    Phase::kCancelled, Phase::kEnded};

Order AnOrder(uint64_t attempt = 7) {
  Order order;
  order.rollout = "rollouts/r";
  order.attempt = attempt;
  order.driver = "drivers/softgpu/versions/2.0";
  order.digest = "sha256:ab";
  order.size_bytes = 100;
  return order;
}

Image AnImage(const std::string& version) {
  return {"/images/" + version, "sha256:" + version, "softgpu", version};
}

// An update that stands in `phase` on `way`, with what it then must have.
Update At(Way way, Phase phase) {
  Update update;
  update.epoch = 3;
  update.finished_attempt = 6;
  if (phase == Phase::kIdle) return update;
  update.order = AnOrder();
  update.way = way;
  update.phase = phase;
  update.sequence = 1;
  const bool past_gate = phase >= Phase::kGateClosed;
  const bool past_pause = past_gate && phase >= Phase::kPaused;
  const bool past_unload =
      phase >= Phase::kUnloaded && phase <= Phase::kCommitted;
  update.gate_touched = past_gate || way == Way::kBack;
  update.paused = past_pause || way == Way::kBack;
  update.past_no_return = past_unload || way == Way::kBack;
  if (phase > Phase::kAccepted) {
    update.next = AnImage("2.0");
    update.previous = AnImage("1.0");
    update.next_package = "new";
    update.previous_package = "old";
  }
  if (phase == Phase::kEnded) {
    update.finished_attempt = 7;
    update.end = way == Way::kBack ? End::kRolledBack : End::kDone;
  }
  return update;
}

Outcome Failure(absl::StatusCode code = absl::StatusCode::kInternal,
                const std::string& reason = "BROKE") {
  Outcome outcome;
  outcome.record.code = code;
  outcome.record.reason = reason;
  outcome.record.message = "it broke";
  return outcome;
}

// Starts and ends the step that is planned. Returns false when none is.
bool Take(const Outcome& outcome, Update& update) {
  const std::optional<Action> action = Plan(update);
  if (!action.has_value()) return false;
  EXPECT_TRUE(Apply(StepStarted{action->step}, update).ok());
  EXPECT_TRUE(Apply(StepEnded{action->step, outcome}, update).ok());
  return true;
}

// What an update stands at, in short.
using Standing = std::tuple<Way, Phase, End>;
Standing Of(const Update& update) {
  return {update.way, update.phase, update.end};
}

TEST(ApplyTest, TakesTheStepsOfTheTableInOrder) {
  Update update;
  ASSERT_TRUE(Apply(StartOrdered{3, AnOrder()}, update).ok());
  std::vector<Step> steps;
  while (std::optional<Action> action = Plan(update)) {
    steps.push_back(action->step);
    ASSERT_TRUE(Take(Outcome(), update));
  }
  EXPECT_THAT(steps,
              ElementsAre(Step::kPrepare, Step::kCloseGate, Step::kPause,
                          Step::kSave, Step::kUnload, Step::kRestore,
                          Step::kVerify, Step::kResume, Step::kConfirm,
                          Step::kSwitch, Step::kCommit, Step::kReopenGate));
  EXPECT_EQ(Of(update), Standing(Way::kForward, Phase::kEnded, End::kDone));
  EXPECT_EQ(update.finished_attempt, 7u);
  EXPECT_EQ(update.steps.size(), 12u);
  EXPECT_EQ(update.reason, "");
}

// Every (way, phase) with a step that fails for good, and what must follow.
TEST(ApplyTest, FailureLeadsWhereTheTableSaysInEveryPhase) {
  using P = Phase;
  const auto f = [](P p, End e) { return Standing(Way::kForward, p, e); };
  const auto b = [](P p, End e) { return Standing(Way::kBack, p, e); };
  const std::map<std::pair<Way, P>, Standing> want = {
      {{Way::kForward, P::kAccepted}, f(P::kCancelling, End::kNone)},
      {{Way::kForward, P::kPrepared}, f(P::kCancelling, End::kNone)},
      {{Way::kForward, P::kGateClosed}, f(P::kCancelling, End::kNone)},
      {{Way::kForward, P::kPaused}, f(P::kCancelling, End::kNone)},
      {{Way::kForward, P::kSaved}, b(P::kSaved, End::kNone)},
      {{Way::kForward, P::kUnloaded}, b(P::kSaved, End::kNone)},
      {{Way::kForward, P::kRestored}, b(P::kSaved, End::kNone)},
      {{Way::kForward, P::kVerified}, b(P::kSaved, End::kNone)},
      {{Way::kForward, P::kResumed}, b(P::kGateClosed, End::kNone)},
      {{Way::kForward, P::kConfirmed}, b(P::kGateClosed, End::kNone)},
      {{Way::kForward, P::kSwitched}, f(P::kEnded, End::kQuarantined)},
      {{Way::kForward, P::kCommitted}, f(P::kCommitted, End::kNone)},
      {{Way::kForward, P::kCancelling}, f(P::kEnded, End::kQuarantined)},
      {{Way::kForward, P::kCancelled}, f(P::kCancelled, End::kNone)},
      {{Way::kForward, P::kUnknown}, f(P::kUnknown, End::kNone)},
      {{Way::kBack, P::kGateClosed}, b(P::kEnded, End::kQuarantined)},
      // The new driver is let go on first.
      {{Way::kBack, P::kPaused}, b(P::kCancelling, End::kNone)},
      {{Way::kBack, P::kCancelling}, b(P::kEnded, End::kQuarantined)},
      {{Way::kBack, P::kSaved}, b(P::kEnded, End::kQuarantined)},
      {{Way::kBack, P::kUnloaded}, b(P::kEnded, End::kQuarantined)},
      {{Way::kBack, P::kRestored}, b(P::kEnded, End::kQuarantined)},
      {{Way::kBack, P::kVerified}, b(P::kEnded, End::kQuarantined)},
      {{Way::kBack, P::kResumed}, b(P::kEnded, End::kQuarantined)},
      // The guests come first; it ends QUARANTINED after Commit.
      {{Way::kBack, P::kConfirmed}, b(P::kSwitched, End::kNone)},
      {{Way::kBack, P::kSwitched}, b(P::kEnded, End::kQuarantined)},
      {{Way::kBack, P::kCommitted}, b(P::kCommitted, End::kNone)},
      {{Way::kBack, P::kUnknown}, b(P::kUnknown, End::kNone)},
  };
  for (const Way way : {Way::kForward, Way::kBack}) {
    for (const Phase phase : kPhases) {
      SCOPED_TRACE(testing::Message() << Name(phase) << ", " << Name(way));
      Update update = At(way, phase);
      const auto row = want.find({way, phase});
      const std::optional<Action> action = Plan(update);
      ASSERT_EQ(action.has_value(), row != want.end());
      if (!action.has_value()) continue;
      // Enough for every step that is tried more than once, but for ever.
      for (uint32_t i = 0; i < kCommitTriesMax; ++i) {
        if (Plan(update) != std::nullopt &&
            Plan(update)->step == action->step &&
            Of(update) == Of(At(way, phase))) {
          Take(Failure(), update);
        }
      }
      EXPECT_EQ(Of(update), row->second);
      const bool for_ever =
          action->step == Step::kReopenGate || action->step == Step::kInspect;
      EXPECT_EQ(update.reason, for_ever ? "" : "BROKE");
    }
  }
}

// Every step's outcome in every phase that does not wait for it.
TEST(ApplyTest, RefusesOutcomesAndStartsThatNobodyWaitsFor) {
  for (const Way way : {Way::kForward, Way::kBack}) {
    for (const Phase phase : kPhases) {
      const Update before = At(way, phase);
      const std::optional<Action> planned = Plan(before);
      for (int s = 0; s <= static_cast<int>(kLastStep); ++s) {
        const auto step = static_cast<Step>(s);
        SCOPED_TRACE(testing::Message()
                     << Name(phase) << ", " << Name(way) << ", " << Name(step));
        Update update = before;
        EXPECT_EQ(Reason(Apply(StepEnded{step, Outcome()}, update)),
                  "STEP_UNEXPECTED");
        EXPECT_EQ(update, before);
        const absl::Status started = Apply(StepStarted{step}, update);
        if (planned.has_value() && planned->step == step) {
          EXPECT_TRUE(started.ok()) << started;
          // And not twice.
          EXPECT_EQ(Reason(Apply(StepStarted{step}, update)),
                    "STEP_UNEXPECTED");
          EXPECT_EQ(Plan(update), std::nullopt);
        } else {
          EXPECT_EQ(Reason(started), "STEP_UNEXPECTED");
          EXPECT_EQ(update, before);
        }
      }
    }
  }
}

TEST(ApplyTest, CancelTakesEffectBeforePauseOnly) {
  for (const Way way : {Way::kForward, Way::kBack}) {
    for (const Phase phase : kPhases) {
      if (phase == Phase::kIdle) continue;
      SCOPED_TRACE(testing::Message() << Name(phase) << ", " << Name(way));
      const bool before_pause = way == Way::kForward &&
                                phase >= Phase::kAccepted &&
                                phase <= Phase::kGateClosed;
      Update update = At(way, phase);
      ASSERT_TRUE(Apply(CancelOrdered{3, "rollouts/r", 7}, update).ok());
      if (before_pause) {
        EXPECT_EQ(update.phase, Phase::kCancelling);
        EXPECT_EQ(update.reason, "CANCELLED_BY_SERVICE");
      } else {
        EXPECT_EQ(Of(update), Of(At(way, phase)));
      }
      const bool on_the_way =
          phase >= Phase::kPaused && phase <= Phase::kCommitted;
      const bool late = phase != Phase::kEnded && phase != Phase::kUnknown &&
                        (way == Way::kBack || on_the_way);
      if (late) {
        EXPECT_THAT(update.message, HasSubstr("was ignored"));
        const Update once = update;
        ASSERT_TRUE(Apply(CancelOrdered{3, "rollouts/r", 7}, update).ok());
        EXPECT_EQ(update, once);
      }
    }
  }
}

TEST(ApplyTest, CancelDuringAStepWaitsForItsEnd) {
  for (const bool succeeds : {true, false}) {
    for (const Phase phase : {Phase::kAccepted, Phase::kPrepared}) {
      SCOPED_TRACE(testing::Message() << Name(phase) << succeeds);
      Update update = At(Way::kForward, phase);
      const Step step = Plan(update)->step;
      ASSERT_TRUE(Apply(StepStarted{step}, update).ok());
      ASSERT_TRUE(Apply(CancelOrdered{3, "rollouts/r", 7}, update).ok());
      EXPECT_EQ(update.phase, phase);
      const Outcome outcome = succeeds ? Outcome() : Failure();
      ASSERT_TRUE(Apply(StepEnded{step, outcome}, update).ok());
      EXPECT_EQ(update.phase, Phase::kCancelling);
      EXPECT_EQ(update.reason, "CANCELLED_BY_SERVICE");
    }
  }
}

// The shim goes on by itself from there.
TEST(ApplyTest, CancelDuringPauseIsTooLate) {
  Update update = At(Way::kForward, Phase::kGateClosed);
  ASSERT_TRUE(Apply(StepStarted{Step::kPause}, update).ok());
  ASSERT_TRUE(Apply(CancelOrdered{3, "rollouts/r", 7}, update).ok());
  ASSERT_TRUE(Apply(StepEnded{Step::kPause, Outcome()}, update).ok());
  EXPECT_EQ(update.phase, Phase::kPaused);
  while (Take(Outcome(), update)) {
  }
  EXPECT_EQ(update.end, End::kDone);
  EXPECT_EQ(update.reason, "");
  EXPECT_THAT(update.message, HasSubstr("was ignored"));
}

TEST(ApplyTest, CancelOfAnAttemptThatNeverCameEndsItForGood) {
  Update update = At(Way::kForward, Phase::kEnded);
  ASSERT_TRUE(Apply(CancelOrdered{3, "rollouts/r", 8}, update).ok());
  EXPECT_EQ(update.end, End::kCancelled);
  EXPECT_EQ(update.finished_attempt, 8u);
  EXPECT_TRUE(Unacknowledged(update));
  // The start that was overtaken gets the recorded end.
  ASSERT_TRUE(Apply(StartOrdered{3, AnOrder(8)}, update).ok());
  EXPECT_EQ(update.end, End::kCancelled);
  EXPECT_EQ(Plan(update), std::nullopt);
}

// Every phase against each kind of start.
TEST(ApplyTest, ObeysAStartOnlyPastTheFence) {
  for (const Phase phase : kPhases) {
    SCOPED_TRACE(Name(phase));
    const Update before = At(Way::kForward, phase);
    Update update = before;
    EXPECT_EQ(Reason(Apply(StartOrdered{2, AnOrder(8)}, update)),
              "STALE_EPOCH");
    EXPECT_EQ(Reason(Apply(StartOrdered{3, AnOrder(6)}, update)),
              "ATTEMPT_FINISHED");
    EXPECT_EQ(Reason(Apply(StartOrdered{3, AnOrder(0)}, update)), "BAD_ORDER");
    EXPECT_EQ(update, before);
    const absl::Status next = Apply(StartOrdered{4, AnOrder(8)}, update);
    if (Active(before)) {
      EXPECT_EQ(Reason(next), "ATTEMPT_RUNNING");
      EXPECT_EQ(update, before);
    } else {
      EXPECT_TRUE(next.ok()) << next;
      EXPECT_EQ(update.phase, Phase::kAccepted);
      EXPECT_EQ(update.epoch, 4u);
      EXPECT_EQ(update.order.attempt, 8u);
      EXPECT_THAT(update.steps, IsEmpty());
    }
    if (phase == Phase::kIdle) continue;
    Update repeated = before;
    ASSERT_TRUE(Apply(StartOrdered{3, AnOrder(7)}, repeated).ok());
    EXPECT_EQ(Of(repeated), Of(before));
  }
}

TEST(ApplyTest, RepeatedOrderOfAnEndedAttemptShowsItsEndAgain) {
  Update update = At(Way::kForward, Phase::kEnded);
  ASSERT_TRUE(Apply(ReportAcknowledged{7, update.sequence}, update).ok());
  ASSERT_FALSE(Unacknowledged(update));
  ASSERT_TRUE(Apply(StartOrdered{3, AnOrder(7)}, update).ok());
  EXPECT_TRUE(Unacknowledged(update));
}

TEST(ApplyTest, AnOrderThatCannotBeCarriedOutEndsItsAttempt) {
  Order bad = AnOrder();
  bad.deadlines.save = absl::ZeroDuration();
  Update update;
  ASSERT_TRUE(Apply(StartOrdered{1, bad}, update).ok());
  EXPECT_EQ(update.end, End::kCancelled);
  EXPECT_EQ(update.reason, "BAD_ORDER");
  EXPECT_EQ(update.finished_attempt, 7u);
}

TEST(ApplyTest, AcknowledgementsOfOtherAttemptsAndOfTheFutureDoNotCount) {
  Update update = At(Way::kForward, Phase::kEnded);
  ASSERT_TRUE(Apply(ReportAcknowledged{6, 99}, update).ok());
  EXPECT_TRUE(Unacknowledged(update));
  ASSERT_TRUE(Apply(ReportAcknowledged{7, 99}, update).ok());
  EXPECT_EQ(update.acknowledged, update.sequence);
}

TEST(ApplyTest, WelcomeRaisesTheEpochAndNeverLowersIt) {
  Update update = At(Way::kForward, Phase::kIdle);
  ASSERT_TRUE(Apply(Welcomed{5}, update).ok());
  EXPECT_EQ(Reason(Apply(Welcomed{4}, update)), "STALE_EPOCH");
  EXPECT_EQ(update.epoch, 5u);
}

TEST(ApplyTest, StopCancelsBeforePauseAndNothingElse) {
  for (const Way way : {Way::kForward, Way::kBack}) {
    for (const Phase phase : kPhases) {
      SCOPED_TRACE(testing::Message() << Name(phase) << ", " << Name(way));
      Update update = At(way, phase);
      ASSERT_TRUE(Apply(StopRequested{}, update).ok());
      const bool before_pause = way == Way::kForward &&
                                phase >= Phase::kAccepted &&
                                phase <= Phase::kGateClosed;
      EXPECT_EQ(update.phase, before_pause ? Phase::kCancelling : phase);
      EXPECT_EQ(update.reason, before_pause ? "AGENT_STOPPING" : "");
    }
  }
}

TEST(ApplyTest, CancelledBeforeTheGateWasTouchedEndsAtOnce) {
  Update update = At(Way::kForward, Phase::kAccepted);
  Take(Failure(), update);
  ASSERT_EQ(update.phase, Phase::kCancelling);
  Take(Outcome(), update);
  EXPECT_EQ(update.end, End::kCancelled);
  EXPECT_EQ(update.reason, "BROKE");
}

TEST(ApplyTest, CancelledAfterwardsReopensTheGateFirst) {
  Update update = At(Way::kForward, Phase::kPaused);
  Take(Failure(), update);
  Take(Outcome(), update);
  ASSERT_EQ(update.phase, Phase::kCancelled);
  Take(Failure(), update);
  ASSERT_EQ(update.phase, Phase::kCancelled);
  Take(Outcome(), update);
  EXPECT_EQ(update.end, End::kCancelled);
}

TEST(ApplyTest, CancelThatFailsBeforeThePauseLeavesWhatRuns) {
  Update update = At(Way::kForward, Phase::kPrepared);
  Take(Failure(), update);
  for (uint32_t i = 0; i < kCancelTriesMax; ++i) Take(Failure(), update);
  Take(Outcome(), update);  // the gate
  EXPECT_EQ(update.end, End::kCancelled);
}

// Its driver had died before the order came; the gate must stay closed.
TEST(Regression, ACancelThatFindsNoDriverBeforePauseQuarantines) {
  Update update = At(Way::kForward, Phase::kPrepared);
  Take(Failure(), update);
  Outcome broken = Failure();
  broken.adapter = AdapterState::kBroken;
  for (uint32_t i = 0; i < kCancelTriesMax; ++i) Take(broken, update);
  EXPECT_EQ(update.end, End::kQuarantined);
  EXPECT_EQ(Plan(update), std::nullopt);
}

TEST(ApplyTest, CancelIsTriedAgainWhileASaveHangs) {
  Update update = At(Way::kForward, Phase::kPaused);
  Take(Failure(), update);
  Outcome hung = Failure(absl::StatusCode::kDeadlineExceeded, "DRIVER_HUNG");
  hung.adapter = AdapterState::kBroken;
  for (uint32_t i = 1; i < kCancelTriesMax; ++i) Take(hung, update);
  ASSERT_EQ(update.phase, Phase::kCancelling);
  Outcome returned;
  returned.adapter = AdapterState::kRunning;
  Take(returned, update);
  Take(Outcome(), update);  // the gate
  EXPECT_EQ(update.end, End::kCancelled);
}

// Whatever it is asked: it comes back, and knows where it was.
TEST(ApplyTest, AShimThatIsRestartedIsWaitedFor) {
  for (const Phase phase :
       {Phase::kAccepted, Phase::kCancelling, Phase::kUnloaded,
        Phase::kSwitched, Phase::kRestored, Phase::kVerified, Phase::kResumed,
        Phase::kConfirmed}) {
    Update update = At(Way::kForward, phase);
    if (ArcOutOf(Way::kForward, phase)->step == Step::kSwitch) continue;
    SCOPED_TRACE(Name(phase));
    Outcome away = Failure(absl::StatusCode::kUnavailable, "SHIM_UNAVAILABLE");
    away.trial = Trial::kNoAnswer;
    for (uint32_t i = 1; i < kAwayTriesMax; ++i) Take(away, update);
    EXPECT_EQ(update.phase, phase);
    EXPECT_EQ(update.reason, "");
    Take(away, update);
    EXPECT_NE(update.reason, "");
  }
}

TEST(ApplyTest, ASaveThatFailsOnTheWayBackLetsTheNewDriverGoOn) {
  Update update = At(Way::kBack, Phase::kPaused);
  Take(Failure(), update);
  ASSERT_EQ(Plan(update)->step, Step::kCancel);
  Take(Outcome(), update);
  EXPECT_EQ(update.end, End::kQuarantined);
  EXPECT_EQ(Plan(update), std::nullopt);
}

TEST(ApplyTest, CancelThatFindsTheDriverBrokenQuarantines) {
  Update update = At(Way::kForward, Phase::kPaused);
  Take(Failure(), update);
  Outcome broken;
  broken.adapter = AdapterState::kBroken;
  Take(broken, update);
  EXPECT_EQ(update.end, End::kQuarantined);
}

TEST(ApplyTest, UnloadThatWasRefusedIsCancelled) {
  Update update = At(Way::kForward, Phase::kSaved);
  Outcome refused = Failure(absl::StatusCode::kFailedPrecondition);
  refused.trial = Trial::kRefused;
  Take(refused, update);
  EXPECT_EQ(update.phase, Phase::kCancelling);
  EXPECT_FALSE(update.past_no_return);
}

TEST(ApplyTest, ResumeThatFailedAfterEnginesRanGoesBackByASecondUpdate) {
  Update update = At(Way::kForward, Phase::kVerified);
  Outcome ran = Failure();
  ran.adapter = AdapterState::kResumed;
  Take(ran, update);
  EXPECT_EQ(Of(update), Standing(Way::kBack, Phase::kGateClosed, End::kNone));
}

TEST(ApplyTest, ABrokenAdapterPastNoReturnQuarantines) {
  for (const Phase phase : {Phase::kSaved, Phase::kUnloaded, Phase::kRestored,
                            Phase::kVerified, Phase::kResumed}) {
    SCOPED_TRACE(Name(phase));
    Update update = At(Way::kForward, phase);
    Outcome broken = Failure();
    broken.adapter = AdapterState::kBroken;
    Take(broken, update);
    EXPECT_EQ(update.end, End::kQuarantined);
  }
}

TEST(ApplyTest, GoesBackWithTheSameBlocksToTheOldDriver) {
  Update update = At(Way::kForward, Phase::kUnloaded);
  Take(Failure(absl::StatusCode::kInternal, "START_FAILED"), update);
  std::vector<Step> steps;
  while (std::optional<Action> action = Plan(update)) {
    steps.push_back(action->step);
    if (action->step == Step::kRestore) {
      EXPECT_EQ(action->image, AnImage("1.0"));
    }
    if (action->step == Step::kSwitch) {
      EXPECT_EQ(action->package, "old");
    }
    Take(Outcome(), update);
  }
  EXPECT_THAT(steps, ElementsAre(Step::kUnload, Step::kRestore, Step::kVerify,
                                 Step::kResume, Step::kConfirm, Step::kSwitch,
                                 Step::kCommit, Step::kReopenGate));
  EXPECT_EQ(update.end, End::kRolledBack);
  EXPECT_EQ(update.reason, "START_FAILED");
}

TEST(ApplyTest, GoesBackFromConfirmByPausingAndSavingAgain) {
  Update update = At(Way::kForward, Phase::kResumed);
  Take(Failure(), update);
  std::vector<Step> steps;
  while (std::optional<Action> action = Plan(update)) {
    steps.push_back(action->step);
    Take(Outcome(), update);
  }
  EXPECT_THAT(steps, ElementsAre(Step::kPause, Step::kSave, Step::kUnload,
                                 Step::kRestore, Step::kVerify, Step::kResume,
                                 Step::kConfirm, Step::kSwitch, Step::kCommit,
                                 Step::kReopenGate));
  EXPECT_EQ(update.end, End::kRolledBack);
}

TEST(ApplyTest, ASwitchThatFailsOnTheWayBackCommitsAndQuarantines) {
  Update update = At(Way::kBack, Phase::kConfirmed);
  Take(Failure(), update);
  std::vector<Step> steps;
  while (std::optional<Action> action = Plan(update)) {
    steps.push_back(action->step);
    Take(Outcome(), update);
  }
  EXPECT_THAT(steps, ElementsAre(Step::kCommit));
  EXPECT_EQ(update.end, End::kQuarantined);
}

TEST(ApplyTest, WaitsForAShimThatIsAwayPastNoReturn) {
  for (const Way way : {Way::kForward, Way::kBack}) {
    Update update = At(way, Phase::kUnloaded);
    Outcome away = Failure(absl::StatusCode::kUnavailable);
    away.trial = Trial::kNoAnswer;
    for (uint32_t i = 1; i < kAwayTriesMax; ++i) Take(away, update);
    EXPECT_EQ(Of(update), Standing(way, Phase::kUnloaded, End::kNone));
    EXPECT_EQ(update.steps.size(), 1u);  // tries replace each other
    Take(Outcome(), update);
    EXPECT_EQ(update.phase, Phase::kRestored);
    EXPECT_EQ(update.failures, 0u);
  }
}

TEST(ApplyTest, TriesADownloadAgainButNotForEver) {
  Update update = At(Way::kForward, Phase::kAccepted);
  for (uint32_t i = 1; i < kPrepareTriesMax; ++i) {
    Take(Failure(absl::StatusCode::kUnavailable), update);
    ASSERT_EQ(update.phase, Phase::kAccepted);
    EXPECT_EQ(Plan(update)->failures, i);
  }
  Take(Failure(absl::StatusCode::kUnavailable), update);
  EXPECT_EQ(update.phase, Phase::kCancelling);
}

TEST(ApplyTest, KeepsTheLongestBlackoutAndTheLastLook) {
  Update update = At(Way::kForward, Phase::kRestored);
  Outcome verified = Failure(absl::StatusCode::kInternal, "VGPU_MISSING");
  verified.vgpus = {{1, "a", true, std::nullopt, ""},
                    {2, "b", false, std::nullopt, "missing"}};
  Take(verified, update);
  EXPECT_EQ(update.vgpus[2].difference, "missing");
  while (Plan(update)->step != Step::kVerify) Take(Outcome(), update);
  Outcome back;
  back.vgpus = {{1, "a", true, std::nullopt, ""},
                {2, "b", true, std::nullopt, ""}};
  Take(back, update);
  Outcome resumed;
  resumed.vgpus = {{1, "a", false, absl::Milliseconds(30), ""},
                   {2, "b", false, absl::Milliseconds(40), ""}};
  Take(resumed, update);
  Outcome confirmed;
  confirmed.vgpus = {{1, "", true, absl::Milliseconds(20), ""}};
  Take(confirmed, update);
  EXPECT_EQ(update.vgpus[1],
            (VirtualGpuResult{1, "a", true, absl::Milliseconds(30), ""}));
  EXPECT_EQ(update.vgpus[2],
            (VirtualGpuResult{2, "b", true, absl::Milliseconds(40), ""}));
}

// Every adapter state that a restarted agent can find, on each way.
TEST(ApplyTest, GoesOnFromWhatARestartFinds) {
  using A = AdapterState;
  using P = Phase;
  struct Row {
    A adapter;
    const char* loaded;  // version, "" for none
    Standing forward;
    Standing back;
  };
  const Standing cancel(Way::kForward, P::kCancelling, End::kNone);
  const auto lost = [](Way way) {
    return Standing(way, P::kEnded, End::kQuarantined);
  };
  const auto f = [](P p) { return Standing(Way::kForward, p, End::kNone); };
  const auto b = [](P p) { return Standing(Way::kBack, p, End::kNone); };
  const std::vector<Row> rows = {
      {A::kEmpty, "", lost(Way::kForward), lost(Way::kBack)},
      {A::kBroken, "", lost(Way::kForward), lost(Way::kBack)},
      {A::kBroken, "1.0", cancel, lost(Way::kBack)},
      {A::kBroken, "2.0", lost(Way::kForward), lost(Way::kBack)},
      {A::kUnknown, "", lost(Way::kForward), lost(Way::kBack)},
      {A::kRunning, "1.0", cancel, b(P::kCommitted)},
      {A::kRunning, "2.0", f(P::kCommitted), lost(Way::kBack)},
      {A::kPrepared, "1.0", cancel, lost(Way::kBack)},
      {A::kPaused, "1.0", cancel, b(P::kPaused)},
      {A::kSaved, "1.0", cancel, b(P::kSaved)},
      {A::kUnloaded, "", f(P::kUnloaded), b(P::kUnloaded)},
      {A::kRestored, "2.0", f(P::kRestored), b(P::kSaved)},
      {A::kRestored, "1.0", b(P::kRestored), b(P::kRestored)},
      {A::kVerified, "2.0", f(P::kRestored), b(P::kSaved)},
      {A::kVerified, "1.0", b(P::kRestored), b(P::kRestored)},
      {A::kResumed, "2.0", f(P::kResumed), b(P::kGateClosed)},
      {A::kResumed, "1.0", b(P::kResumed), b(P::kResumed)},
      {A::kConfirmed, "2.0", f(P::kResumed), b(P::kGateClosed)},
      {A::kConfirmed, "1.0", b(P::kResumed), b(P::kResumed)},
  };
  for (const Row& row : rows) {
    for (const Way way : {Way::kForward, Way::kBack}) {
      SCOPED_TRACE(testing::Message() << Name(row.adapter) << " " << row.loaded
                                      << ", " << Name(way));
      Update update = At(way, P::kPaused);
      ASSERT_TRUE(Apply(Restarted{}, update).ok());
      ASSERT_EQ(Plan(update)->step, Step::kInspect);
      Outcome seen;
      seen.adapter = row.adapter;
      seen.adapter_attempt = row.adapter == A::kRunning ? 0 : 7;
      if (row.loaded[0] != '\0') seen.loaded = AnImage(row.loaded);
      Take(seen, update);
      EXPECT_EQ(Of(update), way == Way::kForward ? row.forward : row.back);
    }
  }
}

// The shim went on by itself, and its answer is lost, or its cancel refused.
TEST(ApplyTest, AsksAShimThatWentOnHowFarItCame) {
  struct Row {
    Phase phase;
    Trial trial;
  };
  for (const Row& row : {Row{Phase::kGateClosed, Trial::kNoAnswer},
                         Row{Phase::kPaused, Trial::kNoAnswer},
                         Row{Phase::kCancelling, Trial::kRefused},
                         Row{Phase::kSaved, Trial::kRefused}}) {
    SCOPED_TRACE(Name(row.phase));
    Update update = At(Way::kForward, row.phase);
    update.paused = true;
    Outcome outcome = Failure();
    outcome.trial = row.trial;
    outcome.adapter = AdapterState::kResumed;
    Take(outcome, update);
    ASSERT_EQ(Plan(update)->step, Step::kInspect);
    Outcome seen;
    seen.adapter = AdapterState::kResumed;
    seen.adapter_attempt = 7;
    seen.loaded = AnImage("2.0");
    Take(seen, update);
    EXPECT_EQ(Of(update), Standing(Way::kForward, Phase::kResumed, End::kNone));
    EXPECT_TRUE(update.past_no_return);
    while (Take(Outcome(), update)) {
    }
    EXPECT_EQ(update.end, End::kDone);
    EXPECT_EQ(update.reason, "");
  }
}

TEST(ApplyTest, PlansWhatTheShimGoesOnWith) {
  const auto names = [](const Update& update) {
    std::vector<Step> steps;
    const std::optional<Action> action = Plan(update);
    for (const NextStep& next : action->ahead) {
      steps.push_back(next.step);
      EXPECT_EQ(next.deadline, DeadlineOf(next.step, Deadlines()));
      EXPECT_EQ(next.image, next.step != Step::kRestore ? Image()
                            : update.way == Way::kBack  ? AnImage("1.0")
                                                        : AnImage("2.0"));
    }
    return steps;
  };
  for (const Way way : {Way::kForward, Way::kBack}) {
    EXPECT_THAT(names(At(way, Phase::kGateClosed)),
                ElementsAre(Step::kSave, Step::kUnload, Step::kRestore,
                            Step::kVerify, Step::kResume));
    EXPECT_THAT(names(At(way, Phase::kSaved)),
                ElementsAre(Step::kRestore, Step::kVerify, Step::kResume));
    EXPECT_THAT(names(At(way, Phase::kVerified)), IsEmpty());
    EXPECT_THAT(names(At(way, Phase::kResumed)), IsEmpty());
    EXPECT_THAT(names(At(way, Phase::kCancelling)), IsEmpty());
  }
  EXPECT_THAT(names(At(Way::kForward, Phase::kPrepared)), IsEmpty());
}

// An update that knows the shim's life and one vGPU.
Update WithShim(Way way, Phase phase) {
  Update update = At(way, phase);
  update.shim_instance = "a";
  update.present = {{1, "a-1", "vm-1"}};
  return update;
}

// The shim of `instance` finds all well, and knows nothing.
Outcome SeenBy(const std::string& instance, Outcome outcome) {
  outcome.shim_instance = instance;
  outcome.adapter = AdapterState::kRunning;
  outcome.loaded = AnImage("1.0");
  outcome.present = {{1, instance + "-1", "vm-1"}};
  return outcome;
}

// Every phase whose step asks the shim, on each way.
TEST(ApplyTest, AnotherLifeOfTheShimQuarantinesInEveryPhase) {
  for (const Way way : {Way::kForward, Way::kBack}) {
    for (const Phase phase : kPhases) {
      const std::optional<Action> action = Plan(WithShim(way, phase));
      if (!action.has_value()) continue;
      for (const Outcome& outcome : {Failure(), Outcome()}) {
        SCOPED_TRACE(testing::Message() << Name(phase) << ", " << Name(way)
                                        << " " << outcome.record.code);
        Update update = WithShim(way, phase);
        update.reason = "EARLIER";
        Take(SeenBy("b", outcome), update);
        EXPECT_EQ(update.end, End::kQuarantined);
        EXPECT_EQ(update.reason, "SHIM_RESTARTED");
        EXPECT_THAT(update.message, HasSubstr("1 vGPUs is lost"));
        EXPECT_FALSE(update.vgpus.at(1).preserved);
        EXPECT_EQ(update.vgpus.at(1).guest, "vm-1");
        EXPECT_EQ(Plan(update), std::nullopt);
      }
    }
  }
}

// The gate was reopened, and the service said that the report makes no sense.
TEST(Regression, AVgpuThatIsLostKeepsTheGateClosed) {
  for (const bool back : {false, true}) {
    Update update;
    ASSERT_TRUE(Apply(StartOrdered{3, AnOrder()}, update).ok());
    std::vector<Step> steps;
    while (std::optional<Action> action = Plan(update)) {
      steps.push_back(action->step);
      const bool fails =
          back && action->step == Step::kRestore && update.way == Way::kForward;
      Outcome outcome = fails ? Failure() : Outcome();
      if (action->step == Step::kConfirm) {
        outcome.vgpus = {{1, "vm-1", true, std::nullopt, ""},
                         {2, "vm-2", false, std::nullopt, "it has ended"}};
      }
      ASSERT_TRUE(Take(outcome, update));
    }
    EXPECT_EQ(steps.back(), Step::kCommit);
    EXPECT_EQ(update.end, End::kQuarantined);
    EXPECT_EQ(update.reason, back ? "BROKE" : "VGPU_LOST");
    EXPECT_THAT(update.message,
                HasSubstr("vGPU of 'vm-2' is lost: it has ended"));
    EXPECT_THAT(update.message, testing::Not(HasSubstr("vm-1")));
  }
}

TEST(Regression, AVgpuThatIsLostInACancelKeepsTheGateClosed) {
  Update update = At(Way::kForward, Phase::kCancelling);
  Outcome outcome;
  outcome.vgpus = {{2, "vm-2", false, std::nullopt, "it has ended"}};
  ASSERT_TRUE(Take(outcome, update));
  EXPECT_EQ(Of(update),
            Standing(Way::kForward, Phase::kEnded, End::kQuarantined));
  EXPECT_EQ(update.reason, "VGPU_LOST");
}

// A Pause that failed tells how long they stood, and Cancel had nothing to look
// at.
TEST(Regression, AVgpuThatStoodForAFailedPauseIsNotLost) {
  Update update = At(Way::kForward, Phase::kGateClosed);
  Outcome outcome = Failure();
  outcome.vgpus = {{1, "vm-1", true, absl::Milliseconds(3), ""}};
  ASSERT_TRUE(Take(outcome, update));
  while (update.end == End::kNone) ASSERT_TRUE(Take(Outcome(), update));
  EXPECT_EQ(update.end, End::kCancelled);
  EXPECT_TRUE(update.vgpus.at(1).preserved);
}

TEST(ApplyTest, AnotherLifeOfTheShimCancelsBeforePauseWhenAllAreThere) {
  for (const Phase phase :
       {Phase::kUnknown, Phase::kAccepted, Phase::kCancelling}) {
    SCOPED_TRACE(Name(phase));
    Update update = WithShim(Way::kForward, phase);
    update.paused = false;
    Outcome seen = SeenBy("b", Outcome());
    seen.present = update.present;
    while (update.end == End::kNone) ASSERT_TRUE(Take(seen, update));
    EXPECT_EQ(update.end, End::kCancelled);
    EXPECT_EQ(update.reason, "SHIM_RESTARTED");
    EXPECT_THAT(update.vgpus, IsEmpty());
  }
}

TEST(ApplyTest, AShimThatDoesNotSayItsLifeIsNotComparedWithAny) {
  for (const auto& [known, seen] :
       {std::pair("", "b"), std::pair("a", ""), std::pair("a", "a")}) {
    Update update = WithShim(Way::kForward, Phase::kPaused);
    update.shim_instance = known;
    Take(SeenBy(seen, Failure()), update);
    EXPECT_EQ(update.phase, Phase::kCancelling);
  }
}

// The host's own word is enough: no step asks the shim.
TEST(ApplyTest, ARebootEndsWhatWasUnderWayWhateverTheShimWouldSay) {
  for (const Way way : {Way::kForward, Way::kBack}) {
    for (const Phase phase : kPhases) {
      Update update = WithShim(way, phase);
      if (!Active(update)) continue;
      SCOPED_TRACE(testing::Message() << Name(phase) << ", " << Name(way));
      update.boot_id = "before";
      update.reason = "EARLIER";
      ASSERT_TRUE(Apply(Restarted{"after"}, update).ok());
      EXPECT_EQ(update.end, End::kQuarantined);
      EXPECT_EQ(update.reason, "HOST_REBOOTED");
      EXPECT_THAT(update.message, HasSubstr("1 vGPUs is lost"));
      EXPECT_FALSE(update.vgpus.at(1).preserved);
      EXPECT_EQ(update.vgpus.at(1).guest, "vm-1");
      EXPECT_EQ(update.finished_attempt, 7u);
      EXPECT_EQ(update.boot_id, "after");
      EXPECT_EQ(Plan(update), std::nullopt);
    }
  }
}

TEST(ApplyTest, ARebootWithNobodyThereReopensTheGateAndCancels) {
  Update update = At(Way::kForward, Phase::kPrepared);
  update.boot_id = "before";
  ASSERT_TRUE(Apply(Restarted{"after"}, update).ok());
  EXPECT_EQ(update.phase, Phase::kCancelled);
  EXPECT_EQ(Plan(update)->step, Step::kReopenGate);
  Take(Outcome(), update);
  EXPECT_EQ(update.end, End::kCancelled);
  EXPECT_EQ(update.reason, "HOST_REBOOTED");
}

TEST(ApplyTest, NoRebootIsSeenInOneLifeNorWhereItIsNotKnown) {
  for (const auto& [before, after] :
       {std::pair("a", "a"), std::pair("", "a"), std::pair("a", "")}) {
    Update update = WithShim(Way::kForward, Phase::kSaved);
    update.boot_id = before;
    ASSERT_TRUE(Apply(Restarted{after}, update).ok());
    EXPECT_EQ(update.phase, Phase::kUnknown);
    EXPECT_EQ(Plan(update)->step, Step::kInspect);
  }
}

TEST(ApplyTest, AnAttemptIsOfTheBootInWhichItWasBegun) {
  Update update;
  ASSERT_TRUE(Apply(Restarted{"one"}, update).ok());
  ASSERT_TRUE(Apply(StartOrdered{3, AnOrder()}, update).ok());
  EXPECT_EQ(update.boot_id, "one");
}

TEST(ApplyTest, BeginsNothingOnAnOrderThatCameTooLate) {
  const absl::Duration now = absl::Seconds(100);
  StartOrdered late{3, AnOrder(), now - absl::Milliseconds(1), now};
  Update update = At(Way::kForward, Phase::kIdle);
  const Update before = update;
  const absl::Status refused = Apply(late, update);
  EXPECT_EQ(Reason(refused), "ORDER_EXPIRED");
  EXPECT_THAT(std::string(refused.message()), HasSubstr("1ms ago"));
  EXPECT_EQ(update, before);
  late.not_after = now;
  EXPECT_TRUE(Apply(late, update).ok());
  EXPECT_EQ(update.phase, Phase::kAccepted);
}

// What is under way, and what has ended, is not begun by it.
TEST(ApplyTest, TakesARepeatHoweverLateItComes) {
  const StartOrdered late{3, AnOrder(), absl::Seconds(1), absl::Hours(5)};
  Update running = At(Way::kForward, Phase::kSaved);
  EXPECT_TRUE(Apply(late, running).ok());
  EXPECT_EQ(running.phase, Phase::kSaved);
  Update ended = At(Way::kForward, Phase::kEnded);
  EXPECT_TRUE(Apply(late, ended).ok());
  EXPECT_EQ(ended.asked_again, 1u);
}

TEST(ApplyTest, EndsAnAttemptBeforeItTouchesAnythingWhenAStepIsUnknown) {
  Order order = AnOrder();
  order.unknown = "wants step 99 where this release takes 'pause'";
  Update update;
  ASSERT_TRUE(Apply(StartOrdered{3, order}, update).ok());
  EXPECT_EQ(Of(update),
            Standing(Way::kForward, Phase::kEnded, End::kCancelled));
  EXPECT_EQ(update.reason, "STEP_UNKNOWN");
  EXPECT_THAT(update.message, HasSubstr("step 99"));
  EXPECT_EQ(Plan(update), std::nullopt);
}

// Its link had failed on the way back, and that was journalled.
TEST(Regression, ADoomedUpdateIsDoomedAlsoWhereARestartFindsItCommitted) {
  Update update = At(Way::kBack, Phase::kSwitched);
  update.doomed = true;
  ASSERT_TRUE(Apply(Restarted{}, update).ok());
  Outcome seen;
  seen.adapter = AdapterState::kRunning;
  seen.loaded = AnImage("1.0");
  ASSERT_TRUE(Take(seen, update));
  EXPECT_EQ(Of(update), Standing(Way::kBack, Phase::kEnded, End::kQuarantined));
}

TEST(ApplyTest, ARestartFindsAnotherAttemptAndCallsAPerson) {
  Update update = At(Way::kForward, Phase::kPaused);
  ASSERT_TRUE(Apply(Restarted{}, update).ok());
  Outcome seen;
  seen.adapter = AdapterState::kSaved;
  seen.adapter_attempt = 5;
  Take(seen, update);
  EXPECT_EQ(update.end, End::kQuarantined);
}

TEST(ApplyTest, OnlySwitchHasNoDeadline) {
  for (int s = 0; s <= static_cast<int>(kLastStep); ++s) {
    const auto step = static_cast<Step>(s);
    EXPECT_EQ(DeadlineOf(step, Deadlines()) == absl::InfiniteDuration(),
              step == Step::kSwitch)
        << Name(step);
  }
}

TEST(ApplyTest, ARestartWithNothingUnderWayChangesNothing) {
  for (const Phase phase : {Phase::kIdle, Phase::kEnded}) {
    Update update = At(Way::kForward, phase);
    ASSERT_TRUE(Apply(Restarted{}, update).ok());
    EXPECT_EQ(update, At(Way::kForward, phase));
  }
}

}  // namespace
}  // namespace baton::agent::core
