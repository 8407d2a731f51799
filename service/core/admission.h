#ifndef SERVICE_CORE_ADMISSION_H_
#define SERVICE_CORE_ADMISSION_H_

#include "absl/time/time.h"

namespace baton::core {

// How fast agents are let in. With a thousand a second, 100,000 that come back
// at once to a service that was restarted are all in after 100 s, and whatever
// an agent's own back-off adds to that (30 s): INVARIANTS L3.
struct AdmissionOptions {
  double per_second = 1000;  // above 0
  double burst = 1000;       // let in at once after a while of rest; at least 1
};

// A bucket of tokens, and a queue of those that were sent away.
struct Admission {
  double tokens = -1;                              // below 0: full
  absl::Duration at = absl::ZeroDuration();        // when `tokens` was true
  absl::Duration promised = absl::ZeroDuration();  // the last who comes again
};

// Takes a token at `now`, on a monotonic clock. Returns zero when there was
// one; else how long whoever asks is to stay away. Those who are sent away are
// told times one token apart, behind those of all before them, so that they
// come back at the rate at which they can be let in.
absl::Duration Admit(const AdmissionOptions& options, absl::Duration now,
                     Admission& admission);

}  // namespace baton::core

#endif  // SERVICE_CORE_ADMISSION_H_
