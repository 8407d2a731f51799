#include "service/core/verb.h"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/reason.h"
#include "gtest/gtest.h"
#include "tests/support/stage.h"

namespace baton::core {
namespace {

// Every verb in every state, on things that are not there, with a stale etag,
// and twice under one request id. That a refused one changed nothing is held by
// the stage.

using support::HostName;
using support::kRollout;
using support::MakeSpec;
using support::Stage;

constexpr absl::StatusCode kPrecondition =
    absl::StatusCode::kFailedPrecondition;

// Makes a verb. Without a request id a repeat is a new request; without an etag
// whatever is there will do.
using Make = std::function<EventBody(const Stage&, const std::string& etag,
                                     const std::string& request_id)>;

std::string DigestIn(const Stage& stage) {
  const Rollout* rollout = FindRollout(stage.fleet(), kRollout);
  return rollout != nullptr && rollout->plan.has_value() ? rollout->plan->digest
                                                         : "";
}

// ---- Verbs on rollouts.

constexpr RolloutState kRolloutStates[] = {RolloutState::kDraft,
                                           RolloutState::kPlanned,
                                           RolloutState::kAwaitingApproval,
                                           RolloutState::kRunning,
                                           RolloutState::kHeld,
                                           RolloutState::kAborting,
                                           RolloutState::kSucceeded,
                                           RolloutState::kFailed,
                                           RolloutState::kAborted,
                                           RolloutState::kRolledBack};

RolloutSpec SpecOf(uint32_t approvals) {
  RolloutSpec spec = MakeSpec();
  spec.waves = {{"canary", WaveSize::kRest}};
  spec.waves[0].approvals = approvals;
  return spec;
}

// Brings a rollout of one host to `state`, through events alone.
void BringTo(RolloutState state, Stage& stage) {
  const bool waits = state == RolloutState::kAwaitingApproval;
  switch (state) {
    case RolloutState::kDraft:
    case RolloutState::kAborted:
    case RolloutState::kPlanned:
      // Approvals may be given before it starts.
      stage.Do(CreateRollout{kRollout, SpecOf(1)});
      break;
    case RolloutState::kAwaitingApproval:
    case RolloutState::kRunning:
    case RolloutState::kHeld:
    case RolloutState::kAborting:
    case RolloutState::kSucceeded:
    case RolloutState::kFailed:
    case RolloutState::kRolledBack:
      stage.Start(SpecOf(waits ? 1 : 0));
      break;
  }
  switch (state) {
    case RolloutState::kDraft:
    case RolloutState::kAwaitingApproval:
    case RolloutState::kRunning:
      break;
    case RolloutState::kPlanned:
      stage.Plan();
      break;
    case RolloutState::kHeld:
      stage.Do(HoldRollout{kRollout, "wait"});
      break;
    case RolloutState::kAborting:
    case RolloutState::kAborted:
      stage.Do(AbortRollout{kRollout, "enough"});
      break;
    case RolloutState::kSucceeded:
      stage.Report(1, UpdateState::kDone);
      break;
    case RolloutState::kFailed:
      stage.Report(1, UpdateState::kCancelled);
      break;
    case RolloutState::kRolledBack:
      stage.Report(1, UpdateState::kDone);
      stage.Do(RollBackRollout{kRollout, "worse"});
      stage.Settle();
      stage.Report(1, UpdateState::kDone);
      break;
  }
  ASSERT_EQ(stage.rollout().state, state);
}

struct RolloutVerb {
  const char* name;
  Make make;
  // What it comes to where it is taken, nullopt: it is gone; everywhere else it
  // is refused.
  std::map<RolloutState, std::optional<RolloutState>> taken;
  std::map<RolloutState, std::string> refused;
};

// What refuses a verb that nothing else is said of.
std::map<RolloutState, std::string> Refusals() {
  return {{RolloutState::kDraft, "ROLLOUT_NOT_PLANNED"},
          {RolloutState::kPlanned, "ROLLOUT_NOT_STARTED"},
          {RolloutState::kAwaitingApproval, "ROLLOUT_STARTED"},
          {RolloutState::kRunning, "ROLLOUT_STARTED"},
          {RolloutState::kHeld, "ROLLOUT_HELD"},
          {RolloutState::kAborting, "ROLLOUT_ABORTING"},
          {RolloutState::kSucceeded, "ROLLOUT_FINISHED"},
          {RolloutState::kFailed, "ROLLOUT_FINISHED"},
          {RolloutState::kAborted, "ROLLOUT_FINISHED"},
          {RolloutState::kRolledBack, "ROLLOUT_FINISHED"}};
}

std::vector<RolloutVerb> StartingVerbs() {
  using S = RolloutState;
  std::vector<RolloutVerb> verbs = {
      {"plan",
       [](const Stage&, const auto& etag, const auto& id) {
         return PlanRollout{kRollout, etag, id};
       },
       {{S::kDraft, S::kPlanned}, {S::kPlanned, S::kPlanned}},
       Refusals()},
      {"start",
       [](const Stage& stage, const auto& etag, const auto& id) {
         return StartRollout{kRollout, DigestIn(stage), etag, id};
       },
       {{S::kPlanned, S::kAwaitingApproval}},
       Refusals()},
      {"approve",
       [](const Stage& stage, const auto& etag, const auto& id) {
         return ApproveRollout{kRollout, DigestIn(stage), "", "fine", etag, id};
       },
       {{S::kPlanned, S::kPlanned}, {S::kAwaitingApproval, S::kRunning}},
       Refusals()},
  };
  verbs[2].refused[S::kRunning] = "APPROVAL_NOT_NEEDED";
  verbs[2].refused[S::kHeld] = "APPROVAL_NOT_NEEDED";
  return verbs;
}

std::vector<RolloutVerb> StoppingVerbs() {
  using S = RolloutState;
  return {
      {"hold",
       [](const Stage&, const auto& etag, const auto& id) {
         return HoldRollout{kRollout, "wait", etag, id};
       },
       {{S::kAwaitingApproval, S::kHeld}, {S::kRunning, S::kHeld}},
       Refusals()},
      {"pause",
       [](const Stage&, const auto& etag, const auto& id) {
         return PauseRollout{kRollout, "wait", etag, id};
       },
       {{S::kAwaitingApproval, S::kHeld},
        {S::kRunning, S::kHeld},
        {S::kHeld, S::kHeld}},
       Refusals()},
      {"resume",
       [](const Stage&, const auto& etag, const auto& id) {
         ResumeRollout event{kRollout};
         event.etag = etag;
         event.request_id = id;
         return event;
       },
       {{S::kHeld, S::kRunning}},
       Refusals()},
      {"abort",
       [](const Stage&, const auto& etag, const auto& id) {
         return AbortRollout{kRollout, "enough", etag, id};
       },
       {{S::kDraft, S::kAborted},
        {S::kPlanned, S::kAborted},
        {S::kAwaitingApproval, S::kAborted},
        {S::kRunning, S::kAborting},
        {S::kHeld, S::kAborting}},
       Refusals()},
      {"roll back",
       [](const Stage&, const auto& etag, const auto& id) {
         return RollBackRollout{kRollout, "worse", etag, id};
       },
       {{S::kAwaitingApproval, S::kAborted},
        {S::kRunning, S::kAborting},
        {S::kHeld, S::kAborting},
        {S::kAborting, S::kAborting},
        {S::kSucceeded, S::kSucceeded},
        {S::kFailed, S::kFailed},
        {S::kAborted, S::kAborted}},
       Refusals()},
  };
}

RolloutVerb DeletingVerb() {
  using S = RolloutState;
  RolloutVerb verb = {"delete",
                      [](const Stage&, const auto& etag, const auto& id) {
                        return DeleteRollout{kRollout, etag, id};
                      },
                      {{S::kDraft, std::nullopt},
                       {S::kPlanned, std::nullopt},
                       {S::kSucceeded, std::nullopt},
                       {S::kFailed, std::nullopt},
                       {S::kAborted, std::nullopt}},
                      Refusals()};
  verb.refused[S::kRolledBack] = "ROLLBACK_EXISTS";
  return verb;
}

std::vector<RolloutVerb> RolloutVerbs() {
  std::vector<RolloutVerb> verbs = StartingVerbs();
  for (const RolloutVerb& verb : StoppingVerbs()) verbs.push_back(verb);
  verbs.push_back(DeletingVerb());
  return verbs;
}

std::optional<RolloutState> StateIn(const Stage& stage) {
  const Rollout* rollout = FindRollout(stage.fleet(), kRollout);
  if (rollout == nullptr) return std::nullopt;
  return rollout->state;
}

TEST(VerbTest, AnswersInEachRolloutState) {
  for (const RolloutVerb& verb : RolloutVerbs()) {
    for (const RolloutState state : kRolloutStates) {
      SCOPED_TRACE(testing::Message() << verb.name << " in " << Name(state));
      Stage stage(1);
      BringTo(state, stage);
      const std::string etag = EtagOf(stage.rollout().version);
      const EventBody event = verb.make(stage, etag, "id");
      const absl::Status status = stage.Try(event, "bob");
      const auto taken = verb.taken.find(state);
      if (taken == verb.taken.end()) {
        EXPECT_EQ(status.code(), kPrecondition);
        EXPECT_EQ(Reason(status), verb.refused.at(state)) << status;
        continue;
      }
      EXPECT_EQ(status, absl::OkStatus());
      EXPECT_EQ(StateIn(stage), taken->second);
      // Asked again under its id it is answered the same, and changes nothing.
      EXPECT_TRUE(stage.Do(event, "bob").empty());
      stage.Settle();
    }
  }
}

TEST(VerbTest, RefusesAStaleEtagAndARolloutThatIsNotThere) {
  for (const RolloutVerb& verb : RolloutVerbs()) {
    SCOPED_TRACE(verb.name);
    Stage stage(1);
    EXPECT_EQ(Reason(stage.Try(verb.make(stage, "", ""), "bob")),
              "ROLLOUT_NOT_FOUND");
    BringTo(verb.taken.begin()->first, stage);
    const absl::Status status =
        stage.Try(verb.make(stage, EtagOf(1), ""), "bob");
    EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
    EXPECT_EQ(Reason(status), "ETAG_MISMATCH");
  }
}

TEST(VerbTest, TakesNoRolloutByAnotherName) {
  Stage stage(0);
  const EventBody events[] = {CreateRollout{"r", MakeSpec()},
                              PlanRollout{"r"},
                              StartRollout{"r"},
                              ApproveRollout{"r"},
                              HoldRollout{"r", "why"},
                              PauseRollout{"r", "why"},
                              ResumeRollout{"r"},
                              AbortRollout{"r", "why"},
                              RollBackRollout{"r", "why"},
                              DeleteRollout{"r"},
                              SkipUpdate{"r", HostName(1), "why"},
                              RetryUpdate{"r", HostName(1), "why"},
                              CordonHost{"h", "why"},
                              UncordonHost{"h"},
                              UpdateHostLabels{"h"},
                              ReleaseHost{"h", "why"},
                              LiftQuarantine{"h", "why"},
                              DeleteHost{"h", "why"},
                              DriverDeleted{"d"}};
  for (const EventBody& event : events) {
    const absl::Status status = stage.Try(event);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(Reason(status), "BAD_NAME") << event.index();
  }
}

TEST(VerbTest, AsksForAReason) {
  Stage stage(1);
  stage.Start(MakeSpec());
  for (const std::string& reason : {std::string(), std::string(1025, 'x')}) {
    const EventBody events[] = {HoldRollout{kRollout, reason},
                                PauseRollout{kRollout, reason},
                                AbortRollout{kRollout, reason},
                                RollBackRollout{kRollout, reason},
                                SkipUpdate{kRollout, HostName(1), reason},
                                RetryUpdate{kRollout, HostName(1), reason},
                                CordonHost{HostName(1), reason},
                                ReleaseHost{HostName(1), reason},
                                LiftQuarantine{HostName(1), reason},
                                DeleteHost{HostName(1), reason},
                                FreezeFleet{reason},
                                UnfreezeFleet{reason},
                                EmergencyStop{reason},
                                LiftEmergencyStop{reason}};
    for (const EventBody& event : events) {
      const absl::Status status = stage.Try(event);
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
      EXPECT_EQ(Reason(status), "BAD_REASON") << event.index();
    }
  }
}

// ---- Verbs on hosts.

enum class HostCase {
  kReady,
  kCordoned,
  kOffline,
  kUpdating,
  kLost,
  kWaiting,
  kQuarantined
};
constexpr HostCase kHostCases[] = {HostCase::kReady,      HostCase::kCordoned,
                                   HostCase::kOffline,    HostCase::kUpdating,
                                   HostCase::kLost,       HostCase::kWaiting,
                                   HostCase::kQuarantined};

// Brings host 2 there.
void BringTo(HostCase state, Stage& stage) {
  switch (state) {
    case HostCase::kReady:
      return;
    case HostCase::kCordoned:
      stage.Do(CordonHost{HostName(2), "disk"});
      return;
    case HostCase::kOffline:
      stage.Disconnect(2);
      return;
    case HostCase::kUpdating:
    case HostCase::kLost:
    case HostCase::kQuarantined:
      stage.Start(MakeSpec());
      stage.Report(1, UpdateState::kDone);
      if (state == HostCase::kQuarantined) {
        stage.Report(2, UpdateState::kQuarantined);
      }
      if (state == HostCase::kLost) stage.Disconnect(2);
      return;
    case HostCase::kWaiting:
      stage.Start(MakeSpec());
      stage.Disconnect(2);
      return;
  }
}

TEST(VerbTest, AnswersInEachHostState) {
  using C = HostCase;
  struct Verb {
    const char* name;
    Make make;
    std::map<HostCase, std::string> refused;  // everywhere else it is taken
  };
  const Verb verbs[] = {
      {"cordon",
       [](const Stage&, const auto& etag, const auto& id) {
         return CordonHost{HostName(2), "disk", etag, id};
       },
       {{C::kCordoned, "HOST_CORDONED"}}},
      {"uncordon",
       [](const Stage&, const auto& etag, const auto& id) {
         return UncordonHost{HostName(2), etag, id};
       },
       {{C::kReady, "HOST_NOT_CORDONED"},
        {C::kOffline, "HOST_NOT_CORDONED"},
        {C::kUpdating, "HOST_NOT_CORDONED"},
        {C::kLost, "HOST_NOT_CORDONED"},
        {C::kWaiting, "HOST_NOT_CORDONED"},
        {C::kQuarantined, "HOST_NOT_CORDONED"}}},
      {"label",
       [](const Stage&, const auto& etag, const auto& id) {
         return UpdateHostLabels{HostName(2), {{"tier", "gold"}}, etag, id};
       },
       {}},
      {"release",
       [](const Stage&, const auto& etag, const auto& id) {
         return ReleaseHost{HostName(2), "it burned", etag, id};
       },
       {{C::kReady, "HOST_CONNECTED"},
        {C::kCordoned, "HOST_CONNECTED"},
        {C::kUpdating, "HOST_CONNECTED"},
        {C::kQuarantined, "HOST_CONNECTED"},
        {C::kOffline, "HOST_IDLE"},
        {C::kWaiting, "HOST_IDLE"}}},
      {"lift quarantine",
       [](const Stage&, const auto& etag, const auto& id) {
         return LiftQuarantine{HostName(2), "looked", etag, id};
       },
       {{C::kReady, "HOST_NOT_QUARANTINED"},
        {C::kCordoned, "HOST_NOT_QUARANTINED"},
        {C::kOffline, "HOST_NOT_QUARANTINED"},
        {C::kUpdating, "HOST_NOT_QUARANTINED"},
        {C::kLost, "HOST_NOT_QUARANTINED"},
        {C::kWaiting, "HOST_NOT_QUARANTINED"}}},
      {"delete",
       [](const Stage&, const auto& etag, const auto& id) {
         return DeleteHost{HostName(2), "it burned", etag, id};
       },
       {{C::kReady, "HOST_CONNECTED"},
        {C::kCordoned, "HOST_CONNECTED"},
        {C::kUpdating, "HOST_CONNECTED"},
        {C::kQuarantined, "HOST_CONNECTED"},
        {C::kLost, "HOST_UPDATING"},
        {C::kWaiting, "HELD_BY_ROLLOUT"}}},
  };
  for (const Verb& verb : verbs) {
    for (const HostCase state : kHostCases) {
      SCOPED_TRACE(testing::Message()
                   << verb.name << " in " << static_cast<int>(state));
      Stage stage(2);
      BringTo(state, stage);
      absl::Status status = stage.Try(verb.make(stage, EtagOf(1), ""));
      EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
      EXPECT_EQ(Reason(status), "ETAG_MISMATCH");
      const EventBody event =
          verb.make(stage, EtagOf(stage.host(2).version), "id");
      status = stage.Try(event);
      const auto refused = verb.refused.find(state);
      if (refused != verb.refused.end()) {
        EXPECT_EQ(status.code(), kPrecondition);
        EXPECT_EQ(Reason(status), refused->second) << status;
        continue;
      }
      EXPECT_EQ(status, absl::OkStatus());
      EXPECT_TRUE(stage.Do(event).empty());
      stage.Settle();
    }
    Stage stage(1);
    EXPECT_EQ(Reason(stage.Try(verb.make(stage, "", ""))), "HOST_NOT_FOUND");
  }
}

// ---- Verbs on updates.

TEST(VerbTest, AnswersInEachUpdateState) {
  constexpr UpdateState kStates[] = {
      UpdateState::kPending,    UpdateState::kRunning,
      UpdateState::kDone,       UpdateState::kCancelled,
      UpdateState::kRolledBack, UpdateState::kQuarantined,
      UpdateState::kSkipped};
  for (const UpdateState state : kStates) {
    SCOPED_TRACE(Name(state));
    // Two hosts: the rollout goes on when the first one has ended.
    const auto make = [&] {
      Stage stage(2);
      RolloutSpec spec = MakeSpec();
      spec.failure_tolerance.hosts = 1;
      stage.Start(spec);
      if (state == UpdateState::kPending || state == UpdateState::kSkipped) {
        stage.Disconnect(2);
      } else if (state != UpdateState::kRunning) {
        stage.Report(1, state);
      }
      if (state == UpdateState::kSkipped) {
        stage.Do(SkipUpdate{kRollout, HostName(2), "no"});
      }
      return stage;
    };
    const bool second =
        state == UpdateState::kPending || state == UpdateState::kSkipped;
    const std::string host = HostName(second ? 2 : 1);
    const bool again = state == UpdateState::kCancelled ||
                       state == UpdateState::kRolledBack ||
                       state == UpdateState::kSkipped;
    const std::string otherwise =
        state == UpdateState::kPending   ? "UPDATE_PENDING"
        : state == UpdateState::kRunning ? "UPDATE_RUNNING"
                                         : "UPDATE_ENDED";
    Stage stage = make();
    ASSERT_EQ(FindUpdate(stage.fleet(), kRollout, host)->state, state);
    const EventBody skip = SkipUpdate{kRollout, host, "why", "id"};
    const absl::Status skipped = stage.Try(skip);
    EXPECT_EQ(Reason(skipped), state == UpdateState::kPending ? "" : otherwise);
    if (skipped.ok()) {
      EXPECT_TRUE(stage.Do(skip).empty());
    }
    Stage other = make();
    const EventBody retry = RetryUpdate{kRollout, host, "why", "id"};
    const absl::Status retried = other.Try(retry);
    EXPECT_EQ(Reason(retried), again ? "" : otherwise);
    if (!retried.ok()) continue;
    EXPECT_EQ(FindUpdate(other.fleet(), kRollout, host)->state,
              UpdateState::kPending);
    EXPECT_TRUE(other.Do(retry).empty());
    other.Settle();
  }
}

TEST(VerbTest, WantsARolloutThatGoesOnForItsUpdates) {
  for (const RolloutState state : kRolloutStates) {
    SCOPED_TRACE(Name(state));
    Stage stage(1);
    BringTo(state, stage);
    const bool planned_only = stage.rollout().updates.empty();
    const bool over = IsFinished(state) || state == RolloutState::kAborting;
    for (const EventBody& event :
         {EventBody(SkipUpdate{kRollout, HostName(1), "why"}),
          EventBody(RetryUpdate{kRollout, HostName(1), "why"})}) {
      const absl::Status status = stage.Try(event);
      if (planned_only) {
        EXPECT_EQ(Reason(status), "UPDATE_NOT_FOUND");
      } else if (over) {
        EXPECT_EQ(Reason(status), Refusals().at(state));
      }
    }
  }
  Stage stage(1);
  stage.Start(MakeSpec());
  EXPECT_EQ(Reason(stage.Try(SkipUpdate{"rollouts/x", HostName(1), "why"})),
            "ROLLOUT_NOT_FOUND");
  EXPECT_EQ(Reason(stage.Try(RetryUpdate{kRollout, HostName(9), "why"})),
            "UPDATE_NOT_FOUND");
}

// ---- Verbs on the fleet.

TEST(VerbTest, AnswersInEachStateOfTheFleet) {
  Stage stage(1);
  EXPECT_EQ(Reason(stage.Try(UnfreezeFleet{"why"})), "FLEET_NOT_FROZEN");
  EXPECT_EQ(Reason(stage.Try(LiftEmergencyStop{"why"})), "FLEET_NOT_STOPPED");
  const absl::Time now = stage.fleet().now;
  for (const absl::Time end :
       {now, now - absl::Seconds(1), absl::InfinitePast(),
        absl::InfiniteFuture(), now + absl::Hours(24 * 365 + 1)}) {
    const absl::Status status = stage.Try(FreezeFleet{"why", end});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(Reason(status), "BAD_END_TIME");
  }
  const EventBody events[] = {
      FreezeFleet{"audit week", now + absl::Hours(24 * 365), "f1"},
      FreezeFleet{"audit day", now + absl::Hours(24), "f2"},
      EmergencyStop{"smoke", "s1"},
      EmergencyStop{"more smoke", "s2"},
      UnfreezeFleet{"done", "u"},
      LiftEmergencyStop{"a toaster", "l"}};
  for (const EventBody& event : events) {
    EXPECT_FALSE(stage.Do(event).empty());
    EXPECT_TRUE(stage.Do(event).empty());
  }
  EXPECT_EQ(stage.fleet().freeze, std::nullopt);
  EXPECT_EQ(stage.fleet().emergency_stop, std::nullopt);
  EXPECT_EQ(Reason(stage.Try(UnfreezeFleet{"why"})), "FLEET_NOT_FROZEN");
}

}  // namespace
}  // namespace baton::core
