#include "driver-shim/port/touch.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <array>
#include <cstdint>
#include <vector>

#include "driver-shim/ddi/mdl.h"
#include "gtest/gtest.h"

namespace baton::port {
namespace {

constexpr size_t kPages = 64;

// Written by nobody before the test: its pages are not there yet.
std::array<volatile char, kPages * PAGE_SIZE> untouched;

int64_t PageFaults() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

TEST(TouchTest, LeavesNoPageFaultsInDataThatIsWrittenNext) {
  TouchCodeAndStack();
  const int64_t before = PageFaults();
  for (size_t i = 0; i < untouched.size(); i += PAGE_SIZE) untouched[i] = 1;
  EXPECT_LT(PageFaults() - before, static_cast<int64_t>(kPages) / 4);
}

// The heap of AddressSanitizer uses nothing twice.
#if !defined(__SANITIZE_ADDRESS__)
TEST(TouchTest, LeavesNoPageFaultsInWhatIsAllocatedNext) {
  TouchHeap(kPages * PAGE_SIZE);
  const int64_t before = PageFaults();
  for (int round = 0; round < 2; ++round) {
    std::vector<std::vector<char>> all;
    all.reserve(kPages);
    for (size_t i = 0; i + 1 < kPages; ++i)
      all.emplace_back(PAGE_SIZE / 2, 'x');
    const std::vector<char> large(kPages * PAGE_SIZE / 4, 'x');
    EXPECT_LT(PageFaults() - before, static_cast<int64_t>(kPages) / 4);
  }
}
#endif

}  // namespace
}  // namespace baton::port
