#include "service/core/apply.h"

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "service/core/errors.h"
#include "service/core/gates.h"
#include "tests/support/stage.h"

namespace baton::core {
namespace {

using support::HostName;
using support::kNewDriver;
using support::kRollout;
using support::MakeInventory;
using support::MakeSpec;
using support::Stage;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(ApplyTest, AnswersEachReportInEachUpdateState) {
  constexpr UpdateState kStates[] = {
      UpdateState::kPending,    UpdateState::kRunning,
      UpdateState::kDone,       UpdateState::kCancelled,
      UpdateState::kRolledBack, UpdateState::kQuarantined,
      UpdateState::kSkipped};
  for (const UpdateState state : kStates) {
    for (const UpdateState said : kStates) {
      SCOPED_TRACE(testing::Message()
                   << Name(said) << " reported while " << Name(state));
      // One host at a time: the second one is pending.
      Stage stage(2);
      stage.Start(MakeSpec());
      int number = 1;
      UpdateReport report = stage.ReportOf(1, said);
      if (state == UpdateState::kPending || state == UpdateState::kSkipped) {
        number = 2;
        if (state == UpdateState::kSkipped) {
          stage.Do(AbortRollout{kRollout, "enough"});
        }
      } else if (state != UpdateState::kRunning) {
        stage.Report(1, state);
        report.sequence += 1;
      }
      const Update before = stage.update(number);
      ASSERT_EQ(before.state, state);

      const absl::Status status = stage.Try(
          UpdateReported{HostName(number), stage.host(number).stream, report});
      std::string want;
      UpdateState after = state;
      if (said == UpdateState::kPending || said == UpdateState::kSkipped) {
        want = "BAD_REPORT";
      } else if (number == 2) {
        want = "ATTEMPT_UNKNOWN";
      } else if (state == UpdateState::kRunning) {
        after = said;
      } else if (state != said) {
        want = "UPDATE_ENDED";
      }
      EXPECT_EQ(Reason(status), want) << status;
      EXPECT_EQ(stage.update(number).state, after);
      if (state != UpdateState::kRunning) {
        EXPECT_EQ(stage.update(number), before);
      }
    }
  }
}

TEST(ApplyTest, FreesTheSlotByAFinalReportOnly) {
  Stage stage(1);
  stage.Start(MakeSpec());
  EXPECT_EQ(stage.host(1).rollout, kRollout);
  EXPECT_EQ(StateOf(stage.host(1)), HostState::kUpdating);
  stage.Report(1, UpdateState::kRunning);
  stage.Disconnect(1);
  stage.Advance(absl::Hours(1000));
  EXPECT_EQ(stage.host(1).rollout, kRollout);
  EXPECT_EQ(StateOf(stage.host(1)), HostState::kUpdating);
  stage.Connect(1);
  stage.Report(1, UpdateState::kRolledBack);
  EXPECT_EQ(stage.host(1).rollout, "");
  EXPECT_EQ(StateOf(stage.host(1)), HostState::kReady);
}

TEST(ApplyTest, IgnoresReportsThatAreOlderThanTheLast) {
  Stage stage(1);
  stage.Start(MakeSpec());
  const UpdateReport first = stage.ReportOf(1, UpdateState::kRunning);
  UpdateReport second = first;
  second.sequence = 2;
  second.past_no_return = true;
  second.step = Step::kUnload;
  const uint64_t stream = stage.host(1).stream;
  stage.Do(UpdateReported{HostName(1), stream, second});
  const Update before = stage.update(1);
  const Changes changes = stage.Do(UpdateReported{HostName(1), stream, first});
  EXPECT_TRUE(changes.empty());
  EXPECT_EQ(stage.update(1), before);
}

// ./dev sim --hosts 3 --seed 8: the host rebooted in mid-update, and its agent
// went on from a journal that knew of fewer reports.
TEST(Regression, AnEndIsTakenThoughItsSequenceIsOlder) {
  Stage stage(1);
  stage.Start(MakeSpec());
  UpdateReport report = stage.ReportOf(1, UpdateState::kRunning);
  report.sequence = 20;
  report.past_no_return = true;
  const uint64_t stream = stage.host(1).stream;
  stage.Do(UpdateReported{HostName(1), stream, report});
  report.sequence = 9;
  report.state = UpdateState::kQuarantined;
  report.reason = "SHIM_RESTARTED";
  stage.Do(UpdateReported{HostName(1), stream, report});
  EXPECT_EQ(stage.update(1).state, UpdateState::kQuarantined);
  EXPECT_EQ(stage.host(1).rollout, "");
}

// ./dev sim --hosts 5 --seed 170: the agent was asked to say hello for ever.
TEST(Regression, AnAttemptThatAnOlderStoreForgotIsLeftAsideAfterTheHello) {
  Stage stage(2);
  stage.Start(MakeSpec());
  ASSERT_EQ(stage.update(2).attempt, 0u);
  HostConnected hello;
  hello.host = HostName(2);
  hello.stream = 1000;
  hello.labels = {{"zone", "even"}};
  hello.inventory = support::MakeInventory("1.0");
  hello.finished_attempt = 1;
  hello.finished_rollout = kRollout;
  stage.Do(hello, "agent:host-2");
  UpdateReport report = stage.ReportOf(1, UpdateState::kCancelled);
  report.attempt = 1;
  const absl::Status status =
      stage.Try(UpdateReported{HostName(2), hello.stream, report});
  EXPECT_EQ(Reason(status), "STALE_ATTEMPT") << status;
  EXPECT_TRUE(IsFinal(status));
}

TEST(ApplyTest, RefusesReportsOfOtherAttemptsStreamsAndUpdates) {
  Stage stage(2);
  stage.Start(MakeSpec());
  const uint64_t stream = stage.host(1).stream;
  const UpdateReport report = stage.ReportOf(1, UpdateState::kDone);
  struct Row {
    std::function<void(UpdateReported&)> spoil;
    absl::StatusCode code;
    std::string reason;
  };
  const Row rows[] = {
      {[](auto& r) { r.host = "hosts/none"; }, absl::StatusCode::kNotFound,
       "HOST_NOT_FOUND"},
      {[](auto& r) { r.stream += 1; }, absl::StatusCode::kAborted,
       "STREAM_REPLACED"},
      {[](auto& r) { r.stream = 0; }, absl::StatusCode::kAborted,
       "STREAM_REPLACED"},
      {[](auto& r) { r.report.rollout = "rollouts/none"; },
       absl::StatusCode::kFailedPrecondition, "ATTEMPT_UNKNOWN"},
      {[](auto& r) {
         r.report.rollout = "rollouts/none";
         r.report.attempt = 0;
       },
       absl::StatusCode::kNotFound, "UPDATE_NOT_FOUND"},
      {[](auto& r) { r.report.attempt += 1; },
       absl::StatusCode::kFailedPrecondition, "ATTEMPT_UNKNOWN"},
      {[](auto& r) { r.report.attempt -= 1; }, absl::StatusCode::kAborted,
       "STALE_ATTEMPT"},
      {[](auto& r) { r.report.sequence = 0; },
       absl::StatusCode::kInvalidArgument, "BAD_REPORT"},
      {[](auto& r) { r.report.steps.resize(1000); },
       absl::StatusCode::kInvalidArgument, "BAD_REPORT"},
      {[](auto& r) { r.report.vgpus.resize(10'000); },
       absl::StatusCode::kInvalidArgument, "BAD_REPORT"},
  };
  for (const Row& row : rows) {
    UpdateReported event{HostName(1), stream, report};
    row.spoil(event);
    const absl::Status status = stage.Try(event);
    EXPECT_EQ(status.code(), row.code) << status;
    EXPECT_EQ(Reason(status), row.reason) << status;
  }
}

TEST(ApplyTest, QuarantinesAHostWhoseReportContradictsItself) {
  const std::vector<std::pair<UpdateState, std::function<void(UpdateReport&)>>>
      rows = {
          {UpdateState::kDone, [](auto& r) { r.vgpus[1].preserved = false; }},
          {UpdateState::kDone, [](auto& r) { r.past_no_return = false; }},
          {UpdateState::kCancelled, [](auto& r) { r.past_no_return = true; }},
          {UpdateState::kCancelled,
           [](auto& r) { r.vgpus[0].preserved = false; }},
          {UpdateState::kRolledBack, [](auto& r) { r.past_no_return = false; }},
          {UpdateState::kRolledBack,
           [](auto& r) { r.vgpus[0].preserved = false; }},
      };
  for (const auto& [state, spoil] : rows) {
    Stage stage(1);
    stage.Start(MakeSpec());
    UpdateReport report = stage.ReportOf(1, state);
    spoil(report);
    stage.Do(UpdateReported{HostName(1), stage.host(1).stream, report});
    EXPECT_EQ(stage.update(1).state, UpdateState::kQuarantined);
    EXPECT_EQ(stage.update(1).reason, "REPORT_CONTRADICTS");
    EXPECT_EQ(StateOf(stage.host(1)), HostState::kQuarantined);
  }
}

TEST(ApplyTest, KeepsAQuarantinedHostQuarantined) {
  Stage stage(1);
  stage.Start(MakeSpec());
  stage.Report(1, UpdateState::kQuarantined);
  EXPECT_EQ(StateOf(stage.host(1)), HostState::kQuarantined);
  stage.Disconnect(1);
  stage.Connect(1, "2.0");
  stage.Do(CordonHost{HostName(1), "look"});
  stage.Do(UncordonHost{HostName(1)});
  EXPECT_EQ(StateOf(stage.host(1)), HostState::kQuarantined);
}

TEST(ApplyTest, CreatesARolloutOnceAndOnlyOfWhatIsKnown) {
  Stage stage(1);
  RolloutSpec spec = MakeSpec();
  stage.Do(CreateRollout{kRollout, spec}, "alice");
  EXPECT_EQ(stage.rollout().state, RolloutState::kDraft);
  EXPECT_EQ(stage.rollout().author, "alice");
  absl::Status status = stage.Try(CreateRollout{kRollout, spec});
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Reason(status), "ROLLOUT_EXISTS");
  spec.driver = "drivers/softgpu/versions/9.9";
  EXPECT_EQ(Reason(stage.Try(CreateRollout{"rollouts/s", spec})),
            "DRIVER_NOT_FOUND");
  EXPECT_EQ(Reason(stage.Try(CreateRollout{"s", MakeSpec()})), "BAD_NAME");
  EXPECT_EQ(Reason(stage.Try(PlanRollout{"rollouts/none"})),
            "ROLLOUT_NOT_FOUND");
}

TEST(ApplyTest, StartsWhatWasReviewedOrSaysWhatDiffers) {
  Stage stage(3);
  stage.Do(CreateRollout{kRollout, MakeSpec()});
  stage.Plan();
  const std::string digest = stage.rollout().plan->digest;
  absl::Status status = stage.Try(StartRollout{kRollout, "sha256:0"});
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Reason(status), "PLAN_CHANGED");

  stage.Do(CordonHost{HostName(2), "disk"});
  status = stage.Try(StartRollout{kRollout, digest});
  EXPECT_EQ(Reason(status), "PLAN_CHANGED");
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("'hosts/host-2' is blocked: HOST_CORDONED"));

