#include "service/core/admission.h"

#include <queue>
#include <vector>

#include "gtest/gtest.h"

namespace baton::core {
namespace {

constexpr AdmissionOptions kOptions = {.per_second = 10, .burst = 3};

TEST(AdmissionTest, LetsABurstInAndSpreadsTheRest) {
  Admission admission;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Admit(kOptions, absl::Seconds(5), admission),
              absl::ZeroDuration());
  }
  EXPECT_EQ(Admit(kOptions, absl::Seconds(5), admission),
            absl::Milliseconds(100));
  EXPECT_EQ(Admit(kOptions, absl::Seconds(5), admission),
            absl::Milliseconds(200));
}

TEST(AdmissionTest, NeverHoldsMoreThanABurst) {
  Admission admission;
  EXPECT_EQ(Admit(kOptions, absl::ZeroDuration(), admission),
            absl::ZeroDuration());
  int in = 0;
  while (Admit(kOptions, absl::Hours(1), admission) == absl::ZeroDuration()) {
    ++in;
  }
  EXPECT_EQ(in, 3);
}

// L3: whoever does as told is in after (hosts - burst) / rate, and at no time
// more than the burst and the rate allow.
TEST(AdmissionTest, LetsAllInAtTheRateWhenTheyDoAsTold) {
  constexpr int kHosts = 1000;
  Admission admission;
  std::priority_queue<absl::Duration, std::vector<absl::Duration>,
                      std::greater<>>
      coming;
  for (int i = 0; i < kHosts; ++i) coming.push(absl::ZeroDuration());
  absl::Duration last = absl::ZeroDuration();
  int in = 0;
  int asked = 0;
  while (!coming.empty()) {
    const absl::Duration now = coming.top();
    coming.pop();
    ++asked;
    const absl::Duration wait = Admit(kOptions, now, admission);
    if (wait > absl::ZeroDuration()) {
      coming.push(now + wait);
      continue;
    }
    ++in;
    last = now;
    EXPECT_LE(in, 3 + 1 + absl::ToDoubleSeconds(now) * kOptions.per_second);
  }
  EXPECT_EQ(in, kHosts);
  EXPECT_LE(last, absl::Seconds(kHosts / kOptions.per_second));
  EXPECT_LE(asked, 3 * kHosts);
}

}  // namespace
}  // namespace baton::core
