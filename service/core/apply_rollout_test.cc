// What becomes of all that a rollout left when it is deleted; in which states
// it can be is held by verb_test.

#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "gtest/gtest.h"
#include "service/core/errors.h"
#include "tests/support/stage.h"

namespace baton::core {
namespace {

using support::HostName;
using support::kOldDriver;
using support::kRollout;
using support::MakeSpec;
using support::Stage;

constexpr char kRollback[] = "rollouts/r-rollback";

void ExpectRefused(const absl::Status& status, const std::string& reason,
                   const std::string& text) {
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_EQ(Reason(status), reason) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), text)) << status;
}

// One host that runs what kRollout brought.
Stage Succeeded() {
  Stage stage(1);
  stage.Start(MakeSpec());
  stage.Report(1, UpdateState::kDone);
  return stage;
}

TEST(DeleteRolloutTest, LeavesHostsAndHistoryAsTheyAre) {
  Stage stage = Succeeded();
  const Host host = stage.host(1);
  const History history = stage.fleet().history;
  EXPECT_FALSE(history.empty());
  const Changes changes = stage.Do(DeleteRollout{kRollout});
  EXPECT_TRUE(stage.fleet().rollouts.empty());
  EXPECT_TRUE(stage.host(1) == host);
  EXPECT_TRUE(stage.fleet().history == history);
  ASSERT_EQ(changes.audit.size(), 1u);
  EXPECT_EQ(changes.audit[0].action, "rollout.delete");
  EXPECT_EQ(changes.audit[0].resource, kRollout);
  EXPECT_EQ(changes.audit[0].detail, "SUCCEEDED, 1 of 1 hosts done");
  EXPECT_EQ(changes.deleted, std::set<std::string>{kRollout});
  stage.Settle();
}

TEST(DeleteRolloutTest, SaysWhatWouldDoForOneThatGoesOn) {
  Stage stage(1);
  stage.Start(MakeSpec());
  ExpectRefused(stage.Try(DeleteRollout{kRollout}), "ROLLOUT_STARTED",
                "'rollouts/r' is RUNNING, want DRAFT or PLANNED or SUCCEEDED "
                "or FAILED or ABORTED or ROLLED_BACK: abort it, and delete it "
                "once no host is in flight");
}

// It said to abort what is being aborted.
TEST(Regression, DeleteOfOneThatIsAbortedSaysToWait) {
  Stage stage(1);
  stage.Start(MakeSpec());
  stage.Do(AbortRollout{kRollout, "why"});
  const absl::Status status = stage.Try(DeleteRollout{kRollout});
  ExpectRefused(status, "ROLLOUT_ABORTING",
                ": delete it once no host is in flight");
  EXPECT_FALSE(absl::StrContains(status.message(), "abort it")) << status;
}

// Its name is free again, and could come to mean another one.
TEST(Regression, WhatWasTakenBackDoesNotNameARollbackThatIsDeleted) {
  Stage stage = Succeeded();
  stage.Do(RollBackRollout{kRollout, "worse"});
  stage.Settle();
  stage.Report(1, UpdateState::kDone);
  ASSERT_EQ(stage.rollout().reason, "TAKEN_BACK");
  EXPECT_TRUE(absl::StrContains(stage.rollout().message, kRollback));
  stage.Do(DeleteRollout{kRollback});
  EXPECT_EQ(stage.rollout().reason, "TAKEN_BACK");
  EXPECT_EQ(stage.rollout().message,
            "a rollout that was deleted since took it back");
}

// S13: the number is the host's, not the rollout's.
TEST(DeleteRolloutTest, AttemptsGrowOnUnderTheSameName) {
  Stage stage(1);
  stage.Start(MakeSpec());
  UpdateReport late = stage.ReportOf(1, UpdateState::kQuarantined);
  stage.Report(1, UpdateState::kCancelled);
  stage.Do(DeleteRollout{kRollout});
  const auto say = [&] {
    ++late.sequence;
    return stage.Try(UpdateReported{HostName(1), stage.host(1).stream, late},
                     "agent:host-1");
  };
  absl::Status status = say();
  EXPECT_EQ(Reason(status), "UPDATE_NOT_FOUND");
  EXPECT_TRUE(IsFinal(status));
  stage.Start(MakeSpec());
  EXPECT_EQ(stage.host(1).attempt, 2u);
  EXPECT_EQ(stage.update(1).attempt, 2u);
  // What is said of the attempt of the deleted one is not about this one.
  status = say();
  EXPECT_EQ(Reason(status), "STALE_ATTEMPT");
  EXPECT_TRUE(IsFinal(status));
  stage.Report(1, UpdateState::kDone);
}