  stage.Do(UncordonHost{HostName(2)});
  stage.Do(StartRollout{kRollout, digest});
}

TEST(ApplyTest, LetsNoTwoRolloutsHoldOneHost) {
  Stage stage(2);
  const std::string other = "rollouts/other";
  stage.Do(CreateRollout{kRollout, MakeSpec()});
  stage.Do(CreateRollout{other, MakeSpec()});
  stage.Plan(kRollout);
  stage.Plan(other);
  const std::string digest = stage.rollout(other).plan->digest;
  stage.Do(StartRollout{kRollout, stage.rollout().plan->digest});
  EXPECT_EQ(Reason(stage.Try(StartRollout{other, digest})), "PLAN_CHANGED");
  EXPECT_EQ(Reason(stage.Try(PlanRollout{other})), "EMPTY_SELECTION");
}

TEST(ApplyTest, RefusesARequestIdOfAnotherRequest) {
  Stage stage(1);
  stage.Do(CordonHost{HostName(1), "disk", "", "id-3"});
  const absl::Status status =
      stage.Try(CordonHost{HostName(1), "another reason", "", "id-3"});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Reason(status), "REQUEST_ID_REUSED");
  EXPECT_EQ(Reason(stage.Try(
                CordonHost{HostName(1), "disk", "", std::string(65, 'x')})),
            "BAD_REQUEST_ID");
}

