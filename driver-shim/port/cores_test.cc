#include "driver-shim/port/cores.h"

#include <atomic>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace baton::port {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

TEST(OnAllCoresTest, DoesEachJobOnce) {
  for (const size_t count : {0u, 1u, 5u, 1000u}) {
    for (const uint64_t bytes : {uint64_t{0}, uint64_t{100}, kMiB}) {
      std::vector<std::atomic<int>> done(count);
      OnAllCores(count, bytes, [&](size_t i) { ++done[i]; });
      for (const std::atomic<int>& times : done) EXPECT_EQ(times, 1);
    }
  }
}

TEST(OnAllCoresTest, ServesSeveralThreadsAtATime) {
  StartCores();
  std::atomic<size_t> done = 0;
  const auto work = [&] {
    for (int i = 0; i < 50; ++i) OnAllCores(20, kMiB, [&](size_t) { ++done; });
  };
  std::thread other(work);
  work();
  other.join();
  EXPECT_EQ(done, 2u * 50 * 20);
}

// Whoever is called in a job has no helpers, and needs none.
TEST(OnAllCoresTest, GoesOnInsideAJob) {
  std::atomic<size_t> done = 0;
  OnAllCores(4, kMiB,
             [&](size_t) { OnAllCores(4, kMiB, [&](size_t) { ++done; }); });
  EXPECT_EQ(done, 16u);
}

}  // namespace
}  // namespace baton::port
