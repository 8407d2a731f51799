#ifndef SERVICE_CORE_EDITOR_H_
#define SERVICE_CORE_EDITOR_H_

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "service/core/apply.h"
#include "service/core/event.h"
#include "service/core/fleet.h"
#include "service/core/index.h"

namespace baton::core {

// How the handlers of one event change the fleet: whoever gets a record here
// has it noted as changed. A handler validates all through fleet(), and only
// then edits; once it edited it cannot fail. What is derived (tallies, claims,
// the ledger) stays as it was before the event until Finish().
class Editor {
 public:
  Editor(const Event& event, Fleet& fleet);

  const Fleet& fleet() const { return fleet_; }
  absl::Time at() const { return at_; }
  const std::string& actor() const { return event_.actor; }

  // Each returns the record, to be stored; all but updates are made if there
  // are none.
  Host& EditHost(const std::string& name);
  Driver& EditDriver(const std::string& name);
  Rollout& EditRollout(const std::string& name);
  Update& EditUpdate(const std::string& rollout, const std::string& host);
  void SetFreeze(std::optional<Freeze> freeze);
  void SetEmergencyStop(std::optional<EmergencyStopRecord> stop);
  // Adds to what is remembered of updates, and forgets the rest past the bound.
  void AddToHistory(const History& costs);
  void EraseDriver(const std::string& name);
  void EraseHost(const std::string& name);
  // The rollout must not be active, nor wait to be taken back.
  void EraseRollout(const std::string& name);

  // Makes an update for each host of the rollout's plan, as it is at its start.
  void MakeUpdates(Rollout& rollout);

  // Returns the host, to be shown as changed but not stored.
  Host& TouchHost(const std::string& name);

  // Notes that the service heard of the host: changes nothing that is shown.
  void Hear(const std::string& host);

  // Moves the rollout to `state`, and into or out of the active ones.
  void Enter(Rollout& rollout, RolloutState state);

  // Has it stored as that of the update of that name.
  void KeepCapsule(const std::string& update, Capsule capsule);

  void StartEpoch();
  // Makes the epoch at least `epoch`.
  void RaiseEpoch(uint64_t epoch);
  // Notes that the store is older than what has happened: changes nothing that
  // is shown.
  void Doubt(uint64_t epoch, const std::string& sign);
  void AnswerDoubt();
  // Shown with the next look; nothing is stored.
  void SetDiskFree(uint64_t bytes);
  void Record(const std::string& request_id, const std::string& fingerprint);

  // Chains the event's one audit record to those before. Call it once, last.
  void Audit(absl::string_view action, absl::string_view resource,
             absl::string_view detail);

  // Whether there is something to be stored.
  bool changed() const { return changes_.durable(); }

  // Ends the edit.
  Changes Finish();

 private:
  const Event& event_;
  Fleet& fleet_;
  const absl::Time at_;
  uint64_t revision_;  // that the fleet will have
  IndexEdit index_;
  // Digest and time of the plans of the rollouts that are edited, before.
  std::map<std::string, std::pair<std::string, absl::Time>> plans_;
  Changes changes_;
};

// The handlers, in files by whose word it is, and on what. Each changes nothing
// unless it returns OK.
absl::Status On(const CreateRollout& event, Editor& editor);
absl::Status On(const PlanRollout& event, Editor& editor);
absl::Status On(const StartRollout& event, Editor& editor);
absl::Status On(const HoldRollout& event, Editor& editor);
absl::Status On(const ResumeRollout& event, Editor& editor);
absl::Status On(const AbortRollout& event, Editor& editor);
absl::Status On(const PauseRollout& event, Editor& editor);
absl::Status On(const ApproveRollout& event, Editor& editor);
absl::Status On(const RollBackRollout& event, Editor& editor);
absl::Status On(const DeleteRollout& event, Editor& editor);
absl::Status On(const SkipUpdate& event, Editor& editor);
absl::Status On(const RetryUpdate& event, Editor& editor);

absl::Status On(const FreezeFleet& event, Editor& editor);
absl::Status On(const UnfreezeFleet& event, Editor& editor);
absl::Status On(const EmergencyStop& event, Editor& editor);
absl::Status On(const LiftEmergencyStop& event, Editor& editor);
absl::Status On(const ReleaseHost& event, Editor& editor);
absl::Status On(const LiftQuarantine& event, Editor& editor);
absl::Status On(const DeleteHost& event, Editor& editor);

absl::Status On(const CordonHost& event, Editor& editor);
absl::Status On(const UncordonHost& event, Editor& editor);
absl::Status On(const UpdateHostLabels& event, Editor& editor);
absl::Status On(const DriverStored& event, Editor& editor);
absl::Status On(const DriverDeleted& event, Editor& editor);

absl::Status On(const HostConnected& event, Editor& editor);
absl::Status On(const HostHeard& event, Editor& editor);
absl::Status On(const HostDisconnected& event, Editor& editor);
absl::Status On(const UpdateReported& event, Editor& editor);

absl::Status On(const Tick& event, Editor& editor);
absl::Status On(const DiskSeen& event, Editor& editor);
absl::Status On(const ServiceStarted& event, Editor& editor);
absl::Status On(const LoseHost& event, Editor& editor);
absl::Status On(const DistrustStore& event, Editor& editor);
absl::Status On(const AdmitHost& event, Editor& editor);
absl::Status On(const SkipHost& event, Editor& editor);
absl::Status On(const EnforceLimits& event, Editor& editor);
absl::Status On(const RecallHosts& event, Editor& editor);
absl::Status On(const CreateRollback& event, Editor& editor);
absl::Status On(const EndWave& event, Editor& editor);
absl::Status On(const AdvanceWave& event, Editor& editor);
absl::Status On(const FinishRollout& event, Editor& editor);

// What handlers share.

// Moves a rollout that was started, or that goes on, to where it belongs:
// AWAITING_APPROVAL while its first wave lacks approvals, else RUNNING.
void EnterStarted(Rollout& rollout, Editor& editor);
// At most 64, in Kubernetes' syntax. INVALID_ARGUMENT (BAD_LABELS).
absl::Status CheckLabels(const Labels& labels);

}  // namespace baton::core

#endif  // SERVICE_CORE_EDITOR_H_
