#include "driver-shim/port/ordered_run.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace baton::port {
namespace {

struct Order {
  char step = ' ';
  int attempt = 1;
  std::string image = "";
};
using Taken = RunOf<Order, int>;

// The way forward: pause, save, unload, restore and verify; four were taken.
Taken Forward(uint64_t told) {
  return {.orders = {{'p'}, {'s'}, {'u'}, {'r', 1, "new"}, {'v'}},
          .reports = {0, 1, 2, 3},
          .told = told};
}

struct Case {
  const char* name = "";
  uint64_t told = 0;
  std::vector<Order> orders = {};
  int report = -1;  // -1: it is to be taken
  uint64_t told_then = 0;
};

class RecallTest : public testing::TestWithParam<Case> {};

TEST_P(RecallTest, TellsWhatWasTakenAhead) {
  const Case& c = GetParam();
  Taken run = Forward(c.told);
  const int* const report = Recall(run, c.orders);
  EXPECT_EQ(report == nullptr ? -1 : *report, c.report);
  EXPECT_EQ(run.told, c.told_then);
}

INSTANTIATE_TEST_SUITE_P(
    All, RecallTest,
    testing::Values(
        Case{"TheNextOne", 1, {{'s'}}, 1, 2},
        Case{"ARepeatOfTheLast", 2, {{'s'}}, 1, 2},
        Case{"OneFurtherOn", 1, {{'r', 1, "new"}}, 3, 4},
        Case{"NoneThatWasToldLongAgo", 3, {{'s'}}, -1, 3},
        Case{"NoneThatWasNotTaken", 4, {{'v'}}, -1, 4},
        Case{"NoneOfAnotherAttempt", 1, {{'s', 2}}, -1, 1},
        Case{"NoneOfAnotherImage", 1, {{'r', 1, "old"}}, -1, 1},
        Case{"TheWholeAgain",
             1,
             {{'p'}, {'s'}, {'u'}, {'r', 1, "new"}, {'v'}},
             0,
             1},
        Case{"TheRestOfIt", 2, {{'u'}, {'r', 1, "new"}, {'v'}}, 2, 3},
        Case{"LessThanTheRest", 2, {{'u'}, {'r', 1, "new"}}, 2, 3},
        // Whose Unload is one of its own.
        Case{"NoWayBack", 2, {{'u'}, {'r', 1, "old"}, {'v'}}, -1, 2}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(RecallsNothingTest, ThereIsNothingToRecallAtFirst) {
  Taken run;
  EXPECT_EQ(Recall(run, {{'p'}}), nullptr);
}

}  // namespace
}  // namespace baton::port
