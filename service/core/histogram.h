#ifndef SERVICE_CORE_HISTOGRAM_H_
#define SERVICE_CORE_HISTOGRAM_H_

#include <cstdint>
#include <map>

#include "absl/time/time.h"

namespace baton::core {

// How many durations fell into which bucket. A bucket is at most 1/32 wider
// than its least value, so a percentile is within 1.6 % of the true one; below
// 64 µs it is good to a microsecond.
class DurationHistogram {
 public:
  void Add(absl::Duration value) { AddToBucket(BucketOf(value), 1); }
  // Takes out one that was added before.
  void Remove(absl::Duration value);

  uint64_t count() const { return count_; }

  // Returns the middle of the bucket of the smallest value that at least
  // `percent` percent do not exceed. Only where count() > 0.
  //
  // `percent`  0 to 100
  absl::Duration Percentile(int percent) const;

  // To keep it somewhere and bring it back.
  const std::map<uint32_t, uint64_t>& buckets() const { return buckets_; }
  void AddToBucket(uint32_t bucket, uint64_t times);

  // Returns the number of the bucket of `value`; of the first one for what is
  // not above zero.
  static uint32_t BucketOf(absl::Duration value);

  bool operator==(const DurationHistogram&) const = default;

 private:
  std::map<uint32_t, uint64_t> buckets_;  // those that are not empty
  uint64_t count_ = 0;
};

}  // namespace baton::core

#endif  // SERVICE_CORE_HISTOGRAM_H_
