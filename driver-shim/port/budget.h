#ifndef DRIVER_SHIM_PORT_BUDGET_H_
#define DRIVER_SHIM_PORT_BUDGET_H_

#include <algorithm>

#include "absl/time/time.h"
#include "base/clock.h"

namespace baton::port {

// The time that a step may still take.
class Budget {
 public:
  Budget(const Clock& clock, absl::Duration whole)
      : clock_(clock), begin_(clock.Monotonic()), whole_(whole) {}

  absl::Duration Spent() const { return clock_.Monotonic() - begin_; }
  // Never negative.
  absl::Duration Left() const {
    return std::max(whole_ - Spent(), absl::ZeroDuration());
  }

 private:
  const Clock& clock_;
  const absl::Duration begin_;
  const absl::Duration whole_;
};

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_BUDGET_H_