// Bob was told that he had approved it, and had not.
TEST(Regression, AnApprovalUnderSomebodyElsesRequestIdIsNoRepeat) {
  Stage stage(1);
  RolloutSpec spec = MakeSpec();
  spec.waves = {{"all", WaveSize::kRest}};
  spec.waves[0].approvals = 2;
  stage.Start(spec);
  ApproveRollout approve{kRollout, stage.rollout().plan->digest};
  approve.request_id = "nightly";
  stage.Do(approve, "bob");
  EXPECT_TRUE(stage.Do(approve, "bob").empty());
  EXPECT_EQ(Reason(stage.Try(approve, "carol")), "REQUEST_ID_REUSED");
  EXPECT_EQ(stage.rollout().approvals.size(), 1u);
}

TEST(ApplyTest, RemembersARefusedRequestNot) {
  Stage stage(1);
  const CordonHost request{HostName(2), "disk", "", "id"};
  EXPECT_EQ(Reason(stage.Try(request)), "HOST_NOT_FOUND");
  stage.Connect(2);
  EXPECT_FALSE(stage.Do(request).empty());
}

TEST(ApplyTest, ForgetsTheOldestRequests) {
  Fleet fleet = Stage(1).fleet();
  const auto cordon = [&](int id) {
    const std::string text = std::to_string(id);
    const EventBody bodies[] = {CordonHost{HostName(1), "disk", "", "c" + text},
                                UncordonHost{HostName(1), "", "u" + text}};
    for (const EventBody& body : bodies) {
      ASSERT_TRUE(Apply({fleet.now, "alice", body}, fleet).ok());
    }
  };
  for (int id = 0; id < static_cast<int>(kRequestsMax) / 2; ++id) cordon(id);
  EXPECT_EQ(fleet.requests.size(), kRequestsMax);
  EXPECT_EQ(fleet.requests.count("c0"), 1u);
  cordon(-1);
  EXPECT_EQ(fleet.requests.size(), kRequestsMax);
  EXPECT_EQ(fleet.requests.count("c0"), 0u);
  EXPECT_EQ(fleet.requests.count("u0"), 0u);
}

