#ifndef SERVICE_CORE_APPLY_H_
#define SERVICE_CORE_APPLY_H_

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "service/core/audit.h"
#include "service/core/capsule.h"
#include "service/core/event.h"
#include "service/core/fleet.h"

namespace baton::core {

// What an event changed, by key: the values are in the fleet. A key that the
// fleet no longer has was removed.
struct Changes {
  // To be stored.
  std::set<std::string> hosts = {};
  std::set<std::string> drivers = {};
  std::set<std::string> rollouts = {};  // without their plans and updates
  std::set<std::string> plans = {};     // by name of the rollout
  std::set<std::pair<std::string, std::string>> updates = {};  // rollout, host
  std::set<std::string> requests = {};
  std::set<HistoryKey> history = {};
  // Rollouts that were deleted, updates and capsules with them: that goes
  // first, for another one of the same name may have been made since. They are
  // among `rollouts` and `plans`, too.
  std::set<std::string> deleted = {};
  // Rollouts whose updates were all made. They follow from the plan: they are
  // not stored, nor listed above.
  std::set<std::string> started = {};
  std::vector<AuditRecord> audit = {};  // in order of sequence
  // By name of the update. They replace what is stored under that name.
  std::map<std::string, Capsule> capsules = {};

  // Changed for whoever looks, with nothing to be stored.
  std::set<std::string> seen_hosts = {};

  // Whether something must be made durable. Then the fleet's own numbers must
  // be, too.
  bool durable() const { return !audit.empty(); }

  // Whether nobody can see a difference.
  bool empty() const { return audit.empty() && seen_hosts.empty(); }

  // Takes what changed after this.
  void Merge(Changes other);
};

// Folds `event` into `fleet` and returns what that changed. All or nothing: on
// an error `fleet` is as it was. Each durable change comes with exactly one
// audit record; an event that repeats an earlier one changes nothing.
//
// Errors, each with a reason:
//   INVALID_ARGUMENT     the event itself is wrong; never retry it. BAD_NAME,
//                        BAD_SPEC, BAD_SELECTOR, WAVES_EXCEED_WHOLE,
//                        WAVES_LEAVE_HOSTS, BAD_REASON, BAD_REMARK, BAD_LABELS,
//                        BAD_END_TIME, BAD_REQUEST_ID, REQUEST_ID_REUSED,
//                        BAD_REPORT, BAD_DRIVER
//   PERMISSION_DENIED    OWN_ROLLOUT
//   NOT_FOUND            HOST_NOT_FOUND, DRIVER_NOT_FOUND, ROLLOUT_NOT_FOUND,
//                        UPDATE_NOT_FOUND, WAVE_NOT_FOUND, ROLLOUT_DELETED
//   ALREADY_EXISTS       ROLLOUT_EXISTS, DRIVER_EXISTS, ALREADY_APPROVED
//   FAILED_PRECONDITION  it does not fit the state: ROLLOUT_NOT_PLANNED,
//                        ROLLOUT_NOT_STARTED, ROLLOUT_STARTED, ROLLOUT_HELD,
//                        ROLLOUT_ABORTING, ROLLOUT_FINISHED, EMPTY_SELECTION,
//                        FAILURE_TOLERANCE_EXCEEDED, BLACKOUT_EXCEEDED,
//                        APPROVAL_NOT_NEEDED, ROLLBACK_STARTED,
//                        ROLLBACK_OF_ROLLBACK, ROLLBACK_BLOCKED,
//                        ROLLBACK_EXISTS, HOST_QUARANTINED, UPDATE_PENDING,
//                        UPDATE_RUNNING, UPDATE_ENDED, WAVE_ENDED,
//                        HELD_BY_ROLLOUT, HOST_CORDONED, HOST_NOT_CORDONED,
//                        HOST_CONNECTED, HOST_IDLE, HOST_UPDATING,
//                        HOST_NOT_QUARANTINED, FLEET_NOT_FROZEN,
//                        FLEET_NOT_STOPPED, DRIVER_IN_USE, ATTEMPT_UNKNOWN,
//                        SERVICE_BEHIND, HOST_NAME_TAKEN, DECISION_OVERTAKEN
//   ABORTED              a race was lost; read again: ETAG_MISMATCH,
//                        PLAN_CHANGED, STALE_ATTEMPT, STREAM_REPLACED
//   RESOURCE_EXHAUSTED   a bound of fleet.h: TOO_MANY_HOSTS and so on
absl::StatusOr<Changes> Apply(const Event& event, Fleet& fleet);

}  // namespace baton::core

#endif  // SERVICE_CORE_APPLY_H_
