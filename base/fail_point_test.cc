#include "base/fail_point.h"

#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "base/reason.h"
#include "gtest/gtest.h"

namespace baton {
namespace {

void First() { FAIL_POINT("test.first"); }
void Second() { FAIL_POINT("test.second"); }

// Each death test forks a process, which reads the environment anew: this one
// passes no place itself.
// One thread only. NOLINTNEXTLINE(concurrency-mt-unsafe)
void Arm(const char* points) { setenv("BATON_FAIL_POINT", points, 1); }

void PassThrice() {
  First();
  First();
  First();
  std::fprintf(stderr, "through\n");
  std::exit(0);  // NOLINT(concurrency-mt-unsafe): one thread only
}

class FailPointTest : public testing::Test {
 protected:
  void SetUp() override {
    // One thread only. NOLINTNEXTLINE(concurrency-mt-unsafe)
    unsetenv("BATON_FAIL_POINT");
    // NOLINTNEXTLINE(concurrency-mt-unsafe)
    unsetenv("BATON_FAIL_POINT_ONCE");
  }
};

TEST_F(FailPointTest, ListsEveryPlaceOnceAndSorted) {
  const std::vector<std::string> want = {"test.first", "test.second"};
  EXPECT_EQ(FailPointNames(), want);
}

TEST_F(FailPointTest, DoesNothingUnlessAsked) {
  EXPECT_EXIT(PassThrice(), testing::ExitedWithCode(0), "^through");
  Arm("test.second=kill");
  EXPECT_EXIT(PassThrice(), testing::ExitedWithCode(0), "^through");
}

TEST_F(FailPointTest, DiesAsAsked) {
  Arm("test.first=kill");
  EXPECT_EXIT(PassThrice(), testing::KilledBySignal(SIGKILL),
              "fail point 'test.first': kill");
  Arm("test.second=kill,test.first=abort");
  EXPECT_EXIT(PassThrice(), testing::KilledBySignal(SIGABRT),
              "fail point 'test.first': abort");
}

TEST_F(FailPointTest, CountsHowOftenItIsPassed) {
  Arm("test.first=kill@3");
  EXPECT_EXIT(PassThrice(), testing::KilledBySignal(SIGKILL), "kill");
  Arm("test.first=kill@4");
  EXPECT_EXIT(PassThrice(), testing::ExitedWithCode(0), "^through");
}

TEST_F(FailPointTest, ActsOnceInAllProcessesThatShareAFile) {
  const std::string once = testing::TempDir() + "/fail_point_once";
  std::ofstream(once).close();
  Arm("test.first=kill");
  // One thread only. NOLINTNEXTLINE(concurrency-mt-unsafe)
  setenv("BATON_FAIL_POINT_ONCE", once.c_str(), 1);
  EXPECT_EXIT(PassThrice(), testing::KilledBySignal(SIGKILL), "kill");
  EXPECT_EXIT(PassThrice(), testing::ExitedWithCode(0), "^through");
}

TEST_F(FailPointTest, AValueThatCannotBeReadStopsTheProcess) {
  Arm("test.first=explode");
  EXPECT_EXIT(Second(), testing::KilledBySignal(SIGABRT),
              "BATON_FAIL_POINT has 'test.first=explode'");
}

TEST(ParseFailPointsTest, ReadsNamesActionsAndHits) {
  const std::vector<FailPoint> want = {
      {.name = "a.b", .action = FailAction::kStop, .hit = 1},
      {.name = "c", .action = FailAction::kKill, .hit = 12}};
  const auto points = ParseFailPoints("a.b=stop,c=kill@12");
  ASSERT_TRUE(points.ok()) << points.status();
  EXPECT_EQ(*points, want);
  EXPECT_TRUE(ParseFailPoints("")->empty());
}

TEST(ParseFailPointsTest, RefusesWhatItCannotRead) {
  for (const char* text : {"a", "=kill", "a=", "a=kill@", "a=kill@0",
                           "a=kill@x", "a=kill,", "a=KILL", ","}) {
    const auto points = ParseFailPoints(text);
    EXPECT_EQ(points.status().code(), absl::StatusCode::kInvalidArgument)
        << text;
    EXPECT_EQ(Reason(points.status()), "FAIL_POINT_INVALID") << text;
  }
}

}  // namespace
}  // namespace baton
