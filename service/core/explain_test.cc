#include "service/core/explain.h"

#include <algorithm>
#include <string>

#include "base/reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/stage.h"

namespace baton::core {
namespace {

using support::HostName;
using support::kRollout;
using support::MakeSpec;
using support::Stage;
using ::testing::HasSubstr;

// The first gate of that name; stops the test when there is none.
Gate GateOf(const Explanation& explanation, const std::string& name) {
  const auto found =
      std::find_if(explanation.gates.begin(), explanation.gates.end(),
                   [&](const Gate& gate) { return gate.name == name; });
  if (found != explanation.gates.end()) return *found;
  ADD_FAILURE() << "no gate '" << name << "': " << explanation.summary;
  return {};
}

Explanation Host(const Stage& stage, int number) {
  return *ExplainHost(stage.fleet(), HostName(number));
}

TEST(ExplainRolloutTest, SaysWhatAPersonMustDoBeforeItRuns) {
  Stage stage(1);
  stage.Do(CreateRollout{kRollout, MakeSpec()});
  EXPECT_EQ(GateOf(stage.Explain(), "state").reason, "ROLLOUT_NOT_PLANNED");
  stage.Plan();
  EXPECT_EQ(GateOf(stage.Explain(), "state").reason, "ROLLOUT_NOT_STARTED");
  EXPECT_EQ(GateOf(stage.Explain(), "state").verdict, GateVerdict::kStop);
}

TEST(ExplainRolloutTest, NamesTheHostsInFlightAndTheBudget) {
  Stage stage(3);
  stage.Start(MakeSpec());
  stage.Report(1, UpdateState::kRunning);
  const Explanation why = stage.Explain();
  const Gate budget = GateOf(why, "max_unavailable");
  EXPECT_EQ(budget.verdict, GateVerdict::kWait);
  EXPECT_EQ(budget.reason, "MAX_UNAVAILABLE_REACHED");
  EXPECT_EQ(budget.value, "1 host out of service");
  EXPECT_EQ(budget.limit, "1 host");
  EXPECT_EQ(budget.holder, HostName(1));
  const Gate flight = GateOf(why, "in_flight");
  EXPECT_EQ(flight.reason, "UPDATE_RUNNING");
  EXPECT_EQ(flight.message, "hosts/host-1 finished SAVE");
}

TEST(ExplainRolloutTest, NamesTheCauseOfEachFailure) {
  Stage stage(3);
  stage.Start(MakeSpec());
  stage.Report(1, UpdateState::kCancelled);
  const Explanation why = stage.Explain();
  EXPECT_EQ(GateOf(why, "state").reason, "FAILURE_TOLERANCE_EXCEEDED");
  const Gate gate = GateOf(why, "failure_tolerance");
  EXPECT_EQ(gate.verdict, GateVerdict::kStop);
  EXPECT_EQ(gate.value, "1 host failed");
  EXPECT_EQ(gate.limit, "0 hosts");
  EXPECT_EQ(gate.message,
            "1 host failed, 0 tolerated: hosts/host-1 CANCELLED: SAVE_FAILED "
            "at SAVE: DxgkDdiSaveMemoryForHotUpdate returned 0xC0000001");
  EXPECT_THAT(why.summary, HasSubstr("0xC0000001"));
}

TEST(ExplainRolloutTest, NamesHostsThatWaitOnAccountOfThemselves) {
  Stage stage(2);
  stage.Start(MakeSpec());
  stage.Do(CordonHost{HostName(2), "disk"}, "bob");
  stage.Report(1, UpdateState::kDone);
  Gate gate = GateOf(stage.Explain(), "host");
  EXPECT_EQ(gate.verdict, GateVerdict::kStop);
  EXPECT_EQ(gate.reason, "HOST_CORDONED");
  EXPECT_EQ(gate.holder, HostName(2));
  EXPECT_EQ(gate.message, "hosts/host-2: cordoned by 'bob': disk");
  stage.Do(UncordonHost{HostName(2)});
  stage.Disconnect(2);
  gate = GateOf(stage.Explain(), "host");
  EXPECT_EQ(gate.verdict, GateVerdict::kWait);
  EXPECT_EQ(gate.reason, "HOST_OFFLINE");
}

TEST(ExplainRolloutTest, SaysHowLongAWaveBakesAndWhatKeepsIt) {
  Stage stage(2);
  RolloutSpec spec = MakeSpec();
  spec.waves = {{"canary", WaveSize::kHosts, 1, absl::Minutes(5)},
                {"", WaveSize::kRest}};
  stage.Start(spec);
  stage.Report(1, UpdateState::kDone);
  stage.Advance(absl::Minutes(1));
  Gate gate = GateOf(stage.Explain(), "bake");
  EXPECT_EQ(gate.verdict, GateVerdict::kWait);
  EXPECT_EQ(gate.reason, "WAVE_BAKES");
  EXPECT_EQ(gate.next_check, absl::Minutes(4));
  stage.Disconnect(1);
  stage.Advance(absl::Minutes(5));
  gate = GateOf(stage.Explain(), "bake");
  EXPECT_EQ(gate.reason, "UPDATED_HOST_UNWELL");
  EXPECT_EQ(gate.holder, HostName(1));
}

TEST(ExplainRolloutTest, SaysSoWhenASlotStaysTakenWithoutAnAgent) {
  Stage stage(1);
  stage.Start(MakeSpec());
  stage.Disconnect(1);
  EXPECT_THAT(GateOf(stage.Explain(), "in_flight").message,
              HasSubstr("no agent is connected: its slot stays taken"));
}

TEST(ExplainRolloutTest, PassesAllOnceItSucceeded) {
  Stage stage(1);
  stage.Start(MakeSpec());
  stage.Report(1, UpdateState::kDone);
  const Explanation why = stage.Explain();
  EXPECT_EQ(why.summary, "'rollouts/r' succeeded");
  for (const Gate& gate : why.gates) {
    EXPECT_EQ(gate.verdict, GateVerdict::kPass) << gate.name;
  }
}

TEST(ExplainWaveTest, SaysHowAWaveStandsInItsRollout) {
  Stage stage(4);
  RolloutSpec spec = MakeSpec();
  spec.waves = {{"canary", WaveSize::kHosts, 1},
                {"more", WaveSize::kHosts, 1},
                {"rest", WaveSize::kRest}};
  spec.waves[2].approvals = 2;
  stage.Start(spec);
  stage.Report(1, UpdateState::kDone);

  const Explanation over = *ExplainWave(stage.fleet(), kRollout, "canary");
  EXPECT_EQ(over.summary, "'rollouts/r/waves/canary' is over");
  EXPECT_EQ(GateOf(over, "wave").value, "1 of 1 host ended, 0 failed");

  const Explanation now = *ExplainWave(stage.fleet(), kRollout, "more");
  EXPECT_EQ(now.gates, stage.Explain().gates);
  EXPECT_THAT(now.summary, HasSubstr("'rollouts/r/waves/more' waits: "));

  // What a later one will need can be seen to at once.
  const Explanation later = *ExplainWave(stage.fleet(), kRollout, "rest");
  const Gate gate = GateOf(later, "wave");
  EXPECT_EQ(gate.verdict, GateVerdict::kWait);
  EXPECT_EQ(gate.reason, "EARLIER_WAVE");
  EXPECT_EQ(gate.limit, "wave 'more'");
  EXPECT_EQ(GateOf(later, "approval").message,
            "wave 'rest' has 0 of 2 approvals: somebody other than 'alice' "
            "must approve it");

  const absl::Status none =
      ExplainWave(stage.fleet(), kRollout, "none").status();
  EXPECT_EQ(Reason(none), "WAVE_NOT_FOUND");
  EXPECT_EQ(none.message(),
            "'rollouts/r' has no wave 'none', want 'canary' or 'more' or "
            "'rest'");
}

TEST(ExplainHostTest, SaysWhatKeepsAHost) {
  Stage stage(2);
  EXPECT_EQ(Host(stage, 1).summary, "'hosts/host-1' is free for a rollout");
  stage.Do(CordonHost{HostName(1), "disk"}, "bob");
  EXPECT_EQ(GateOf(Host(stage, 1), "cordon").reason, "HOST_CORDONED");
  stage.Do(UncordonHost{HostName(1)});
  stage.Disconnect(1);
  EXPECT_EQ(GateOf(Host(stage, 1), "connection").reason, "HOST_OFFLINE");
  stage.Connect(1);

  Inventory faulty = support::MakeInventory("1.0");
  faulty.adapters[0].fault = "hung";
  stage.Do(HostHeard{HostName(1), stage.host(1).stream, faulty});
  EXPECT_EQ(GateOf(Host(stage, 1), "health").message, "adapter 'gpu0': hung");
}

TEST(ExplainHostTest, SaysWhereAHostStandsInItsRollout) {
  Stage stage(3);
  RolloutSpec spec = MakeSpec();
  spec.waves = {{"canary", WaveSize::kHosts, 2}, {"", WaveSize::kRest}};
  stage.Start(spec);
  const Gate slot = GateOf(Host(stage, 1), "slot");
  EXPECT_EQ(slot.reason, "UPDATE_RUNNING");
  EXPECT_EQ(slot.holder, kRollout);
  EXPECT_EQ(GateOf(Host(stage, 2), "max_unavailable").reason,
            "MAX_UNAVAILABLE_REACHED");
  EXPECT_EQ(GateOf(Host(stage, 3), "rollout").reason, "EARLIER_WAVE");
  stage.Report(1, UpdateState::kCancelled);
  const Gate last = GateOf(Host(stage, 1), "last_update");
  EXPECT_EQ(last.reason, "SAVE_FAILED");
  EXPECT_THAT(last.message, HasSubstr("DxgkDdiSaveMemoryForHotUpdate"));
  EXPECT_EQ(GateOf(Host(stage, 2), "rollout").reason,
            "FAILURE_TOLERANCE_EXCEEDED");
}

TEST(ExplainHostTest, NamesWhoQuarantinedAHost) {
  Stage stage(1);
  stage.Start(MakeSpec());
  stage.Report(1, UpdateState::kQuarantined);
  const Gate gate = GateOf(Host(stage, 1), "quarantine");
  EXPECT_EQ(gate.verdict, GateVerdict::kStop);
  EXPECT_EQ(gate.holder, kRollout);
}

TEST(ExplainTest, KnowsNothingOfWhatIsNotThere) {
  const Stage stage(0);
  EXPECT_EQ(Reason(ExplainHost(stage.fleet(), "hosts/none").status()),
            "HOST_NOT_FOUND");
  EXPECT_EQ(Reason(ExplainRollout(stage.fleet(), "rollouts/none").status()),
            "ROLLOUT_NOT_FOUND");
}

}  // namespace
}  // namespace baton::core
