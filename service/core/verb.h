#ifndef SERVICE_CORE_VERB_H_
#define SERVICE_CORE_VERB_H_

#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "service/core/fleet.h"

namespace baton::core {

// What the verbs of operators check before anything else.

// Returns the rollout that a verb is for: there, as its caller saw it, and in
// one of the states `want`.
//
// Errors: INVALID_ARGUMENT (BAD_NAME), NOT_FOUND (ROLLOUT_NOT_FOUND), ABORTED
// (ETAG_MISMATCH), FAILED_PRECONDITION with a reason for the state it is in
absl::StatusOr<const Rollout*> FindFor(const Fleet& fleet,
                                       const std::string& name,
                                       const std::string& etag,
                                       const std::set<RolloutState>& want);

// The same for a host, which may be in any state.
absl::StatusOr<const Host*> FindFor(const Fleet& fleet, const std::string& name,
                                    const std::string& etag);

// ABORTED (ETAG_MISMATCH) unless `etag` is empty or that of `version`.
absl::Status CheckEtag(absl::string_view name, absl::string_view etag,
                       uint64_t version);

// An operator's reason: 1 to 1024 bytes. INVALID_ARGUMENT (BAD_REASON).
absl::Status CheckReason(absl::string_view reason);

// FAILED_PRECONDITION: `message` says got and want.
absl::Status RefusedError(absl::string_view reason, absl::string_view message);

}  // namespace baton::core

#endif  // SERVICE_CORE_VERB_H_
