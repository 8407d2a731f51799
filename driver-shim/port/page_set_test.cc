#include "driver-shim/port/page_set.h"

#include <random>
#include <set>

#include "gtest/gtest.h"

namespace baton::port {
namespace {

TEST(PageSetTest, NamesTheLowestPageThatWasThere) {
  PageSet set;
  EXPECT_EQ(set.Add({.first = 10, .pages = 5}), std::nullopt);
  EXPECT_EQ(set.Add({.first = 0, .pages = 10}), std::nullopt);
  EXPECT_EQ(set.Add({.first = 20, .pages = 5}), std::nullopt);
  EXPECT_EQ(set.Add({.first = 15, .pages = 6}), 20u);
  EXPECT_EQ(set.Add({.first = 14, .pages = 2}), 14u);
  EXPECT_EQ(set.pages(), 20u);
  EXPECT_FALSE(set.Contains(15));
  EXPECT_TRUE(set.Contains(24));
  EXPECT_EQ(set.Add({.first = 15, .pages = 5}), std::nullopt);
  EXPECT_EQ(set.pages(), 25u);
}

// Against a plain set of numbers, over random runs.
TEST(PageSetTest, AgreesWithASetOfNumbers) {
  constexpr uint32_t kSeed = 20260101;
  SCOPED_TRACE(kSeed);
  std::mt19937 random(kSeed);
  for (int round = 0; round < 200; ++round) {
    PageSet set;
    std::set<uint64_t> want;
    for (int i = 0; i < 40; ++i) {
      const PageRun run = {.first = random() % 200, .pages = random() % 12};
      std::optional<uint64_t> met;
      for (uint64_t page = run.first; page < run.first + run.pages; ++page) {
        if (want.contains(page)) {
          met = page;
          break;
        }
      }
      ASSERT_EQ(set.FirstOf(run), met);
      ASSERT_EQ(set.Add(run), met);
      if (met.has_value()) continue;
      for (uint64_t page = run.first; page < run.first + run.pages; ++page) {
        want.insert(page);
      }
    }
    ASSERT_EQ(set.pages(), want.size());
    for (uint64_t page = 0; page < 220; ++page) {
      ASSERT_EQ(set.Contains(page), want.contains(page)) << page;
    }
  }
}

}  // namespace
}  // namespace baton::port
