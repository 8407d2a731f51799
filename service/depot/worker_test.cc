#include "service/depot/worker.h"

#include <future>
#include <vector>

#include "gtest/gtest.h"

namespace baton::depot {
namespace {

TEST(WorkerTest, RunsJobsInOrderAndAllOfThemBeforeItEnds) {
  std::vector<int> seen;
  {
    Worker worker(100);
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(worker.TryPost([&seen, i] { seen.push_back(i); }));
    }
  }
  ASSERT_EQ(seen.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(seen[i], i);
}

TEST(WorkerTest, RefusesWhatIsPastItsBoundExceptCleanups) {
  std::promise<void> started;
  std::promise<void> go_on;
  int ran = 0;
  {
    Worker worker(1);
    ASSERT_TRUE(worker.TryPost([&] {
      started.set_value();
      go_on.get_future().wait();
    }));
    started.get_future().wait();
    EXPECT_TRUE(worker.TryPost([&ran] { ++ran; }));
    EXPECT_FALSE(worker.TryPost([&ran] { ran += 100; }));
    worker.PostCleanup([&ran] { ran += 10; });
    go_on.set_value();
  }
  EXPECT_EQ(ran, 11);
}

TEST(WorkerTest, DrainReturnsOnceEverythingBeforeItHasRun) {
  Worker worker(10);
  int ran = 0;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(worker.TryPost([&ran] { ++ran; }));
  worker.Drain();
  EXPECT_EQ(ran, 5);
}

}  // namespace
}  // namespace baton::depot
