#include "service/core/histogram.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace baton::core {
namespace {

// Each power of two is cut into 32: buckets 0 to 63 hold one microsecond each,
// 64 to 95 two, and so on.
constexpr uint32_t kParts = 32;

absl::Duration MiddleOf(uint32_t bucket) {
  if (bucket < 2 * kParts) return absl::Microseconds(bucket);
  const uint32_t shift = bucket / kParts - 1;
  const uint64_t least = uint64_t{bucket - shift * kParts} << shift;
  return absl::Microseconds(least + (uint64_t{1} << (shift - 1)));
}

}  // namespace

uint32_t DurationHistogram::BucketOf(absl::Duration value) {
  // Past a thousand years all is one.
  constexpr int64_t kMost = int64_t{1} << 55;
  const auto us = static_cast<uint64_t>(
      std::clamp<int64_t>(absl::ToInt64Microseconds(value), 0, kMost));
  if (us < uint64_t{2} * kParts) return static_cast<uint32_t>(us);
  const auto shift = static_cast<uint32_t>(std::bit_width(us) - 6);
  return shift * kParts + static_cast<uint32_t>(us >> shift);
}

void DurationHistogram::AddToBucket(uint32_t bucket, uint64_t times) {
  if (times == 0) return;
  buckets_[bucket] += times;
  count_ += times;
}

void DurationHistogram::Remove(absl::Duration value) {
  const auto found = buckets_.find(BucketOf(value));
  CHECK(found != buckets_.end());
  --count_;
  if (--found->second == 0) buckets_.erase(found);
}

absl::Duration DurationHistogram::Percentile(int percent) const {
  CHECK(count_ > 0);
  const uint64_t rank = std::max<uint64_t>(
      (count_ * static_cast<uint64_t>(percent) + 99) / 100, 1);
  uint64_t seen = 0;
  for (const auto& [bucket, times] : buckets_) {
    seen += times;
    if (seen >= rank) return MiddleOf(bucket);
  }
  CHECK(false);
}

}  // namespace baton::core
