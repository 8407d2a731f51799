#ifndef SERVICE_CORE_EVENT_H_
#define SERVICE_CORE_EVENT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "absl/time/time.h"
#include "service/core/driver.h"
#include "service/core/host.h"
#include "service/core/rollout.h"
#include "service/core/update.h"

namespace baton::core {

// ---- What operators ask for. `etag` empty: whatever is there now.
// `request_id` empty: a repeat is a new request.

struct CreateRollout {
  std::string name = "";
  RolloutSpec spec = {};
  std::string request_id = "";
};

struct PlanRollout {
  std::string name = "";
  std::string etag = "";
  std::string request_id = "";
};

struct StartRollout {
  std::string name = "";
  std::string digest = "";
  std::string etag = "";
  std::string request_id = "";
};

struct HoldRollout {
  std::string name = "";
  std::string reason = "";
  std::string etag = "";
  std::string request_id = "";
};

struct PauseRollout {
  std::string name = "";
  std::string reason = "";
  std::string etag = "";
  std::string request_id = "";
};

struct ApproveRollout {
  std::string name = "";
  std::string digest = "";
  std::string wave = "";  // empty: the next one that wants approvals
  std::string remark = "";
  std::string etag = "";
  std::string request_id = "";
};

struct RollBackRollout {
  std::string name = "";
  std::string reason = "";
  std::string etag = "";
  std::string request_id = "";
};

struct SkipUpdate {
  std::string rollout = "";
  std::string host = "";
  std::string reason = "";
  std::string request_id = "";
};

struct RetryUpdate {
  std::string rollout = "";
  std::string host = "";
  std::string reason = "";
  std::string request_id = "";
};

struct FreezeFleet {
  std::string reason = "";
  absl::Time end = absl::InfinitePast();
  std::string request_id = "";
};

struct UnfreezeFleet {
  std::string reason = "";
  std::string request_id = "";
};

struct EmergencyStop {
  std::string reason = "";
  std::string request_id = "";
};

struct LiftEmergencyStop {
  std::string reason = "";
  std::string request_id = "";
};

struct ReleaseHost {
  std::string host = "";
  std::string reason = "";
  std::string etag = "";
  std::string request_id = "";
};

struct LiftQuarantine {
  std::string host = "";
  std::string reason = "";
  std::string etag = "";
  std::string request_id = "";
};

struct DeleteHost {
  std::string host = "";
  std::string reason = "";
  std::string etag = "";
  std::string request_id = "";
};

struct ResumeRollout {
  std::string name = "";
  bool accept_failures = false;
  std::string etag = "";
  std::string request_id = "";
};

struct AbortRollout {
  std::string name = "";
  std::string reason = "";
  std::string etag = "";
  std::string request_id = "";
};

struct DeleteRollout {
  std::string name = "";
  std::string etag = "";
  std::string request_id = "";
};

struct CordonHost {
  std::string host = "";
  std::string reason = "";
  std::string etag = "";
  std::string request_id = "";
};

struct UncordonHost {
  std::string host = "";
  std::string etag = "";
  std::string request_id = "";
};

struct UpdateHostLabels {
  std::string host = "";
  Labels labels = {};  // all of the operator's; what is missing is removed
  std::string etag = "";
  std::string request_id = "";
};

// The package is verified and at rest in the depot. The service sets author,
// create_time and version of `driver`.
struct DriverStored {
  Driver driver = {};
  std::string request_id = "";
};

struct DriverDeleted {
  std::string name = "";
  std::string etag = "";
  std::string request_id = "";
};

// ---- What agents say. `stream` numbers the stream it came on: a word from a
// stream that was replaced is refused.

struct HostConnected {
  std::string host = "";
  uint64_t stream = 0;
  std::string boot_id = "";
  std::string agent_version = "";
  Labels labels = {};
  // nullopt: that which `inventory_digest` names, if it is known here.
  std::optional<Inventory> inventory = std::nullopt;
  uint64_t epoch = 0;                 // the highest that the agent obeyed
  uint64_t finished_attempt = 0;      // the last one that ended there
  std::string finished_rollout = "";  // its rollout, where the hello says so
  bool finished_quarantined = false;  // how it ended, where the hello says so
  uint64_t running_attempt = 0;       // that is under way there; 0: none
  std::string running_rollout = "";
  std::string inventory_digest = "";
};

struct HostHeard {
  std::string host = "";
  uint64_t stream = 0;
  std::optional<Inventory> inventory = std::nullopt;  // nullopt: unchanged
  std::string inventory_digest = "";                  // of `inventory`
  std::optional<InventoryChange> change = std::nullopt;
};

struct HostDisconnected {
  std::string host = "";
  uint64_t stream = 0;
};

struct UpdateReported {
  std::string host = "";
  uint64_t stream = 0;
  UpdateReport report = {};
};

// ---- Time and life of the service.

struct Tick {};
// How much room there is on the service's disk.
struct DiskSeen {
  uint64_t free_bytes = 0;
};
struct ServiceStarted {};

// ---- What the service decides by itself: only Decide() makes these.

// Nothing was heard of the host for too long.
struct LoseHost {
  std::string host = "";
  uint64_t stream = 0;
};

// Stops the fleet, for an agent knows more than the store: the store is older
// than what has happened.
struct DistrustStore {};

// Gives `host` a slot and a new attempt.
struct AdmitHost {
  std::string rollout = "";
  std::string host = "";
  uint64_t attempt = 0;
};

struct SkipHost {
  std::string rollout = "";
  std::string host = "";
  std::string reason = "";
  std::string message = "";
};

// Holds a rollout that exceeds what it may, or has it taken back.
struct EnforceLimits {
  std::string rollout = "";
};

// Has hosts in flight cancel and come again: their window closed.
struct RecallHosts {
  std::string rollout = "";
};

// Makes, plans and starts the rollout that takes this one back.
struct CreateRollback {
  std::string rollout = "";
};

// All hosts of the wave have ended: it bakes from now.
struct EndWave {
  std::string rollout = "";
};

struct AdvanceWave {
  std::string rollout = "";
};

struct FinishRollout {
  std::string rollout = "";
};

using EventBody = std::variant<
    Tick, ServiceStarted, CreateRollout, PlanRollout, StartRollout, HoldRollout,
    ResumeRollout, AbortRollout, CordonHost, UncordonHost, UpdateHostLabels,
    DriverStored, DriverDeleted, HostConnected, HostHeard, HostDisconnected,
    UpdateReported, LoseHost, AdmitHost, SkipHost, EnforceLimits, EndWave,
    AdvanceWave, FinishRollout, PauseRollout, ApproveRollout, RollBackRollout,
    SkipUpdate, RetryUpdate, FreezeFleet, UnfreezeFleet, EmergencyStop,
    LiftEmergencyStop, ReleaseHost, LiftQuarantine, DeleteHost, RecallHosts,
    CreateRollback, DistrustStore, DiskSeen, DeleteRollout>;

// Who the service is in its own decisions.
inline constexpr char kServiceActor[] = "batond";

// Something that happened, or that somebody asks for.
struct Event {
  absl::Time at = absl::InfinitePast();  // the service's time
  std::string actor = kServiceActor;  // caller, "agent:{host}", or the service
  EventBody body = Tick{};
};

}  // namespace baton::core

#endif  // SERVICE_CORE_EVENT_H_
