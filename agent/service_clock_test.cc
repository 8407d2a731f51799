#include "agent/service_clock.h"

#include "gtest/gtest.h"

namespace baton::agent {
namespace {

// The service's wall clock is years off, and nothing depends on it.
const absl::Time kTold = absl::FromUnixSeconds(7);

TEST(ServiceClockTest, ExpiresNoLaterThanTheServiceMeans) {
  // Said hello at 100 s; the service told its time 2 s later, and its welcome
  // took another 3 s.
  ServiceClock clock(absl::Seconds(100));
  clock.Welcome(kTold);
  const absl::Duration true_end = absl::Seconds(102 + 60);
  EXPECT_EQ(clock.When(kTold + absl::Seconds(60)), absl::Seconds(160));
  EXPECT_LE(clock.When(kTold + absl::Seconds(60)), true_end);
}

TEST(ServiceClockTest, BoundsNothingUntilTheServiceToldItsTime) {
  const ServiceClock clock(absl::Seconds(100));
  EXPECT_EQ(clock.When(kTold), absl::InfiniteDuration());
}

}  // namespace
}  // namespace baton::agent
