#ifndef AGENT_LINK_DEADLINE_H_
#define AGENT_LINK_DEADLINE_H_

#include "absl/time/time.h"
#include "grpc/support/time.h"
#include "grpcpp/client_context.h"

namespace baton::agent {

// Bounds a call from now on, on the monotonic clock (INVARIANTS, 7).
inline void SetDeadline(absl::Duration deadline, grpc::ClientContext& context) {
  context.set_deadline(gpr_time_add(
      gpr_now(GPR_CLOCK_MONOTONIC),
      gpr_time_from_micros(absl::ToInt64Microseconds(deadline), GPR_TIMESPAN)));
}

}  // namespace baton::agent

#endif  // AGENT_LINK_DEADLINE_H_
