#include "base/interned.h"

#include <atomic>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace baton {
namespace {

TEST(InternedTest, ReadsComparesAndSortsAsItsText) {
  const std::string long_text(100, 'x');
  for (const std::string& text :
       {std::string(), std::string("a"), std::string("a\0b", 3), long_text}) {
    const Interned interned = text;
    EXPECT_EQ(interned.str(), text);
    EXPECT_EQ(interned, text);
    EXPECT_EQ(interned, Interned(text));
    EXPECT_EQ(interned.empty(), text.empty());
  }
  EXPECT_EQ(Interned("a"), "a");
  EXPECT_NE(Interned("a"), "b");
  EXPECT_NE(Interned("a"), Interned());
  EXPECT_LT(Interned("a"), Interned("b"));
  EXPECT_LT(Interned(), Interned("a"));
  EXPECT_LT(Interned("a"), "b");
  EXPECT_GT(Interned("b"), std::string("a"));
}

TEST(InternedTest, KeepsTheTextOnceAndForAsLongAsSomebodyHasIt) {
  Interned first = "hosts/h1";
  Interned second = std::string("hosts/h1");
  EXPECT_EQ(&first.str(), &second.str());
  first.clear();
  EXPECT_EQ(first, "");
  EXPECT_EQ(second, "hosts/h1");
  Interned moved = std::move(second);
  EXPECT_EQ(moved, "hosts/h1");
  first = moved;
  moved = "hosts/h2";
  EXPECT_EQ(first, "hosts/h1");
  EXPECT_EQ(moved, "hosts/h2");
  first = *&first;
  EXPECT_EQ(first, "hosts/h1");
}

TEST(InternedTest, IsAKeyThatIsFoundByItsText) {
  std::map<Interned, int, std::less<>> numbers = {{"b", 2}, {"a", 1}};
  EXPECT_EQ(numbers.begin()->first, "a");
  EXPECT_EQ(numbers.find(std::string("b"))->second, 2);
  EXPECT_EQ(numbers.find("c"), numbers.end());
  EXPECT_EQ(numbers.at("a"), 1);
}

TEST(InternedTest, IsTakenAndLeftByManyThreads) {
  std::vector<std::thread> threads(4);
  std::atomic<int> wrong = 0;
  for (std::thread& thread : threads) {
    thread = std::thread([&wrong] {
      for (int round = 0; round < 5'000; ++round) {
        const std::string text = absl::StrCat("text-", round % 3);
        const Interned mine = text;
        // Copying is what is tested.
        // NOLINTNEXTLINE(performance-unnecessary-copy-initialization)
        const Interned copy = mine;
        if (copy != text || mine != copy) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace baton
