#include "cli/render/table.h"

#include "gtest/gtest.h"

namespace baton::cli {
namespace {

TEST(TableTest, LinesUpColumnsWithoutTrailingSpaces) {
  Table table({"NAME", "N", "LAST"});
  table.Add({"a", "1", "x"});
  table.Add({"blåbær", "22", "y z"});
  EXPECT_EQ(table.ToString(Colour::kNever, "  "),
            "  NAME    N   LAST\n"
            "  a       1   x\n"
            "  blåbær  22  y z\n");
}

TEST(TableTest, AnEmptyCellIsADash) {
  Table table({});
  table.Add({"", "b"});
  EXPECT_EQ(table.ToString(Colour::kNever), "-  b\n");
}

TEST(TableTest, ColoursTakeNoWidth) {
  Table table({});
  table.Add({{"ok", Ink::kGood}, "b"});
  table.Add({"long", "b"});
  EXPECT_EQ(table.ToString(Colour::kAlways),
            "\x1b[32mok\x1b[0m    b\nlong  b\n");
}

TEST(TableTest, EscapesInCellsAreHarmless) {
  Table table({});
  table.Add({"\x1b[2J"});
  EXPECT_EQ(table.ToString(Colour::kAlways), " [2J\n");
}

}  // namespace
}  // namespace baton::cli