TEST(ApplyTest, CordonsAndLabelsAHost) {
  Stage stage(1);
  stage.Do(CordonHost{HostName(1), "disk"}, "bob");
  EXPECT_EQ(stage.host(1).cordon->by, "bob");
  EXPECT_EQ(Reason(stage.Try(CordonHost{HostName(1), "again"})),
            "HOST_CORDONED");
  stage.Do(UncordonHost{HostName(1)});
  EXPECT_EQ(Reason(stage.Try(UncordonHost{HostName(1)})), "HOST_NOT_CORDONED");
  stage.Do(UpdateHostLabels{HostName(1), {{"zone", "mine"}}});
  EXPECT_EQ(LabelsOf(stage.host(1)), (Labels{{"zone", "mine"}}));
  EXPECT_TRUE(
      stage.Do(UpdateHostLabels{HostName(1), {{"zone", "mine"}}}).empty());
  stage.Do(UpdateHostLabels{HostName(1), {}});
  EXPECT_EQ(LabelsOf(stage.host(1)), (Labels{{"zone", "odd"}}));
  EXPECT_EQ(Reason(stage.Try(UpdateHostLabels{HostName(1), {{"a b", ""}}})),
            "BAD_LABELS");
  Labels many;
  for (int i = 0; i < 65; ++i) many["k" + std::to_string(i)] = "";
  EXPECT_EQ(Reason(stage.Try(UpdateHostLabels{HostName(1), many})),
            "BAD_LABELS");
  EXPECT_EQ(Reason(stage.Try(CordonHost{HostName(1), ""})), "BAD_REASON");
  EXPECT_EQ(Reason(stage.Try(CordonHost{HostName(1), std::string(1025, 'x')})),
            "BAD_REASON");
  EXPECT_EQ(Reason(stage.Try(CordonHost{"hosts/none", "disk"})),
            "HOST_NOT_FOUND");
}

TEST(ApplyTest, StoresADriverOnceAndDeletesItUnlessNeeded) {
  Stage stage(1);
  EXPECT_TRUE(stage.Do(DriverStored{support::MakeDriver("2.0")}).empty());
  Driver other = support::MakeDriver("2.0");
  other.digest = support::MakeDriver("3.0").digest;
  EXPECT_EQ(Reason(stage.Try(DriverStored{other})), "DRIVER_EXISTS");

  stage.Do(CreateRollout{kRollout, MakeSpec()});
  EXPECT_EQ(Reason(stage.Try(DriverDeleted{kNewDriver})), "DRIVER_IN_USE");
  stage.Do(AbortRollout{kRollout, "enough"});
  stage.Do(DriverDeleted{kNewDriver});
  EXPECT_EQ(FindDriver(stage.fleet(), kNewDriver), nullptr);
  EXPECT_EQ(Reason(stage.Try(DriverDeleted{kNewDriver})), "DRIVER_NOT_FOUND");
}

// Its hosts would have waited for it for ever.
TEST(Regression, ADriverThatARollbackBringsIsNotDeleted) {
  Stage stage(1);
  stage.Start(MakeSpec());
  stage.Report(1, UpdateState::kDone);
  stage.Do(RollBackRollout{kRollout, "worse"});
  stage.Settle();
  EXPECT_EQ(Reason(stage.Try(DriverDeleted{support::kOldDriver})),
            "DRIVER_IN_USE");
  stage.Report(1, UpdateState::kDone);
  stage.Do(DriverDeleted{support::kOldDriver});
}

