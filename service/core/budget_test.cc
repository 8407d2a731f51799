#include "service/core/budget.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/stage.h"

namespace baton::core {
namespace {

using ::testing::ElementsAre;

TEST(BudgetTest, ComesToTheSmallerOfNumberAndPercentage) {
  struct Row {
    LimitsSpec limits;
    uint32_t hosts;
    uint32_t want;
  };
  const Row rows[] = {
      {{}, 10, 1},
      {{3, std::nullopt}, 10, 3},
      {{std::nullopt, 25}, 10, 2},
      {{std::nullopt, 1}, 10, 1},
      {{3, 20}, 10, 2},
      {{1, 100}, 10, 1},
      {{50, std::nullopt}, 10, 10},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(MaxUnavailable(row.limits, row.hosts), row.want);
  }
}

TEST(BudgetTest, ToleratesTheSmallerOfNumberAndPercentage) {
  struct Row {
    FailureTolerance tolerance;
    uint32_t hosts;
    uint32_t want;
  };
  const Row rows[] = {
      {{}, 10, 0},
      {{2, std::nullopt}, 10, 2},
      {{std::nullopt, 25}, 10, 2},
      {{std::nullopt, 9}, 10, 0},
      {{5, 10}, 10, 1},
      {{0, 100}, 10, 0},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(FailuresMax(row.tolerance, row.hosts), row.want);
  }
}

TEST(BudgetTest, CountsEachHostThatIsOutOfServiceOnce) {
  support::Stage stage(5);
  EXPECT_EQ(CountUnavailable(stage.fleet()), Unavailable{});

  stage.Start(support::MakeSpec());
  stage.Disconnect(1);  // holds the slot: counted as such
  stage.Disconnect(2);
  const Unavailable want{.slots = 1, .offline = 1};
  EXPECT_EQ(CountUnavailable(stage.fleet()), want);
  EXPECT_THAT(stage.fleet().ledger.fleet().hosts,
              ElementsAre("hosts/host-1", "hosts/host-2"));
}

}  // namespace
}  // namespace baton::core
