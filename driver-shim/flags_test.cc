#include "driver-shim/flags.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace baton::shim {
namespace {

std::optional<int> Read(const std::vector<const char*>& flags) {
  CLI::App app("what it does", "program");
  int number = 0;
  app.add_option("--number", number)->required()->check(CLI::Range(1, 9));
  std::vector<const char*> argv = {"program"};
  argv.insert(argv.end(), flags.begin(), flags.end());
  return ReadFlags(app, static_cast<int>(argv.size()), argv.data());
}

TEST(FlagsTest, GoesOnWithGoodOnes) {
  EXPECT_EQ(Read({"--number=3"}), std::nullopt);
}

// Each kind had a code of its own, between 101 and 113.
TEST(FlagsTest, RegressionWrongOnesAreCodeTwo) {
  EXPECT_EQ(Read({}), 2);
  EXPECT_EQ(Read({"--number=x"}), 2);
  EXPECT_EQ(Read({"--number=10"}), 2);
  EXPECT_EQ(Read({"--number=3", "--other"}), 2);
  EXPECT_EQ(Read({"--help"}), 0);
}

}  // namespace
}  // namespace baton::shim