TEST(ApplyTest, RefusesADriverThatIsNotWhole) {
  Stage stage(0);
  const std::function<void(Driver&)> spoils[] = {
      [](Driver& d) { d.name = "drivers/softgpu/versions/3.1"; },
      [](Driver& d) { d.digest = "sha256:0"; },
      [](Driver& d) { d.size_bytes = 0; },
      [](Driver& d) { d.manifest.pci_ids.clear(); },
      [](Driver& d) { d.manifest.state_format_writes = 0; },
      [](Driver& d) { d.manifest.state_format_reads.clear(); }};
  for (const auto& spoil : spoils) {
    Driver driver = support::MakeDriver("3.0");
    spoil(driver);
    EXPECT_EQ(Reason(stage.Try(DriverStored{driver})), "BAD_DRIVER");
  }
}

TEST(ApplyTest, TakesAHostInOnceForEachStream) {
  Stage stage(1);
  const uint64_t first = stage.host(1).stream;
  const uint64_t sequence = stage.fleet().audit_sequence;
  stage.Connect(1);
  EXPECT_NE(stage.host(1).stream, first);
  // Nothing to be stored is new.
  EXPECT_EQ(stage.fleet().audit_sequence, sequence);
  // The end of the old stream is not the end of the new one.
  stage.Do(HostDisconnected{HostName(1), first});
  EXPECT_TRUE(stage.host(1).connected());
  EXPECT_EQ(Reason(stage.Try(HostHeard{HostName(1), first})),
            "STREAM_REPLACED");
}

// It took the name over, and was given the updates of the other.
TEST(Regression, AHostThatIsConnectedKeepsItsName) {
  Stage stage(1);
  HostConnected twin;
  twin.host = HostName(1);
  twin.stream = 99;
  twin.boot_id = "boot-of-another";
  twin.inventory = support::MakeInventory("1.0");
  const absl::Status status = stage.Try(twin);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Reason(status), "HOST_NAME_TAKEN");
  // One that was restarted comes back.
  stage.Disconnect(1);
  stage.Do(twin);
  EXPECT_EQ(stage.host(1).stream, 99u);
}

TEST(ApplyTest, RefusesAHelloThatDoesNotFit) {
  Stage stage(0);
  const HostConnected good{"hosts/h", 7, "boot", "0.1", {}, Inventory{}, 1, 3};
  struct Row {
    std::function<void(HostConnected&)> spoil;
    std::string reason;
  };
  const Row rows[] = {
      {[](auto& h) { h.host = "h"; }, "BAD_NAME"},
      {[](auto& h) { h.stream = 0; }, "BAD_REPORT"},
      {[](auto& h) {
         h.labels = {{"", ""}};
       },
       "BAD_LABELS"},
      {[](auto& h) { h.epoch = 2'000'000; }, "SERVICE_BEHIND"},
      {[](auto& h) { h.finished_attempt = ~uint64_t{0}; }, "BAD_REPORT"},
      {[](auto& h) { h.running_attempt = ~uint64_t{0}; }, "BAD_REPORT"},
      {[](auto& h) { h.inventory->adapters.resize(65); }, "BAD_REPORT"},
  };
  for (const Row& row : rows) {
    HostConnected hello = good;
    row.spoil(hello);
    EXPECT_EQ(Reason(stage.Try(hello)), row.reason);
  }
  stage.Do(good);
  // Attempts go on from what the host finished under an earlier service.
  EXPECT_EQ(stage.fleet().hosts.at("hosts/h").attempt, 3u);
}

// What an agent has finished, against attempt 1 of kRollout that holds its
// slot. Where it can never report that, the slot is not held for ever.
TEST(ApplyTest, EndsAnAttemptThatTheAgentsJournalRulesOut) {
  struct Row {
    uint64_t attempt;
    std::string rollout;
    bool ends;
  };
  const Row rows[] = {{0, "", false},
                      {1, "", false},  // asked again, it will show its end
                      {1, kRollout, false},
                      {1, "rollouts/elsewhere", true},
                      {2, "", true},
                      {2, kRollout, true},
                      {900, "rollouts/elsewhere", true}};
  for (const Row& row : rows) {
    SCOPED_TRACE(testing::Message() << row.attempt << " of " << row.rollout);
    Stage stage(2);
    stage.Start(MakeSpec());
    ASSERT_EQ(stage.update(1).attempt, 1u);
    const uint64_t records = stage.fleet().audit_sequence;
    HostConnected hello;
    hello.host = HostName(1);
    hello.stream = 1000;
    hello.inventory = stage.host(1).inventory.Get();
    hello.finished_attempt = row.attempt;
    hello.finished_rollout = row.rollout;
    stage.Do(hello);
    EXPECT_GT(stage.fleet().audit_sequence, records);
    const Host& host = stage.host(1);
    EXPECT_EQ(host.attempt, std::max<uint64_t>(row.attempt, 1));
    EXPECT_EQ(host.rollout, row.ends ? "" : kRollout);
    EXPECT_EQ(host.quarantine.has_value(), row.ends);
    EXPECT_EQ(stage.update(1).state,
              row.ends ? UpdateState::kQuarantined : UpdateState::kRunning);
    EXPECT_EQ(stage.update(1).reason, row.ends ? "ATTEMPT_UNKNOWN" : "");
    // The host is still out of service: nobody takes its place.
    EXPECT_EQ(stage.update(2).state, UpdateState::kPending);
  }
}

