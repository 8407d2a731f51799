#ifndef SERVICE_CORE_INVARIANTS_H_
#define SERVICE_CORE_INVARIANTS_H_

#include "absl/status/status.h"
#include "service/core/apply.h"
#include "service/core/fleet.h"

namespace baton::core {

// What must be true of every fleet: S10 (nothing outside the started plan, or
// in a wave whose predecessor has not ended, has a slot), S11 (a slot is held
// exactly while its attempt runs), and that no two rollouts claim one host.
//
// Errors: INTERNAL; the message names the invariant and the record
absl::Status CheckInvariants(const Fleet& fleet);

// What must be true of every fleet for which Decide() has nothing more to do: a
// rollout that has not ended, and a host that waits in one or runs, have at
// least one gate that does not pass, with a reason and words. Walks everything.
//
// Errors: INTERNAL; the message names the record
absl::Status CheckReasons(const Fleet& fleet);

// What must be true of every applied event, and of every turn of them: S1 (the
// budget holds after each admission), S9 (durable changes have audit records,
// each chained to the one before), S10 (no admission past the tolerance), S11
// (a slot is freed only by the end of its attempt), S13 (epoch, attempts, audit
// sequence and revision never go down).
absl::Status CheckTransition(const Fleet& before, const Changes& changes,
                             const Fleet& after);

}  // namespace baton::core

#endif  // SERVICE_CORE_INVARIANTS_H_
