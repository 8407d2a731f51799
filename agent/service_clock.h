#ifndef AGENT_SERVICE_CLOCK_H_
#define AGENT_SERVICE_CLOCK_H_

#include <optional>

#include "absl/time/time.h"

namespace baton::agent {

// The service's time, told on this host's monotonic clock, for as long as one
// stream lives. No two clocks have to agree: what is known is that the service
// told its time after this host had said hello. Its time is therefore never
// later than what this class takes it for, so that an order is rather thought
// to be expired (and repeated) than begun too late; the error is at most what
// the welcome took to come. Pure; confined to one thread.
class ServiceClock {
 public:
  // `now`  of the monotonic clock, when the hello is about to be said
  explicit ServiceClock(absl::Duration now) : hello_(now) {}

  // `told`  the service's time in its welcome
  void Welcome(absl::Time told) { told_ = told; }

  // Returns when the service's time will be `time`, on the monotonic clock, or
  // a little before; InfiniteDuration when the service did not tell its time.
  absl::Duration When(absl::Time time) const {
    if (!told_.has_value()) return absl::InfiniteDuration();
    return hello_ + (time - *told_);
  }

 private:
  const absl::Duration hello_;
  std::optional<absl::Time> told_ = std::nullopt;
};

}  // namespace baton::agent

#endif  // AGENT_SERVICE_CLOCK_H_