// What an agent knows, against a store of epoch 1 that gave attempt 1 out to
// the first host, and none to the second.
TEST(ApplyTest, TakesAnAgentThatKnowsMoreForASignOfAnOlderStore) {
  struct Row {
    int host;
    uint64_t epoch;
    uint64_t finished;
    uint64_t running;
    uint64_t epoch_then;
    bool quarantined;
  };
  const Row rows[] = {
      {2, 9, 0, 0, 10, false},  // it was restarted more often since
      {2, 1, 4, 0, 1, false},   // it gave more attempts out
      {2, 1, 3, 4, 1, true},    // one of them is under way
      {3, 1, 0, 1, 1, true},    // to a host that is not known any more
      {1, 9, 0, 1, 10, false},  // its own attempt goes on
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(testing::Message() << "host " << row.host << " epoch "
                                    << row.epoch << " running " << row.running);
    Stage stage(2);
    stage.Start(MakeSpec());
    ASSERT_EQ(stage.fleet().epoch, 1u);
    HostConnected hello;
    hello.host = HostName(row.host);
    hello.stream = 1000;
    hello.inventory = MakeInventory("1.0");
    hello.epoch = row.epoch;
    hello.finished_attempt = row.finished;
    hello.running_attempt = row.running;
    stage.Do(hello);
    stage.Settle();
    const Fleet& fleet = stage.fleet();
    EXPECT_EQ(fleet.epoch, row.epoch_then);
    EXPECT_EQ(fleet.revision >> 32, row.epoch_then);
    ASSERT_TRUE(fleet.emergency_stop.has_value());
    EXPECT_EQ(fleet.emergency_stop->by, kServiceActor);
    const Host& host = stage.host(row.host);
    EXPECT_EQ(host.attempt, std::max(row.finished, row.running));
    EXPECT_EQ(host.quarantine.has_value(), row.quarantined);
    if (row.quarantined) {
      EXPECT_EQ(host.quarantine->reason, "STORE_IS_OLDER");
    }
    // What is under way goes on; nothing else starts.
    EXPECT_EQ(stage.update(1).state, UpdateState::kRunning);
    stage.Report(1, UpdateState::kDone);
    const bool left_out = row.quarantined && row.host == 2;
    EXPECT_EQ(stage.update(2).state,
              left_out ? UpdateState::kSkipped : UpdateState::kPending);
    EXPECT_EQ(RolloutGates(fleet, stage.rollout()).front().reason,
              "STORE_IS_OLDER");
  }
}

// Its gate is closed, whatever the store has forgotten.
TEST(Regression, WhoseForgottenAttemptEndedQuarantinedIsNotReady) {
  struct Row {
    int host;
    uint64_t finished;
    bool quarantined;  // ended so
    bool then;         // the host is
    bool stopped;      // the fleet is
  };
  const Row rows[] = {
      {2, 4, true, true, true},    // it was given out and forgotten
      {2, 4, false, false, true},  // it ended well
      {2, 0, false, false, false},
      // The host is not known: forgotten with it, or deleted.
      {3, 4, true, true, false},
      {3, 4, false, false, false},
      // Known, and lifted by somebody since.
      {1, 1, true, false, false},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(testing::Message()
                 << "host " << row.host << " finished " << row.finished);
    Stage stage(2);
    stage.Start(MakeSpec());
    HostConnected hello;
    hello.host = HostName(row.host);
    hello.stream = 1000;
    hello.inventory = MakeInventory("1.0");
    hello.epoch = 1;
    hello.finished_attempt = row.finished;
    hello.finished_quarantined = row.quarantined;
    stage.Do(hello);
    stage.Settle();
    const Host& host = stage.host(row.host);
    EXPECT_EQ(stage.fleet().emergency_stop.has_value(), row.stopped);
    EXPECT_EQ(host.quarantine.has_value(), row.then);
    if (!row.then) continue;
    EXPECT_EQ(host.quarantine->reason, "STORE_IS_OLDER");
    EXPECT_EQ(host.quarantine->message,
              absl::StrCat("'", host.name.str(),
                           "' has finished attempt 4 QUARANTINED, the last one "
                           "known is 0"));
  }
}

