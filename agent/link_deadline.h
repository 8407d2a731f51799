#ifndef AGENT_LINK_DEADLINE_H_
#define AGENT_LINK_DEADLINE_H_

#include "absl/time/time.h"
#include "grpc/support/time.h"
#include "grpcpp/client_context.h"

namespace baton::agent {

// Returns the time `from_now` on, on the monotonic clock: deadlines must not
// move when the wall clock jumps.
inline gpr_timespec GprDeadline(absl::Duration from_now) {
  return gpr_time_add(
      gpr_now(GPR_CLOCK_MONOTONIC),
      gpr_time_from_micros(absl::ToInt64Microseconds(from_now), GPR_TIMESPAN));
}

// Bounds a call from now on.
inline void SetDeadline(absl::Duration deadline, grpc::ClientContext& context) {
  context.set_deadline(GprDeadline(deadline));
}

}  // namespace baton::agent

#endif  // AGENT_LINK_DEADLINE_H_
