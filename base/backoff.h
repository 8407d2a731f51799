#ifndef BASE_BACKOFF_H_
#define BASE_BACKOFF_H_

#include <algorithm>

#include "absl/time/time.h"
#include "base/random.h"

namespace baton {

// How long to wait before the next try, with full jitter: evenly between zero
// and a bound that doubles with each failure, so that peers that failed
// together do not come back together. Confined to one thread.
class Backoff {
 public:
  struct Options {
    absl::Duration first = absl::Milliseconds(100);  // bound of the first wait
    absl::Duration most = absl::Seconds(30);         // bound never grows past
  };

  Backoff(Options options, Random& random)
      : options_(options), bound_(options.first), random_(random) {}

  // Returns how long to wait now, and doubles the bound of the next wait.
  absl::Duration Next() {
    const absl::Duration wait = bound_ * random_.Uniform();
    bound_ = std::min(bound_ * 2, options_.most);
    return wait;
  }

  // Starts over: call it after a success.
  void Reset() { bound_ = options_.first; }

 private:
  const Options options_;
  absl::Duration bound_;
  Random& random_;
};

}  // namespace baton

#endif  // BASE_BACKOFF_H_
