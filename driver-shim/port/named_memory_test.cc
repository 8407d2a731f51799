#include "driver-shim/port/named_memory.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>

#include "base/reason.h"
#include "gtest/gtest.h"

namespace baton::port {
namespace {

int64_t Mappings() {
  std::ifstream file("/proc/self/maps");
  return std::count(std::istreambuf_iterator<char>(file), {}, '\n');
}

// Of a size that is no number of large pages, the rest of the last one stayed
// mapped.
TEST(NamedMemoryTest, RegressionLeavesNoMappingBehind) {
  const std::string path = testing::TempDir() + "/named_memory";
  for (const size_t bytes :
       {size_t{4} << 10, size_t{100} << 10, size_t{2} << 20, size_t{6} << 19}) {
    int64_t before = 0;
    for (int i = 0; i < 20; ++i) {
      auto memory = NamedMemory::Create(path, bytes);
      ASSERT_TRUE(memory.ok()) << memory.status();
      EXPECT_EQ((*memory)->bytes(), bytes);
      (*memory)->Remove();
      // The first time may map what stays, such as a heap.
      if (i == 0) before = Mappings();
    }
    EXPECT_LE(Mappings(), before) << bytes;
  }
}

// It took all of a tmpfs in large pages before it said so, for minutes.
TEST(NamedMemoryTest, RegressionWhatIsNotToBeHadIsNotTaken) {
  const std::string path =
      "/dev/shm/named_memory_test." + std::to_string(getpid());
  EXPECT_EQ(Reason(NamedMemory::Create(path, size_t{1} << 50).status()),
            "MEMORY_UNAVAILABLE");
  EXPECT_NE(access(path.c_str(), F_OK), 0);
}

}  // namespace
}  // namespace baton::port
