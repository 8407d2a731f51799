#include "service/rpc/page.h"

#include <map>
#include <string>
#include <vector>

#include "base/reason.h"
#include "gtest/gtest.h"

namespace baton::rpc {
namespace {

TEST(PageTest, KeepsTheBoundsOfItsSize) {
  EXPECT_EQ(ParsePage(0, "", "q")->size, 100u);
  EXPECT_EQ(ParsePage(1, "", "q")->size, 1u);
  EXPECT_EQ(ParsePage(1000, "", "q")->size, 1000u);
  for (int32_t size : {-1, 1001, -2147483647}) {
    const auto page = ParsePage(size, "", "q");
    EXPECT_EQ(page.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(Reason(page.status()), "BAD_PAGE_SIZE");
  }
}

TEST(PageTest, TakesOnlyTokensOfTheSameQuery) {
  const std::string token = MakePageToken("h-1", "hosts?zone=a");
  EXPECT_EQ(ParsePage(5, token, "hosts?zone=a")->after, "h-1");
  for (const std::string& bad :
       {std::string("h-1"), std::string("\xc3\xa9"), std::string("!"),
        MakePageToken("h-1", "hosts?zone=b"),
        MakePageToken("", "hosts?zone=a")}) {
    const auto page = ParsePage(5, bad, "hosts?zone=a");
    EXPECT_EQ(page.status().code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_EQ(Reason(page.status()), "BAD_PAGE_TOKEN") << bad;
  }
}

TEST(PageTest, WalksAllThatIsWantedOnce) {
  std::map<std::string, int> entries;
  for (int i = 100; i < 200; ++i) entries[std::to_string(i)] = i;
  const auto even = [](int i) { return i % 2 == 0; };
  for (int32_t size : {1, 7, 49, 50, 51, 100}) {
    std::vector<int> seen;
    std::string token;
    int pages = 0;
    do {
      const auto page = ParsePage(size, token, "q");
      ASSERT_TRUE(page.ok());
      token = ForPage(*page, entries, "q", even, [&seen](const auto& entry) {
        seen.push_back(entry.second);
        return size_t{1};
      });
      ++pages;
    } while (!token.empty());
    EXPECT_EQ(seen.size(), 50u);
    EXPECT_EQ(seen.front(), 100);
    EXPECT_EQ(seen.back(), 198);
    EXPECT_EQ(pages, (50 + size - 1) / size);
  }
}

TEST(PageTest, EndsEarlyWhenItBecomesTooLarge) {
  const std::map<std::string, int> entries = {{"a", 1}, {"b", 2}, {"c", 3}};
  const auto page = ParsePage(100, "", "q");
  const std::string token = ForPage(
      *page, entries, "q", [](int) { return true; },
      [](const auto&) { return kPageBytesMax / 2; });
  EXPECT_EQ(ParsePage(100, token, "q")->after, "b");
}

TEST(PageTest, GoesOnAfterAnEntryThatIsGone) {
  const std::map<std::string, int> entries = {{"a", 1}, {"c", 3}};
  const auto page = ParsePage(5, MakePageToken("b", "q"), "q");
  std::vector<int> seen;
  EXPECT_EQ(ForPage(
                *page, entries, "q", [](int) { return true; },
                [&seen](const auto& entry) {
                  seen.push_back(entry.second);
                  return size_t{1};
                }),
            "");
  EXPECT_EQ(seen, std::vector<int>{3});
}

}  // namespace
}  // namespace baton::rpc
