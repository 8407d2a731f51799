#include "service/core/gates.h"

#include <functional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "service/core/explain.h"
#include "service/core/plan.h"
#include "tests/support/stage.h"

namespace baton::core {
namespace {

using support::HostName;
using support::kRollout;
using support::MakeSpec;
using support::Stage;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> NamesOf(const std::vector<Gate>& gates) {
  std::vector<std::string> names;
  names.reserve(gates.size());
  for (const Gate& gate : gates) names.push_back(gate.name);
  return names;
}

// The gates that do not pass.
std::vector<Gate> ClosedOf(const std::vector<Gate>& gates) {
  std::vector<Gate> closed;
  for (const Gate& gate : gates) {
    if (gate.verdict != GateVerdict::kPass) closed.push_back(gate);
  }
  return closed;
}

WindowSpec Window(const std::string& from, const std::string& to,
                  WindowCutoff cutoff = WindowCutoff::kFinish) {
  return {{}, from, to, "UTC", absl::UTCTimeZone(), cutoff};
}

// Three hosts, each a wave, two at once; everything that can be asked for.
RolloutSpec SpecOf() {
  RolloutSpec spec = MakeSpec();
  spec.waves = {{"canary", WaveSize::kHosts, 1, absl::Minutes(5)},
                {"rest", WaveSize::kRest}};
  spec.waves[0].failure_tolerance = FailureTolerance{0};
  spec.limits.max_unavailable = 2;
  spec.limits.domains = {{"zone", 1}};
  spec.failure_tolerance.hosts = 1;
  return spec;
}

TEST(GatesTest, AreAskedInOneOrder) {
  Stage stage(3);
  stage.Start(SpecOf());
  EXPECT_THAT(
      NamesOf(RolloutGates(stage.fleet(), stage.rollout())),
      ElementsAre("emergency_stop", "freeze", "service_disk", "state",
                  "approval", "window", "failure_tolerance",
                  "wave_failure_tolerance", "blackout", "deadline", "bake"));
  EXPECT_THAT(NamesOf(HostGates(stage.fleet(), stage.rollout(), stage.host(2))),
              ElementsAre("verdict", "claim", "backoff", "max_unavailable",
                          "max_unavailable zone=even"));
}

// Each row closes one gate, and it alone.
TEST(GatesTest, CloseEachForItsOwnReason) {
  struct Row {
    const char* name;
    std::function<void(Fleet&, Rollout&)> close;
    GateVerdict verdict;
    std::string reason;
    std::string message;
  };
  const Row rows[] = {
      {"emergency_stop",
       [](Fleet& f, Rollout&) {
         f.emergency_stop = EmergencyStopRecord{"bob", "smoke", f.now};
       },
       GateVerdict::kStop, "EMERGENCY_STOP", "'bob' stopped the fleet: smoke"},
      {"emergency_stop",
       [](Fleet& f, Rollout&) {
         f.emergency_stop = EmergencyStopRecord{"batond", "it is old", f.now};
       },
       GateVerdict::kStop, "STORE_IS_OLDER", "it is old"},
      {"service_disk",
       [](Fleet& f, Rollout&) { f.disk_free_bytes = uint64_t{100} << 20; },
       GateVerdict::kWait, "SERVICE_DISK_LOW", "100 MiB free, want 256 MiB"},
      {"freeze",
       [](Fleet& f, Rollout&) {
         f.freeze = Freeze{"bob", "audit", f.now, f.now + absl::Hours(1)};
       },
       GateVerdict::kWait, "FLEET_FROZEN", "'bob' froze the fleet until"},
      {"state",
       [](Fleet&, Rollout& r) {
         r.state = RolloutState::kHeld;
         r.reason = "HELD_BY_OPERATOR";
         r.message = "held by 'bob': wait";
       },
       GateVerdict::kStop, "HELD_BY_OPERATOR", "held by 'bob': wait"},
      {"approval", [](Fleet&, Rollout& r) { r.plan->waves[0].approvals = 2; },
       GateVerdict::kStop, "APPROVAL_MISSING",
       "wave 'canary' has 0 of 2 approvals: somebody other than 'alice'"},
      {"window",
       [](Fleet&, Rollout& r) {
         // It is 22:13:20.
         r.spec.windows = {Window("09:00", "10:00")};
       },
       GateVerdict::kWait, "WINDOW_CLOSED", "opens 2023-11-15 09:00:00 UTC"},
      {"failure_tolerance", [](Fleet&, Rollout& r) { r.tally.failures = 2; },
       GateVerdict::kStop, "FAILURE_TOLERANCE_EXCEEDED", "1 tolerated"},
      {"wave_failure_tolerance",
       [](Fleet&, Rollout& r) { r.tally.waves[0].failures = 1; },
       GateVerdict::kStop, "FAILURE_TOLERANCE_EXCEEDED",
       "wave 'canary': 1 host failed, 0 tolerated"},
      {"blackout",
       [](Fleet&, Rollout& r) {
         r.tally.blackouts.Add(absl::Seconds(12));
         r.tally.long_blackouts = 1;
         r.tally.slow_blackouts = 1;
       },
       GateVerdict::kStop, "BLACKOUT_EXCEEDED", "of at most 10s"},
      {"deadline", [](Fleet& f, Rollout& r) { r.deadline_time = f.now; },
       GateVerdict::kStop, "ROLLOUT_DEADLINE", "it was to have ended by"},
      {"bake",
       [](Fleet& f, Rollout& r) {
         r.tally.waves[0].ended = 1;
         r.wave_ended = f.now;
       },
       GateVerdict::kWait, "WAVE_BAKES", "the next wave begins in 5m"},
      {"bake",
       [](Fleet& f, Rollout& r) {
         r.tally.waves[0].ended = 1;
         r.tally.waves[0].unwell = {0};
         r.wave_ended = f.now - absl::Hours(1);
       },
       GateVerdict::kWait, "UPDATED_HOST_UNWELL", "hosts/host-1"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.reason);
    Stage stage(3);
    stage.Start(SpecOf());
    Fleet fleet = stage.fleet();
    Rollout& rollout = fleet.rollouts.at(kRollout);
    EXPECT_TRUE(LetsStart(fleet, rollout));
    row.close(fleet, rollout);
    const std::vector<Gate> closed = ClosedOf(RolloutGates(fleet, rollout));
    ASSERT_EQ(closed.size(), 1u);
    EXPECT_EQ(closed[0].name, row.name);
    EXPECT_EQ(closed[0].verdict, row.verdict);
    EXPECT_EQ(closed[0].reason, row.reason);
    EXPECT_THAT(closed[0].message, HasSubstr(row.message));
    EXPECT_FALSE(LetsStart(fleet, rollout));
  }
}

TEST(GatesTest, CloseOnAHostForItsOwnReason) {
  Stage stage(4);
  RolloutSpec spec = SpecOf();
  spec.waves.clear();
  stage.Start(spec);  // 1 of zone odd and 2 of zone even are in flight
  const auto closed_of = [&](int number) {
    return ClosedOf(
        HostGates(stage.fleet(), stage.rollout(), stage.host(number)));
  };
  std::vector<Gate> closed = closed_of(3);
  ASSERT_EQ(closed.size(), 2u);
  EXPECT_EQ(closed[0].reason, "MAX_UNAVAILABLE_REACHED");
  EXPECT_EQ(closed[0].value, "2 hosts out of service");
  EXPECT_EQ(closed[0].limit, "2 hosts");
  EXPECT_EQ(closed[1].reason, "DOMAIN_FULL");
  EXPECT_EQ(closed[1].holder, HostName(1));
  stage.Report(2, UpdateState::kDone);
  // 4 of zone even went after it; zone odd is still full.
  EXPECT_EQ(stage.update(4).state, UpdateState::kRunning);
  EXPECT_EQ(stage.update(3).state, UpdateState::kPending);
  stage.Do(CordonHost{HostName(3), "disk"}, "bob");
  closed = closed_of(3);
  EXPECT_EQ(closed[0].name, "verdict");
  EXPECT_EQ(closed[0].reason, "HOST_CORDONED");
  EXPECT_EQ(closed[0].holder, "bob");
}

TEST(GatesTest, ChangeByThemselvesWhenTheySay) {
  Stage stage(3);
  RolloutSpec spec = SpecOf();
  spec.windows = {Window("22:00", "23:00")};
  spec.deadline = absl::Minutes(10);
  stage.Start(spec);
  const absl::Time now = stage.fleet().now;  // 22:13:20
  Fleet fleet = stage.fleet();
  const auto next = [&] {
    return NextGateChange(fleet, fleet.rollouts.at(kRollout)) - now;
  };
  EXPECT_EQ(next(), absl::Minutes(10));
  fleet.rollouts.at(kRollout).deadline_time = now + absl::Hours(2);
  EXPECT_EQ(next(), absl::Minutes(46) + absl::Seconds(40));
  fleet.freeze = Freeze{"bob", "audit", now, now + absl::Minutes(1)};
  EXPECT_EQ(next(), absl::Minutes(1));
}

// ---- What Decide() makes of them.

TEST(GatesTest, AdmitNobodyWhileTheFleetIsFrozen) {
  Stage stage(2);
  const absl::Time now = stage.fleet().now;
  stage.Do(FreezeFleet{"audit", now + absl::Hours(1)}, "bob");
  stage.Start(MakeSpec());
  EXPECT_EQ(stage.update(1).state, UpdateState::kPending);
  EXPECT_THAT(stage.Explain().summary, HasSubstr("FLEET_FROZEN"));
  stage.Advance(absl::Hours(1));
  EXPECT_EQ(stage.update(1).state, UpdateState::kRunning);
}

TEST(GatesTest, RecallHostsInFlightWhenTheWindowCloses) {
  for (const WindowCutoff cutoff :
       {WindowCutoff::kFinish, WindowCutoff::kCancelBeforeUnload}) {
    Stage stage(3);
    RolloutSpec spec = MakeSpec();
    spec.limits.max_unavailable = 2;
    spec.windows = {Window("22:00", "23:00", cutoff)};
    stage.Start(spec);
    UpdateReport past = stage.ReportOf(2, UpdateState::kRunning);
    past.past_no_return = true;
    stage.Do(UpdateReported{HostName(2), stage.host(2).stream, past});
    stage.Advance(absl::Minutes(46) + absl::Seconds(40));  // 23:00
    const bool cancels = cutoff == WindowCutoff::kCancelBeforeUnload;
    EXPECT_EQ(stage.update(1).cancel,
              cancels ? Cancel::kRequeues : Cancel::kNone);
    EXPECT_EQ(stage.update(2).cancel, Cancel::kNone);
    EXPECT_EQ(stage.update(3).state, UpdateState::kPending);
    EXPECT_THAT(stage.Explain().summary, HasSubstr("WINDOW_CLOSED"));
    stage.Report(2, UpdateState::kDone);
    stage.Report(1, cancels ? UpdateState::kCancelled : UpdateState::kDone);
    stage.Advance(absl::Hours(23));  // 22:00
    EXPECT_EQ(stage.update(3).state, UpdateState::kRunning);
    EXPECT_EQ(stage.update(1).state,
              cancels ? UpdateState::kRunning : UpdateState::kDone);
  }
}

}  // namespace
}  // namespace baton::core
