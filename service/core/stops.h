#ifndef SERVICE_CORE_STOPS_H_
#define SERVICE_CORE_STOPS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "service/core/event.h"
#include "service/core/fleet.h"

namespace baton::core {

// What a stop would mean, said beforehand.

// What a host in flight will do; as baton.v1.HostEffect. Numbers as on the
// wire.
enum class Outcome : uint8_t { kCancel = 1, kFinish = 2 };

struct HostEffect {
  std::string host = "";
  Outcome outcome = Outcome::kCancel;
  Step step = Step::kNone;  // the last one that was reported

  bool operator==(const HostEffect&) const = default;
};

// Returns what pause, abort and roll-back mean for each host in flight, ordered
// by host, as far as it has been reported: a host whose engines were not paused
// yet cancels, any other finishes.
std::vector<HostEffect> EffectsOf(const Rollout& rollout);

// Returns the hosts that `rollout` updated, ordered by name: those that a
// roll-back would take back.
std::vector<std::string> HostsToTakeBack(const Rollout& rollout);

// Whether each of these would be carried out now: the errors are those of
// Apply().
absl::Status Check(const PauseRollout& event, const Fleet& fleet);
absl::Status Check(const AbortRollout& event, const Fleet& fleet);
absl::Status Check(const RollBackRollout& event, const Fleet& fleet);

// Returns the rollout, not yet planned, that takes `original` back: the same
// waves and limits, no approvals, and it holds where it exceeds what it may.
// Its name is the original's with "-rollback", cut to fit, with a number where
// there is one of that name.
Rollout MakeRollback(const Fleet& fleet, const Rollout& original);

}  // namespace baton::core

#endif  // SERVICE_CORE_STOPS_H_