// An agent that was released goes on with what nobody knows any more.
TEST(DeleteRolloutTest, AReleasedHostThatComesBackIsNotTakenForAnOlderStore) {
  Stage stage(1);
  stage.Start(MakeSpec());
  stage.Disconnect(1);
  stage.Do(ReleaseHost{HostName(1), "burnt"});
  stage.Settle();
  ExpectRefused(stage.Try(DeleteRollout{kRollout}), "HOST_QUARANTINED",
                "want that quarantine lifted");
  stage.Do(LiftQuarantine{HostName(1), "it did not"});
  stage.Do(DeleteRollout{kRollout});
  HostConnected hello;
  hello.host = HostName(1);
  hello.stream = 99;
  hello.boot_id = "boot-1";
  hello.inventory = support::MakeInventory("1.0");
  hello.running_attempt = 1;
  hello.running_rollout = kRollout;
  stage.Do(hello, "agent:host-1");
  stage.Settle();
  EXPECT_EQ(stage.fleet().emergency_stop, std::nullopt);
  EXPECT_EQ(StateOf(stage.host(1)), HostState::kReady);
}

// Whoever looks at the host needs what is kept of it.
TEST(DeleteRolloutTest, WaitsForTheQuarantinesThatItMade) {
  const struct {
    const char* name;
    std::function<void(Stage&)> mend;
  } kCases[] = {
      {"lifted",
       [](Stage& stage) {
         stage.Do(LiftQuarantine{HostName(1), "looked"});
       }},
      {"deleted",
       [](Stage& stage) {
         stage.Disconnect(1);
         stage.Do(DeleteHost{HostName(1), "sold"});
       }},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    Stage stage(1);
    stage.Start(MakeSpec());
    stage.Report(1, UpdateState::kQuarantined);
    ExpectRefused(stage.Try(DeleteRollout{kRollout}), "HOST_QUARANTINED",
                  "'hosts/host-1' is quarantined by 'rollouts/r'");
    c.mend(stage);
    stage.Do(DeleteRollout{kRollout});
    stage.Settle();
  }
}

TEST(DeleteRolloutTest, GoesAfterTheRolloutThatTakesItBack) {
  Stage stage = Succeeded();
  stage.Do(RollBackRollout{kRollout, "worse"});
  ExpectRefused(stage.Try(DeleteRollout{kRollout}), "ROLLBACK_STARTED",
                "by the word of 'alice', want that over");
  stage.Settle();
  ExpectRefused(stage.Try(DeleteRollout{kRollout}), "ROLLBACK_EXISTS",
                "by 'rollouts/r-rollback', which is RUNNING, want that one "
                "deleted first");
  ExpectRefused(stage.Try(DeleteRollout{kRollback}), "ROLLOUT_STARTED",
                "abort it");
  stage.Report(1, UpdateState::kDone);
  ExpectRefused(stage.Try(DeleteRollout{kRollout}), "ROLLBACK_EXISTS",
                "which is SUCCEEDED");
  stage.Do(DeleteRollout{kRollback});
  EXPECT_EQ(stage.rollout().state, RolloutState::kRolledBack);
  EXPECT_EQ(stage.rollout().rollback, "");
  stage.Settle();
  EXPECT_EQ(stage.fleet().rollouts.size(), 1u);
  stage.Do(DeleteRollout{kRollout});
  EXPECT_TRUE(stage.fleet().rollouts.empty());
}

// Else its original, which no rollback is known of, would be taken back again
// at once.
TEST(DeleteRolloutTest, ARollbackThatIsDeletedIsNotMadeAnewUnlessSomebodyAsks) {
  Stage stage = Succeeded();
  stage.Do(RollBackRollout{kRollout, "worse"});
  stage.Settle();
  stage.Do(AbortRollout{kRollback, "better than that"});
  stage.Report(1, UpdateState::kCancelled);
  ASSERT_EQ(stage.rollout(kRollback).state, RolloutState::kAborted);
  EXPECT_EQ(Reason(stage.Try(RollBackRollout{kRollout, "worse"})),
            "ROLLBACK_STARTED");
  stage.Do(DeleteRollout{kRollback});
  stage.Settle();
  EXPECT_EQ(stage.fleet().rollouts.size(), 1u);
  EXPECT_EQ(stage.rollout().take_back, std::nullopt);
  stage.Do(RollBackRollout{kRollout, "worse"});
  stage.Settle();
  stage.Report(1, UpdateState::kDone);
  EXPECT_EQ(stage.rollout().state, RolloutState::kRolledBack);
  EXPECT_EQ(stage.rollout().rollback, kRollback);
}

