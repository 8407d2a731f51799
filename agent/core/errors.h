#ifndef AGENT_CORE_ERRORS_H_
#define AGENT_CORE_ERRORS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/core/phase.h"

namespace baton::agent::core {

// ABORTED, STALE_EPOCH: the order comes from a service that was replaced.
absl::Status StaleEpochError(uint64_t got, uint64_t want);

// ABORTED, ATTEMPT_FINISHED: the recorded end is the answer.
absl::Status AttemptFinishedError(uint64_t got, uint64_t last);

// FAILED_PRECONDITION, ATTEMPT_RUNNING: another attempt has to end first.
absl::Status AttemptRunningError(uint64_t got, uint64_t running);

// FAILED_PRECONDITION, ORDER_EXPIRED: it came too late to begin on it.
absl::Status OrderExpiredError(uint64_t attempt, absl::Duration late);

// INVALID_ARGUMENT, BAD_ORDER.
absl::Status BadOrderError(absl::string_view problem);

// FAILED_PRECONDITION, STEP_UNEXPECTED: an outcome that nobody waits for.
absl::Status StepUnexpectedError(Way way, Phase phase, Step step);

}  // namespace baton::agent::core

#endif  // AGENT_CORE_ERRORS_H_
