#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

// The kit as a vendor may compile it: with no library, at any level of
// optimisation. What is left over is one object that needs no symbol.

namespace baton::kit {
namespace {

struct Ran {
  int exit_status = -1;
  std::string output = "";
};

Ran Execute(const std::string& command) {
  std::FILE* const pipe = popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return {};
  Ran ran;
  char part[256];
  for (size_t n = 0; (n = std::fread(part, 1, sizeof part, pipe)) > 0;) {
    ran.output.append(part, n);
  }
  ran.exit_status = pclose(pipe);
  return ran;
}

class FreestandingTest : public testing::TestWithParam<const char*> {};

TEST_P(FreestandingTest, NeedsNoSymbol) {
  const std::string object = testing::TempDir() + "/kit" + GetParam() + ".o";
  for (const std::string pic : {"-fPIC", "-fno-pic"}) {
    const Ran compiled = Execute(absl::StrCat(
        "gcc -std=c11 -ffreestanding -nostdlib -Wall -Wextra -Werror -r -I. ",
        GetParam(), " ", pic, " -o ", object, " driver-shim/kit/*.c"));
    ASSERT_EQ(compiled.exit_status, 0) << compiled.output;
    const Ran undefined = Execute("nm --undefined-only " + object);
    EXPECT_EQ(undefined.exit_status, 0);
    EXPECT_EQ(undefined.output, "") << pic;
    const Ran defined = Execute("nm --defined-only " + object);
    EXPECT_NE(defined.output.find("T baton_kit_open"), std::string::npos)
        << defined.output;
    // Nothing that lives between two calls.
    EXPECT_EQ(defined.output.find(" D "), std::string::npos) << defined.output;
    EXPECT_EQ(defined.output.find(" B "), std::string::npos) << defined.output;
  }
}

INSTANTIATE_TEST_SUITE_P(Levels, FreestandingTest,
                         testing::Values("-O0", "-O1", "-O2", "-O3", "-Os"),
                         [](const auto& test) {
                           return std::string(test.param + 1);
                         });

}  // namespace
}  // namespace baton::kit