TEST(DeleteRolloutTest, LetsThePackageGoThatItNamed) {
  for (const bool planned : {false, true}) {
    Stage stage(1);
    RolloutSpec spec = MakeSpec();
    stage.Do(CreateRollout{kRollout, spec});
    if (planned) stage.Plan();
    const DriverDeleted remove{spec.driver};
    EXPECT_EQ(Reason(stage.Try(remove)), "DRIVER_IN_USE");
    stage.Do(DeleteRollout{kRollout});
    EXPECT_EQ(stage.Try(remove), absl::OkStatus());
  }
}

// A rollback's hosts need the old one until it has ended.
TEST(DeleteRolloutTest, NeverTakesAPackageFromARollback) {
  Stage stage = Succeeded();
  stage.Do(RollBackRollout{kRollout, "worse"});
  stage.Settle();
  EXPECT_EQ(Reason(stage.Try(DriverDeleted{kOldDriver})), "DRIVER_IN_USE");
  EXPECT_EQ(Reason(stage.Try(DeleteRollout{kRollout})), "ROLLBACK_EXISTS");
}

TEST(DeleteRolloutTest, ARepeatIsNotAnsweredWithAnotherRolloutOfThatName) {
  Stage stage(1);
  const CreateRollout create{kRollout, MakeSpec(), "create"};
  stage.Do(create);
  std::vector<EventBody> first = {create, PlanRollout{kRollout, "", "plan"}};
  stage.Do(first.back());
  const std::string digest = stage.rollout().plan->digest;
  first.push_back(StartRollout{kRollout, digest, "", "start"});
  stage.Do(first.back());
  first.push_back(SkipUpdate{kRollout, HostName(1), "why", "skip"});
  stage.Do(first.back());
  first.push_back(AbortRollout{kRollout, "why", "", "abort"});
  stage.Do(first.back());
  const DeleteRollout remove{kRollout, "", "delete"};
  stage.Do(remove);

  const auto expect_deleted = [&] {
    for (const EventBody& event : first) {
      const absl::Status status = stage.Try(event);
      EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << event.index();
      EXPECT_EQ(Reason(status), "ROLLOUT_DELETED") << event.index();
    }
  };
  expect_deleted();
  const CreateRollout again{kRollout, MakeSpec(), "create again"};
  stage.Do(again);
  expect_deleted();
  // What was done is done, and harms nobody else.
  EXPECT_TRUE(stage.Do(remove).empty());
  EXPECT_TRUE(stage.Do(again).empty());
  EXPECT_EQ(stage.rollout().state, RolloutState::kDraft);
}

TEST(DeleteRolloutTest, MakesRoomForAnother) {
  Stage stage(1);
  Fleet fleet = stage.fleet();
  for (size_t i = 0; i < kRolloutsMax; ++i) {
    const std::string name = absl::StrCat("rollouts/old-", i);
    fleet.rollouts[name].name = name;
  }
  const auto apply = [&](const EventBody& body) {
    return Apply({fleet.now, "alice", body}, fleet).status();
  };
  const CreateRollout create{kRollout, MakeSpec()};
  const absl::Status full = apply(create);
  EXPECT_EQ(Reason(full), "TOO_MANY_ROLLOUTS");
  EXPECT_TRUE(absl::StrContains(full.message(), "want some deleted")) << full;
  EXPECT_EQ(apply(DeleteRollout{"rollouts/old-7"}), absl::OkStatus());
  EXPECT_EQ(apply(create), absl::OkStatus());
}

// All in one turn: what is left is the later rollout's alone.
TEST(DeleteRolloutTest, WhatChangedOfItBeforeInTheSameTurnIsForgotten) {
  Stage stage(1);
  Changes turn;
  const auto add = [&](EventBody body) {
    turn.Merge(stage.Do(std::move(body)));
  };
  add(CreateRollout{kRollout, MakeSpec()});
  add(PlanRollout{kRollout});
  add(StartRollout{kRollout, stage.rollout().plan->digest});
  add(AdmitHost{kRollout, HostName(1), 1});
  add(UpdateReported{HostName(1), stage.host(1).stream,
                     stage.ReportOf(1, UpdateState::kCancelled)});
  add(FinishRollout{kRollout});
  EXPECT_EQ(turn.capsules.size(), 1u);
  add(DeleteRollout{kRollout});
  EXPECT_TRUE(turn.capsules.empty());
  EXPECT_TRUE(turn.updates.empty());
  EXPECT_TRUE(turn.started.empty());
  add(CreateRollout{kRollout, MakeSpec()});
  add(PlanRollout{kRollout});
  add(StartRollout{kRollout, stage.rollout().plan->digest});
  EXPECT_EQ(turn.started, std::set<std::string>{kRollout});
  EXPECT_EQ(turn.deleted, std::set<std::string>{kRollout});
}

}  // namespace
}  // namespace baton::core
