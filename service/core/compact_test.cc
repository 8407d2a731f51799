#include "service/core/compact.h"

#include <string>
#include <utility>

#include "gtest/gtest.h"

namespace baton::core {
namespace {

TEST(CompactTest, IsTheTextThatItWasMadeOf) {
  for (const std::string& text :
       {std::string(), std::string("a"), std::string("a\0b", 3),
        std::string(1000, 'x')}) {
    const Compact compact = text;
    EXPECT_EQ(compact.view(), text);
    EXPECT_EQ(compact.str(), text);
    EXPECT_EQ(compact, text);
    EXPECT_EQ(compact, Compact(text));
    EXPECT_EQ(compact.empty(), text.empty());
  }
  EXPECT_NE(Compact("a"), Compact("b"));
  EXPECT_NE(Compact("a"), "ab");
  EXPECT_EQ(sizeof(Compact), sizeof(void*));
}

TEST(CompactTest, IsCopiedMovedAndReplaced) {
  Compact first = "boot-1";
  Compact second = first;
  first = "boot-2";
  EXPECT_EQ(first, "boot-2");
  EXPECT_EQ(second, "boot-1");
  second = std::move(first);
  EXPECT_EQ(second, "boot-2");
  second = *&second;
  EXPECT_EQ(second, "boot-2");
  second = Compact();
  EXPECT_TRUE(second.empty());
}

}  // namespace
}  // namespace baton::core
