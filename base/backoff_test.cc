#include "base/backoff.h"

#include "gtest/gtest.h"

namespace baton {
namespace {

class Half final : public Random {
 public:
  double Uniform() override { return 0.5; }
  uint64_t Bits() override { return 0; }
};

TEST(BackoffTest, DoublesItsBoundUpToTheMostAndStartsOverAfterReset) {
  Half half;
  Backoff backoff({.first = absl::Seconds(2), .most = absl::Seconds(6)}, half);
  EXPECT_EQ(backoff.Next(), absl::Seconds(1));
  EXPECT_EQ(backoff.Next(), absl::Seconds(2));
  EXPECT_EQ(backoff.Next(), absl::Seconds(3));
  EXPECT_EQ(backoff.Next(), absl::Seconds(3));
  backoff.Reset();
  EXPECT_EQ(backoff.Next(), absl::Seconds(1));
}

}  // namespace
}  // namespace baton