TEST(ApplyTest, TakesAnAgentThatKnowsNoMoreForNoSign) {
  struct Row {
    int host;
    uint64_t finished;
    uint64_t running;
  };
  // The last one may have been deleted here.
  const Row rows[] = {{1, 0, 1}, {1, 1, 0}, {2, 0, 0}, {3, 7, 0}};
  for (const Row& row : rows) {
    Stage stage(2);
    stage.Start(MakeSpec());
    HostConnected hello;
    hello.host = HostName(row.host);
    hello.stream = 1000;
    hello.inventory = MakeInventory("1.0");
    hello.epoch = 1;
    hello.finished_attempt = row.finished;
    hello.running_attempt = row.running;
    stage.Do(hello);
    stage.Settle();
    EXPECT_FALSE(stage.fleet().emergency_stop.has_value()) << row.host;
    EXPECT_FALSE(stage.host(row.host).quarantine.has_value()) << row.host;
  }
}

TEST(ApplyTest, AsksOnceAProcessWhetherTheStoreIsToBeTrusted) {
  Stage stage(3);
  stage.Start(MakeSpec());
  stage.Do(EmergencyStop{"a drill"}, "bob");
  const auto hello = [&](int number, uint64_t epoch) {
    HostConnected said;
    said.host = HostName(number);
    said.stream = 1000 + epoch;
    said.inventory = MakeInventory("1.0");
    said.epoch = epoch;
    return said;
  };
  stage.Do(hello(2, 5));
  stage.Settle();
  EXPECT_EQ(stage.fleet().epoch, 6u);
  // Bob's own stop stays his; once he lifts it the question is asked.
  EXPECT_EQ(stage.fleet().emergency_stop->by, "bob");
  stage.Do(LiftEmergencyStop{"over"}, "bob");
  stage.Settle();
  ASSERT_TRUE(stage.fleet().emergency_stop.has_value());
  EXPECT_EQ(stage.fleet().emergency_stop->by, kServiceActor);
  stage.Do(LiftEmergencyStop{"we looked"}, "bob");
  stage.Settle();
  EXPECT_FALSE(stage.fleet().emergency_stop.has_value());
  // Others of the same fleet come later, and are answered by the same word.
  stage.Do(hello(3, 8));
  stage.Settle();
  EXPECT_EQ(stage.fleet().epoch, 9u);
  EXPECT_FALSE(stage.fleet().emergency_stop.has_value());
}

TEST(ApplyTest, KeepsAnInventoryThatIsNamedAlone) {
  Stage stage(1);
  HostConnected hello;
  hello.host = HostName(1);
  hello.stream = 1000;
  hello.inventory = MakeInventory("1.0");
  hello.inventory_digest = "a";
  stage.Do(hello);
  const uint64_t records = stage.fleet().audit_sequence;
  hello.inventory.reset();
  hello.stream = 1001;
  stage.Do(hello);
  EXPECT_EQ(stage.fleet().audit_sequence, records);
  EXPECT_EQ(stage.host(1).inventory, KeptInventory(MakeInventory("1.0")));
  // One that is not known is kept as it is until it is told.
  hello.inventory_digest = "b";
  hello.stream = 1002;
  stage.Do(hello);
  EXPECT_EQ(stage.host(1).inventory_digest, "a");
  // Whoever was never heard of has none.
  hello.host = HostName(2);
  stage.Do(hello);
  EXPECT_EQ(StateOf(stage.host(2)), HostState::kUnhealthy);
}

TEST(ApplyTest, TakesTheDifferenceOfTwoInventories) {
  Stage stage(1);
  HostConnected hello;
  hello.host = HostName(1);
  hello.stream = 1000;
  hello.inventory = MakeInventory("1.0");
  hello.inventory->adapters.push_back({.name = "gpu7"});
  hello.inventory_digest = "a";
  stage.Do(hello);
  HostHeard heard{.host = HostName(1), .stream = 1000};
  heard.change = InventoryChange{"x", "b", {}, {}, {}};
  EXPECT_EQ(Reason(stage.Try(heard)), "INVENTORY_UNKNOWN");
  heard.change = InventoryChange{
      "a", "b", MakeInventory("2.0").adapters, {"gpu7"}, {.fault = "hot"}};
  stage.Do(heard);
  // Whatever else there is was told anew, and nothing but the fault was said.
  const Inventory want = {.adapters = MakeInventory("2.0").adapters,
                          .fault = "hot"};
  EXPECT_EQ(stage.host(1).inventory, KeptInventory(want));
  EXPECT_EQ(stage.host(1).inventory_digest, "b");
}

