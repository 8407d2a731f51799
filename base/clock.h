#ifndef BASE_CLOCK_H_
#define BASE_CLOCK_H_

#include "absl/time/time.h"

namespace baton {

// Tells the time. The only way any code in this repository may learn it.
class Clock {
 public:
  virtual ~Clock() = default;

  // Wall-clock time: for records that people read. May jump in any direction.
  virtual absl::Time Now() const = 0;

  // Time since an arbitrary start, never going back, equal for all processes
  // of one machine: for deadlines and durations.
  virtual absl::Duration Monotonic() const = 0;
};

// The machine's clock. Lives for ever; any thread.
const Clock& RealClock();

}  // namespace baton

#endif  // BASE_CLOCK_H_
