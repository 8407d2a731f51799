#include "driver-shim/port/page_map.h"

#include <algorithm>
#include <random>

#include "gtest/gtest.h"

namespace baton::port {
namespace {

using Use = PageMap::Use;

constexpr uint64_t kFirst = 100;
constexpr uint64_t kCount = 60;
constexpr PageRun kAll = {.first = kFirst, .pages = kCount};
std::byte base[kCount * 4096];

TEST(PageMapTest, IsOneStretchAtFirst) {
  const PageMap map(kAll, base);
  EXPECT_EQ(map.free_pages(), kCount);
  ASSERT_EQ(map.In(kAll).size(), 1u);
  EXPECT_EQ(map.At(kFirst + 3).home, base + size_t{3} * 4096);
}

TEST(PageMapTest, CostsWhatItsRunsDo) {
  PageMap map(kAll, base);
  map.SetUse({.first = 110, .pages = 20}, Use::kUsed);
  EXPECT_EQ(map.In(kAll).size(), 3u);
  map.SetUse({.first = 120, .pages = 20}, Use::kUsed);
  EXPECT_EQ(map.In(kAll).size(), 3u);
  map.SetUse({.first = 110, .pages = 30}, Use::kFree);
  EXPECT_EQ(map.In(kAll).size(), 1u);
}

TEST(PageMapTest, KnowsWhichRunsAreThere) {
  const PageMap map(kAll, base);
  EXPECT_TRUE(map.Has(kAll));
  EXPECT_FALSE(map.Has({.first = kFirst - 1, .pages = 1}));
  EXPECT_FALSE(map.Has({.first = kFirst + 1, .pages = kCount}));
  EXPECT_FALSE(map.Has({.first = kFirst, .pages = ~uint64_t{0}}));
  EXPECT_FALSE(map.AllAre({.first = kFirst, .pages = 0}, Use::kFree));
}

TEST(PageMapTest, FindsFreePagesOnlyWhereTheyMayBe) {
  PageMap map(kAll, base);
  map.SetUse({.first = 100, .pages = 5}, Use::kUsed);
  map.SetUse({.first = 107, .pages = 3}, Use::kHeld);
  using Runs = std::vector<PageRun>;
  EXPECT_EQ(map.FindFree(4, kAll), (Runs{{105, 2}, {110, 2}}));
  EXPECT_EQ(map.FindFree(9, {.first = 0, .pages = 107}), (Runs{{105, 2}}));
  EXPECT_EQ(map.FindFree(9, {.first = 0, .pages = 5}), Runs());
  EXPECT_EQ(map.FindFree(2, {.first = 112, .pages = ~uint64_t{0}}),
            (Runs{{112, 2}}));
  EXPECT_EQ(map.FindFreeRun(2, ~uint64_t{0}), (PageRun{105, 2}));
  EXPECT_EQ(map.FindFreeRun(3, ~uint64_t{0}), (PageRun{110, 3}));
  EXPECT_EQ(map.FindFreeRun(3, 112), (PageRun{110, 3}));
  EXPECT_EQ(map.FindFreeRun(3, 111), std::nullopt);
  EXPECT_EQ(map.FindFreeRun(kCount, ~uint64_t{0}), std::nullopt);
}

// Against books that have an entry for each page.
TEST(PageMapTest, SaysOfEachPageWhatWasSaidOfIt) {
  constexpr unsigned kSeed = 5;
  SCOPED_TRACE(kSeed);
  std::minstd_rand random(kSeed);
  const auto below = [&random](uint64_t n) { return random() / 7 % n; };
  PageMap map(kAll, base);
  std::vector<PageMap::State> plain(kCount);
  for (uint64_t i = 0; i < kCount; ++i) plain[i].home = base + i * 4096;
  for (int round = 0; round < 3000; ++round) {
    const uint64_t first = below(kCount);
    const PageRun run = {
        .first = kFirst + first,
        .pages = 1 + below(std::min<uint64_t>(9, kCount - first))};
    const auto use = static_cast<Use>(below(3));
    const bool kept = below(4) == 0;
    std::byte* const home = below(4) == 0 ? base + 4096 : base + first * 4096;
    map.Update(run, [&](uint64_t at, PageMap::State& state) {
      state.use = use;
      state.kept = kept;
      state.home = home + (at - run.first) * 4096;
    });
    for (uint64_t i = 0; i < run.pages; ++i) {
      plain[first + i] = {.use = use, .kept = kept, .home = home + i * 4096};
    }
    std::vector<PageRun> free;
    uint64_t pages = 0;
    for (uint64_t i = 0; i < kCount; ++i) {
      const PageMap::State state = map.At(kFirst + i);
      ASSERT_EQ(state.use, plain[i].use) << round << " page " << i;
      ASSERT_EQ(state.kept, plain[i].kept) << round << " page " << i;
      ASSERT_EQ(state.home, plain[i].home) << round << " page " << i;
      if (state.use != Use::kFree) continue;
      AddRun(free, {.first = kFirst + i, .pages = 1});
      ++pages;
    }
    ASSERT_EQ(map.free_pages(), pages) << round;
    ASSERT_EQ(map.FindFree(kCount, kAll), free) << round;
    const auto wide = std::find_if(free.begin(), free.end(),
                                   [](PageRun r) { return r.pages >= 3; });
    std::optional<PageRun> want;
    if (wide != free.end()) want = {.first = wide->first, .pages = 3};
    ASSERT_EQ(map.FindFreeRun(3, ~uint64_t{0}), want) << round;
  }
}

}  // namespace
}  // namespace baton::port
