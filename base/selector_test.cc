#include "base/selector.h"

#include <map>
#include <string>

#include "base/reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton {
namespace {

using ::testing::HasSubstr;

TEST(SelectorTest, MatchesByTheTable) {
  const std::map<std::string, std::string> labels = {
      {"zone", "a"}, {"tier", "gold"}, {"empty", ""}};
  struct Row {
    const char* text;
    bool matches;
  };
  const Row rows[] = {
      {"*", true},
      {" * ", true},
      {"zone", true},
      {"rack", false},
      {"!rack", true},
      {"!zone", false},
      {"zone=a", true},
      {"zone==a", true},
      {"zone = b", false},
      {"zone!=b", true},
      {"zone!=a", false},
      {"rack!=a", true},
      {"zone in (a, b)", true},
      {"zone in (b)", false},
      {"rack in (a)", false},
      {"zone notin (a,b)", false},
      {"rack notin (a)", true},
      {"zone=a,tier=gold", true},
      {"zone=a, tier!=gold", false},
      {"empty=", true},
      {"zone=", false},
      {"empty in ()", true},
      {"in", false},
      {"in in (in)", false},
      {"example.com/zone", false},
  };
  for (const Row& row : rows) {
    const absl::StatusOr<Selector> selector = Selector::Parse(row.text);
    ASSERT_TRUE(selector.ok()) << row.text << ": " << selector.status();
    EXPECT_EQ(selector->Matches(labels), row.matches) << row.text;
  }
}

TEST(SelectorTest, NamesThePositionOfAnError) {
  struct Row {
    std::string text;
    std::string where;
  };
  const Row rows[] = {
      {"", "at position 1 got the end, want a label key"},
      {"zone=a,", "at position 8 got the end, want a label key"},
      {"=a", "at position 1 got '=', want a label key"},
      {"zone in a", "at position 9 got 'a', want '('"},
      {"zone in (a", "at position 11 got the end, want ',' or ')'"},
      {"zone in (a b)", "at position 12 got 'b', want ',' or ')'"},
      {"zone a", "at position 6 got 'a', want one of"},
      {"zone=a b", "at position 8 got 'b', want ',' or the end"},
      {"zone=-a", "at position 6 got '-', want a label value"},
      {"a/b/c", "at position 1 got 'a', want a label key"},
      {"*,zone", "at position 1 got '*', want a label key"},
      {"!zone=a", "at position 6 got '=', want ',' or the end"},
      {"zone>1", "at position 5 got '>', want one of"},
      {"zone=\u00fc,a", "at position 6 got '\u00fc', want ',' or the end"},
      {"\U0001f600", "at position 1 got '\U0001f600', want a label key"},
      {std::string(5000, 'a'), "want at most 4096"},
  };
  for (const Row& row : rows) {
    const absl::Status status = Selector::Parse(row.text).status();
    EXPECT_EQ(Reason(status), "BAD_SELECTOR") << row.text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(row.where));
  }
}

TEST(SelectorTest, KnowsWhatALabelIs) {
  EXPECT_TRUE(IsLabelKey("zone"));
  EXPECT_TRUE(IsLabelKey("example.com/zone_1"));
  EXPECT_FALSE(IsLabelKey(""));
  EXPECT_FALSE(IsLabelKey("/zone"));
  EXPECT_FALSE(IsLabelKey("Example.com/zone"));
  EXPECT_FALSE(IsLabelKey(std::string(64, 'a')));
  EXPECT_TRUE(IsLabelValue(""));
  EXPECT_TRUE(IsLabelValue("a.b_c-D"));
  EXPECT_FALSE(IsLabelValue("a b"));
  EXPECT_FALSE(IsLabelValue("a-"));
}

}  // namespace
}  // namespace baton
