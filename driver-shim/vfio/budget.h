#ifndef DRIVER_SHIM_VFIO_BUDGET_H_
#define DRIVER_SHIM_VFIO_BUDGET_H_

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/reason.h"

namespace baton::vfio {

// The time that a step may still take.
class Budget {
 public:
  Budget(const Clock& clock, absl::Duration whole)
      : clock_(clock), end_(clock.Monotonic() + whole), whole_(whole) {}

  // Never negative.
  absl::Duration Left() const {
    return std::max(end_ - clock_.Monotonic(), absl::ZeroDuration());
  }

  // The same, or a shorter one.
  Budget AtMost(absl::Duration whole) const {
    return Budget(clock_, std::min(Left(), whole));
  }

  // For poll(2): rounded up, so that whoever waits so long is too late.
  int LeftMilliseconds() const {
    return static_cast<int>(
        absl::ToInt64Milliseconds(absl::Ceil(Left(), absl::Milliseconds(1))));
  }

  // Says that what was waited for did not come in time.
  absl::Status Exceeded(absl::string_view what) const {
    return ErrorWithReason(
        absl::StatusCode::kDeadlineExceeded, "STEP_TOO_SLOW",
        absl::StrCat(what, " took longer than ", absl::FormatDuration(whole_)));
  }

 private:
  const Clock& clock_;
  const absl::Duration end_;
  const absl::Duration whole_;
};

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_BUDGET_H_
