#ifndef SERVICE_CORE_INDEX_H_
#define SERVICE_CORE_INDEX_H_

#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "service/core/fleet.h"

namespace baton::core {

// What is derived of a fleet: Fleet::{active,silence,alarms,ledger},
// Rollout::tally, Update::position and Host::claimant. Which lane an update is
// in depends on its host, on the drivers in the depot, on claims and on time,
// and on nothing else.

// Makes all of it anew, and the updates that were never stored. Walks
// everything: for a load, and for tests that change a fleet by hand.
void Reindex(Fleet& fleet);

// Whether all of it is as Reindex() would make it. Walks everything.
//
// Errors: INTERNAL; the message names what differs
absl::Status CheckIndex(const Fleet& fleet);

// Keeps it while one event changes the fleet. Of each record it is told before
// the first change; Finish() then brings everything up to date. Until then the
// indexes are as they were before the event.
class IndexEdit {
 public:
  explicit IndexEdit(Fleet& fleet) : fleet_(fleet) {}

  // The host, which need not be there, will be made, changed or erased.
  void BeforeHost(const std::string& name);
  // Only its last_heard will.
  void BeforeHeard(const std::string& name);
  void BeforeUpdate(const std::string& rollout, const std::string& host);
  // The rollout's state may be another one.
  void Entered(const std::string& rollout) { entered_.insert(rollout); }
  // All of its updates were just made.
  void Started(const std::string& rollout) { started_.insert(rollout); }
  void DriversChanged() { drivers_changed_ = true; }

  // Call it once, with fleet.now as it is after the event.
  void Finish();

 private:
  void FinishHosts();
  void FinishRollouts();
  void FinishUpdates();
  void FinishLanes();

  Fleet& fleet_;
  std::map<std::string, absl::Time> silent_since_;  // by host, before
  std::set<std::string> hosts_;
  std::map<std::pair<std::string, std::string>, CountedUpdate> updates_;
  std::set<std::string> entered_;
  std::set<std::string> started_;
  bool drivers_changed_ = false;
};

}  // namespace baton::core

#endif  // SERVICE_CORE_INDEX_H_
