// Seeds of a fleet to which everything happens at once: messages are lost,
// doubled, reordered and late; streams break; the service is killed, and its
// commits fail; drivers misbehave; operators ask for anything. The world holds
// the invariants after each turn. Afterwards all of it heals, and then every
// update must have ended, as its agent says, and whatever stands still must say
// why.
//
// One seed again:
//   bazel test //tests/sim:fleet_sim_test --test_env=BATON_SIM_SEED=17

#include <cstdlib>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "service/core/audit.h"
#include "service/core/explain.h"
#include "tests/support/stage.h"
#include "tests/support/world.h"

namespace baton {
namespace {

using support::FakeAgent;
using support::SeededRandom;
using support::World;

constexpr int kSteps = 300;
constexpr const char* kRollouts[] = {"rollouts/a", "rollouts/b"};

core::RolloutSpec SpecOf(SeededRandom& random) {
  core::RolloutSpec spec = support::MakeSpec();
  spec.waves = {{"canary", core::WaveSize::kHosts, 1,
                 absl::Seconds(static_cast<int64_t>(random.Below(20)))},
                {"", core::WaveSize::kRest}};
  spec.limits.max_unavailable = static_cast<uint32_t>(1 + random.Below(4));
  spec.failure_tolerance.hosts = static_cast<uint32_t>(random.Below(3));
  return spec;
}

core::EventBody AnyCall(World& world) {
  SeededRandom& random = world.random();
  const std::string rollout = kRollouts[random.Below(2)];
  const std::string host =
      support::HostName(static_cast<int>(1 + random.Below(world.agents())));
  const auto found = world.fleet().rollouts.find(rollout);
  const bool planned =
      found != world.fleet().rollouts.end() && found->second.plan.has_value();
  switch (random.Below(16)) {
    case 0:
      return core::AbortRollout{rollout, "enough"};
    case 1:
      return core::HoldRollout{rollout, "wait"};
    case 2:
      return core::ResumeRollout{rollout};
    case 3:
      return core::ResumeRollout{rollout, true};
    case 4:
      return core::CordonHost{host, "disk"};
    case 5:
    case 6:
      return core::UncordonHost{host};
    case 7:
    case 8:
      return core::CreateRollout{rollout, SpecOf(random)};
    case 9:
    case 10:
    case 11:
      return core::PlanRollout{rollout};
    case 12:
      return core::DeleteRollout{rollout};
    default:
      return core::StartRollout{
          rollout, planned ? found->second.plan->digest : "sha256:none"};
  }
}

void AnyFault(World& world) {
  SeededRandom& random = world.random();
  FakeAgent& agent =
      world.agent(static_cast<int>(1 + random.Below(world.agents())));
  switch (random.Below(5)) {
    case 0:
      world.RestartService();
      return;
    case 1:
      world.disk().commits_until_failure = static_cast<int>(random.Below(3));
      return;
    case 2:
      agent.driver = static_cast<FakeAgent::Driver>(random.Below(4));
      return;
    case 3:
      world.clock().JumpWall(
          absl::Seconds(static_cast<int64_t>(random.Below(7200)) - 3600));
      return;
    default:
      world.DropStream(agent);
  }
}

void AnyStep(World& world) {
  SeededRandom& random = world.random();
  const uint64_t draw = random.Below(100);
  if (draw < 40) {
    world.Act(world.agent(static_cast<int>(1 + random.Below(world.agents()))));
  } else if (draw < 80) {
    world.Deliver();
  } else if (draw < 88) {
    (void)world.Call(AnyCall(world));
  } else if (draw < 91) {
    AnyFault(world);
  } else {
    world.clock().Advance(
        absl::Milliseconds(static_cast<int64_t>(random.Below(3000))));
    world.Turn();
  }
}

bool AllAtRest(World& world) {
  for (const auto& [name, rollout] : world.fleet().rollouts) {
    if (ProgressOf(rollout).running > 0) return false;
  }
  for (size_t number = 1; number <= world.agents(); ++number) {
    FakeAgent& agent = world.agent(static_cast<int>(number));
    if (!agent.idle() || agent.Report().has_value()) return false;
  }
  return true;
}

// L2: what the service recorded of each attempt is what its agent did, once.
void CheckAgreement(World& world) {
  for (const auto& [name, rollout] : world.fleet().rollouts) {
    for (size_t i = 1; i <= world.agents(); ++i) {
      const FakeAgent& agent = world.agent(static_cast<int>(i));
      const auto found = rollout.updates.find(agent.host());
      if (found == rollout.updates.end() || found->second.attempt == 0) {
        continue;
      }
      EXPECT_EQ(agent.EndOf(found->second.attempt), found->second.state);
      EXPECT_EQ(agent.Begun(found->second.attempt), 1);
    }
  }
}

// Nothing stands still without a reason.
void CheckReasons(const World& world) {
  for (const auto& [name, rollout] : world.fleet().rollouts) {
    if (rollout.state == core::RolloutState::kSucceeded) continue;
    const auto why = core::ExplainRollout(world.fleet(), name);
    ASSERT_TRUE(why.ok()) << why.status();
    int shut = 0;
    for (const core::Gate& gate : why->gates) {
      if (gate.verdict == core::GateVerdict::kPass) continue;
      ++shut;
      EXPECT_NE(gate.reason, "") << name << " gate " << gate.name;
    }
    EXPECT_GT(shut, 0) << name << " is " << core::Name(rollout.state);
  }
}

// S9: the whole chain, from the first record on.
void CheckAuditChain(World& world) {
  const auto store = store::OpenMemoryStore(world.disk());
  const auto records = store->ScanAudit({0, "", 1'000'000});
  ASSERT_TRUE(records.ok()) << records.status();
  std::string hash = core::kAuditGenesis;
  uint64_t sequence = 0;
  for (const core::AuditRecord& record : *records) {
    EXPECT_EQ(record.sequence, ++sequence);
    hash = core::AuditHash(hash, record);
    ASSERT_EQ(record.hash, hash);
  }
  EXPECT_EQ(sequence, world.fleet().audit_sequence);
}

void RunSeed(uint64_t seed) {
  SCOPED_TRACE(testing::Message()
               << "again with: bazel test //tests/sim:fleet_sim_test "
                  "--test_env=BATON_SIM_SEED="
               << seed);
  World world(
      {.hosts = static_cast<int>(2 + seed % 5), .seed = seed, .lossy = true});
  for (int step = 0; step < kSteps && world.violation.ok(); ++step) {
    AnyStep(world);
  }
  world.Heal();
  world.disk().commits_until_failure = -1;
  EXPECT_TRUE(world.RunUntil([&] { return AllAtRest(world); }));
  for (int round = 0; round < 60; ++round) world.Round();
  EXPECT_TRUE(world.RunUntil([&] { return AllAtRest(world); }));
  ASSERT_EQ(world.violation, absl::OkStatus());
  CheckAgreement(world);
  CheckReasons(world);
  CheckAuditChain(world);
}

// Returns a variable of the environment as a number; `otherwise` when unset.
uint64_t NumberFromEnvironment(const char* name, uint64_t otherwise) {
  // One thread only. NOLINTNEXTLINE(concurrency-mt-unsafe)
  const char* const text = std::getenv(name);
  if (text == nullptr) return otherwise;
  uint64_t number = 0;
  EXPECT_TRUE(absl::SimpleAtoi(text, &number)) << name << "='" << text << "'";
  return number;
}

TEST(FleetSimTest, HoldsEveryInvariantWhateverHappens) {
  const uint64_t asked = NumberFromEnvironment("BATON_SIM_SEED", 0);
  if (asked != 0) {
    RunSeed(asked);
    return;
  }
  const uint64_t seeds = NumberFromEnvironment("BATON_SIM_SEEDS", 300);
  for (uint64_t seed = 1; seed <= seeds && !HasFailure(); ++seed) {
    RunSeed(seed);
  }
}

}  // namespace
}  // namespace baton
