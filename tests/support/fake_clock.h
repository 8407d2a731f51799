#ifndef TESTS_SUPPORT_FAKE_CLOCK_H_
#define TESTS_SUPPORT_FAKE_CLOCK_H_

#include "absl/time/time.h"
#include "base/clock.h"

namespace baton::support {

// A clock that a test moves by hand. Confined to one thread.
class FakeClock final : public Clock {
 public:
  absl::Time Now() const override { return wall_; }
  absl::Duration Monotonic() const override { return monotonic_; }

  // Lets time pass, on both faces.
  void Advance(absl::Duration time) {
    wall_ += time;
    monotonic_ += time;
  }

  // Somebody sets the wall clock, in any direction.
  void JumpWall(absl::Duration by) { wall_ += by; }

 private:
  absl::Time wall_ = absl::FromUnixSeconds(1'700'000'000);
  absl::Duration monotonic_ = absl::Hours(1);
};

}  // namespace baton::support

#endif  // TESTS_SUPPORT_FAKE_CLOCK_H_
