#include "service/core/stops.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "service/core/compile.h"
#include "service/core/names.h"
#include "service/core/verb.h"

namespace baton::core {
namespace {

constexpr size_t kNameBytesMax = 63;

// "rollouts/{id}-rollback", or with "-2" and so on.
std::string RollbackName(const Fleet& fleet, const std::string& original) {
  const std::string id(ShortName(original));
  for (int number = 1;; ++number) {
    const std::string suffix =
        absl::StrCat("-rollback", number == 1 ? "" : absl::StrCat("-", number));
    std::string name = absl::StrCat(
        "rollouts/", id.substr(0, kNameBytesMax - suffix.size()), suffix);
    if (FindRollout(fleet, name) == nullptr) return name;
  }
}

// From Pause on a cancel comes too late: the whole blackout is one order.
bool CanStillCancel(const Update& update) {
  return !update.past_no_return &&
         (update.step < Step::kPause || update.step == Step::kCancel);
}

// Whether hosts could be taken back at once, where nothing is in flight and
// some are to be: whoever asks is to know now that they cannot.
absl::Status CheckCanGoBack(const Fleet& fleet, const Rollout& rollout) {
  if (!IsFinished(rollout.state) ||
      rollout.tally.Count(UpdateState::kDone) == 0) {
    return absl::OkStatus();
  }
  absl::Status planned =
      CompilePlan(fleet, MakeRollback(fleet, rollout)).status();
  if (planned.ok()) return planned;
  return RefusedError(
      "ROLLBACK_BLOCKED",
      absl::StrCat("'", rollout.name,
                   "' cannot be taken back: ", planned.message()));
}

}  // namespace

std::vector<HostEffect> EffectsOf(const Rollout& rollout) {
  std::vector<HostEffect> effects;
  for (const std::string& host : rollout.tally.running) {
    const Update& update = rollout.updates.at(host);
    effects.push_back(
        {host, CanStillCancel(update) ? Outcome::kCancel : Outcome::kFinish,
         update.step});
  }
  return effects;
}

std::vector<std::string> HostsToTakeBack(const Rollout& rollout) {
  std::vector<std::string> hosts;
  for (const auto& [host, update] : rollout.updates) {
    if (update.state == UpdateState::kDone) hosts.push_back(host);
  }
  return hosts;
}

absl::Status Check(const PauseRollout& event, const Fleet& fleet) {
  return FindFor(fleet, event.name, event.etag,
                 {RolloutState::kAwaitingApproval, RolloutState::kRunning,
                  RolloutState::kHeld})
      .status();
}

absl::Status Check(const AbortRollout& event, const Fleet& fleet) {
  return FindFor(fleet, event.name, event.etag,
                 {RolloutState::kDraft, RolloutState::kPlanned,
                  RolloutState::kAwaitingApproval, RolloutState::kRunning,
                  RolloutState::kHeld})
      .status();
}

absl::Status Check(const RollBackRollout& event, const Fleet& fleet) {
  ASSIGN_OR_RETURN(const Rollout* rollout,
                   FindFor(fleet, event.name, event.etag,
                           {RolloutState::kAwaitingApproval,
                            RolloutState::kRunning, RolloutState::kHeld,
                            RolloutState::kAborting, RolloutState::kSucceeded,
                            RolloutState::kFailed, RolloutState::kAborted}));
  if (!rollout->spec.rollback_of.empty()) {
    return RefusedError(
        "ROLLBACK_OF_ROLLBACK",
        absl::StrCat("'", event.name, "' takes back '",
                     rollout->spec.rollback_of,
                     "', want a rollout of a driver: roll that driver out "
                     "again"));
  }
  if (!rollout->take_back.has_value()) return CheckCanGoBack(fleet, *rollout);
  return RefusedError(
      "ROLLBACK_STARTED",
      absl::StrCat("'", event.name, "' is being taken back by the word of '",
                   rollout->take_back->by, "', want one that is not"));
}

Rollout MakeRollback(const Fleet& fleet, const Rollout& original) {
  Rollout rollback;
  rollback.name = RollbackName(fleet, original.name);
  rollback.spec = original.spec;
  rollback.spec.driver.clear();
  rollback.spec.rollback_of = original.name;
  rollback.spec.on_exceeded = OnExceeded::kHold;
  for (WaveSpec& wave : rollback.spec.waves) wave.approvals = 0;
  if (original.take_back.has_value()) {
    rollback.author = original.take_back->by;
  }
  return rollback;
}

}  // namespace baton::core
