#include "driver-shim/vfio/core/arcs.h"

#include <set>
#include <utility>

#include "gtest/gtest.h"

namespace baton::vfio::core {
namespace {

using S = DeviceState;

// The arcs of the kernel's own table among these states, without its
// combinations.
const std::set<std::pair<S, S>>& LegalArcs() {
  static const auto& arcs = *new std::set<std::pair<S, S>>{
      {S::kRunning, S::kStop},  {S::kStop, S::kRunning},
      {S::kStop, S::kStopCopy}, {S::kStopCopy, S::kStop},
      {S::kStop, S::kResuming}, {S::kResuming, S::kStop},
  };
  return arcs;
}

TEST(ArcsTest, TakesLegalArcsAloneAndArrives) {
  for (const S from : kDeviceStates) {
    for (const S to : kDeviceStates) {
      const bool can = from != to && from != S::kError && to != S::kError;
      EXPECT_EQ(NextArc(from, to).has_value(), can)
          << Name(from) << " to " << Name(to);
      S at = from;
      int arcs = 0;
      while (const auto next = NextArc(at, to)) {
        EXPECT_TRUE(LegalArcs().contains({at, *next}))
            << Name(at) << " to " << Name(*next);
        at = *next;
        ASSERT_LE(++arcs, 2);
      }
      EXPECT_EQ(at, can ? to : from);
    }
  }
}

}  // namespace
}  // namespace baton::vfio::core