TEST(ApplyTest, SkipsTheRestAndCancelsWhatRunsOnAbort) {
  Stage stage(2);
  stage.Start(MakeSpec());
  stage.Do(AbortRollout{kRollout, "enough"}, "bob");
  EXPECT_EQ(stage.rollout().state, RolloutState::kAborting);
  EXPECT_EQ(stage.rollout().reason, "ABORTED_BY_OPERATOR");
  EXPECT_EQ(stage.rollout().message, "aborted by 'bob': enough");
  EXPECT_EQ(stage.update(1).cancel, Cancel::kEnds);
  EXPECT_EQ(stage.update(2).state, UpdateState::kSkipped);
  stage.Report(1, UpdateState::kCancelled);
  EXPECT_EQ(stage.rollout().state, RolloutState::kAborted);
}

TEST(ApplyTest, ResumesPastFailuresOnlyWhenTheyAreAccepted) {
  Stage stage(3);
  stage.Start(MakeSpec());
  stage.Report(1, UpdateState::kCancelled);
  EXPECT_EQ(stage.rollout().state, RolloutState::kHeld);
  EXPECT_EQ(stage.rollout().reason, "FAILURE_TOLERANCE_EXCEEDED");
  const absl::Status status = stage.Try(ResumeRollout{kRollout});
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Reason(status), "FAILURE_TOLERANCE_EXCEEDED");
  stage.Do(ResumeRollout{kRollout, true});
  stage.Settle();
  EXPECT_EQ(stage.rollout().state, RolloutState::kRunning);
  EXPECT_EQ(stage.update(2).state, UpdateState::kRunning);
  // It counts from here: one more is too many again.
  stage.Report(2, UpdateState::kRolledBack);
  EXPECT_EQ(stage.rollout().state, RolloutState::kHeld);
}

TEST(ApplyTest, ChecksTheServicesOwnDecisionsToo) {
  Stage stage(3);
  RolloutSpec spec = MakeSpec();
  spec.waves = {{"", WaveSize::kHosts, 1, absl::Minutes(1)},
                {"", WaveSize::kRest}};
  stage.Start(spec);
  const std::vector<EventBody> decisions = {
      AdmitHost{kRollout, HostName(2), 1},   // a wave too early
      AdmitHost{kRollout, HostName(1), 2},   // runs already
      SkipHost{kRollout, HostName(1), "X"},  // runs already
      EnforceLimits{kRollout},
      EndWave{kRollout},
      AdvanceWave{kRollout},
      FinishRollout{kRollout},
      LoseHost{HostName(1), stage.host(1).stream}};
  for (const EventBody& decision : decisions) {
    EXPECT_EQ(Reason(stage.Try(decision)), "DECISION_OVERTAKEN")
        << decision.index();
  }
  stage.Report(1, UpdateState::kDone);
  EXPECT_EQ(Reason(stage.Try(AdvanceWave{kRollout})), "DECISION_OVERTAKEN");
  stage.Advance(absl::Minutes(1));
  EXPECT_EQ(stage.rollout().wave, 1u);
  // The budget is one: the other host of the wave has to wait.
  EXPECT_EQ(Reason(stage.Try(AdmitHost{kRollout, HostName(3), 1})),
            "DECISION_OVERTAKEN");
}

TEST(ApplyTest, GrowsTheEpochAndTheRevisionWithEachStart) {
  Stage stage(1);
  const uint64_t revision = stage.fleet().revision;
  stage.Do(ServiceStarted{});
  EXPECT_EQ(stage.fleet().epoch, 2u);
  EXPECT_GT(stage.fleet().revision, revision);
  EXPECT_EQ(stage.fleet().revision, uint64_t{2} << 32);
  EXPECT_FALSE(stage.host(1).connected());
}

TEST(ApplyTest, NeverLetsTimeGoBack) {
  Fleet fleet = Stage(1).fleet();
  const absl::Time now = fleet.now;
  const Event event{now - absl::Hours(1), "alice",
                    CordonHost{HostName(1), "disk"}};
  ASSERT_TRUE(Apply(event, fleet).ok());
  EXPECT_EQ(fleet.now, now);
  EXPECT_EQ(fleet.hosts.at(HostName(1)).cordon->time, now);
}

TEST(ApplyTest, NamesWhoDidWhatInTheAudit) {
  Stage stage(1);
  const Changes changes = stage.Do(CordonHost{HostName(1), "disk"}, "bob");
  AuditRecord want{stage.fleet().audit_sequence,
                   stage.fleet().now,
                   "bob",
                   "host.cordon",
                   HostName(1),
                   "disk",
                   stage.fleet().audit_hash};
  EXPECT_THAT(changes.audit, ElementsAre(want));
  EXPECT_THAT(changes.hosts, ElementsAre(HostName(1)));
}

}  // namespace
}  // namespace baton::core
