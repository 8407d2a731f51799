// A short run of what ./dev sim does at length. One seed again:
//   ./dev sim --hosts 5 --seed 17

#include <string>

#include "base/log.h"
#include "gtest/gtest.h"
#include "tests/sim/runs.h"

namespace baton::sim {
namespace {

class SimTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    static const bool kQuiet = StartLog("sim", "off").ok();
    ASSERT_TRUE(kQuiet);
  }
  const ImageFiles files_;
};

TEST_F(SimTest, AHealthyRolloutFinishes) {
  for (const int hosts : {1, 3, 30}) {
    const Verdict verdict =
        RunPlanned({}, hosts, files_.images(), Tracing::kOff);
    EXPECT_EQ(verdict.status, absl::OkStatus());
    EXPECT_EQ(verdict.updates, hosts);
  }
}

TEST_F(SimTest, HoldsEveryInvariantWhateverHappens) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    const int hosts = static_cast<int>(2 + seed % 5);
    const Verdict verdict =
        RunSeed(seed, hosts, files_.images(), Tracing::kOff);
    ASSERT_EQ(verdict.status, absl::OkStatus())
        << "./dev sim --hosts " << hosts << " --seed " << seed;
  }
}

TEST_F(SimTest, ThirtyHostsToo) {
  uint64_t updates = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const Verdict verdict = RunSeed(seed, 30, files_.images(), Tracing::kOff);
    ASSERT_EQ(verdict.status, absl::OkStatus())
        << "./dev sim --hosts 30 --seed " << seed;
    updates += verdict.updates;
  }
  EXPECT_GT(updates, 30);
}

// Every fault alone; pairs and triples by the hundredth.
TEST_F(SimTest, SurvivesEveryFault) {
  const std::vector<std::vector<Planned>> all = Combinations(1);
  ASSERT_GT(all.size(), 70);
  for (const std::vector<Planned>& planned : all) {
    const Verdict verdict =
        RunPlanned(planned, 3, files_.images(), Tracing::kOff);
    ASSERT_EQ(verdict.status, absl::OkStatus()) << Name(planned.front());
  }
}

TEST_F(SimTest, SurvivesPairsOfFaults) {
  const std::vector<std::vector<Planned>> all = Combinations(2);
  for (size_t i = 0; i < all.size(); i += 37) {
    const Verdict verdict =
        RunPlanned(all[i], 3, files_.images(), Tracing::kOff);
    ASSERT_EQ(verdict.status, absl::OkStatus())
        << "./dev sim --pairs --combination " << i + 1;
  }
}

// One seed, one course of events.
TEST_F(SimTest, ASeedRepeatsItself) {
  const Verdict once = RunSeed(7, 6, files_.images(), Tracing::kOn);
  const Verdict again = RunSeed(7, 6, files_.images(), Tracing::kOn);
  EXPECT_FALSE(once.trace.empty());
  EXPECT_EQ(once.trace, again.trace);
}

}  // namespace
}  // namespace baton::sim
