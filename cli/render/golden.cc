#include "cli/render/golden.h"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "gtest/gtest.h"

namespace baton::cli {

std::string ReadTestdata(const std::string& file) {
  std::ifstream in("cli/testdata/" + file, std::ios::binary);
  CHECK(in.good());
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void ExpectGolden(const std::string& name, const std::string& text) {
  const std::string file = name + ".golden";
  // Tests start no thread that changes the environment.
  const char* folder =
      std::getenv("BATON_GOLDENS");  // NOLINT(concurrency-mt-unsafe)
  if (folder != nullptr) {
    std::ofstream(std::string(folder) + "/" + file, std::ios::binary) << text;
    return;
  }
  EXPECT_EQ(text, ReadTestdata(file)) << "in cli/testdata/" << file;
}

}  // namespace baton::cli
