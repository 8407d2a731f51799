#include "service/core/histogram.h"

#include <algorithm>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace baton::core {
namespace {

TEST(DurationHistogramTest, IsExactBelow64Microseconds) {
  DurationHistogram histogram;
  for (int us = 0; us < 64; ++us) histogram.Add(absl::Microseconds(us));
  EXPECT_EQ(histogram.Percentile(0), absl::ZeroDuration());
  EXPECT_EQ(histogram.Percentile(50), absl::Microseconds(31));
  EXPECT_EQ(histogram.Percentile(100), absl::Microseconds(63));
}

TEST(DurationHistogramTest, PutsEachValueIntoABucketThatBeginsNoLater) {
  uint32_t last = 0;
  for (int64_t us = 0; us < 100'000; ++us) {
    const uint32_t bucket = DurationHistogram::BucketOf(absl::Microseconds(us));
    ASSERT_TRUE(bucket == last || bucket == last + 1) << us;
    last = bucket;
  }
}

TEST(DurationHistogramTest, IsWithin2PercentOfTheTruePercentile) {
  std::mt19937_64 random(17);
  std::lognormal_distribution<double> milliseconds(3, 1.5);
  DurationHistogram histogram;
  std::vector<absl::Duration> values;
  for (int i = 0; i < 10'000; ++i) {
    values.push_back(absl::Milliseconds(milliseconds(random)));
    histogram.Add(values.back());
  }
  std::sort(values.begin(), values.end());
  for (const int percent : {1, 50, 90, 99, 100}) {
    const absl::Duration want = values[values.size() * percent / 100 - 1];
    const double ratio =
        absl::FDivDuration(histogram.Percentile(percent), want);
    EXPECT_NEAR(ratio, 1, 0.02) << percent;
  }
}

TEST(DurationHistogramTest, ForgetsWhatIsTakenOut) {
  DurationHistogram histogram;
  histogram.Add(absl::Milliseconds(10));
  const DurationHistogram one = histogram;
  histogram.Add(absl::Hours(1));
  histogram.Add(absl::InfiniteDuration());
  histogram.Remove(absl::InfiniteDuration());
  histogram.Remove(absl::Hours(1));
  EXPECT_EQ(histogram, one);
  histogram.Remove(absl::Milliseconds(10));
  EXPECT_EQ(histogram, DurationHistogram());
  EXPECT_EQ(DurationHistogram::BucketOf(-absl::Seconds(1)), 0u);
}

TEST(DurationHistogramTest, ComesBackFromItsBuckets) {
  DurationHistogram histogram;
  for (int i = 1; i < 100; ++i) histogram.Add(absl::Milliseconds(i * i));
  DurationHistogram again;
  for (const auto& [bucket, times] : histogram.buckets()) {
    again.AddToBucket(bucket, times);
  }
  EXPECT_EQ(again, histogram);
}

}  // namespace
}  // namespace baton::core
