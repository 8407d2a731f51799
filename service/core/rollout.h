#ifndef SERVICE_CORE_ROLLOUT_H_
#define SERVICE_CORE_ROLLOUT_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/interned.h"
#include "service/core/tally.h"
#include "service/core/update.h"

namespace baton::core {

// A driver on its way over hosts. Fields mean what the fields of the same name
// in baton.v1.Rollout mean.

enum class RolloutState : uint8_t {
  kDraft = 1,
  kPlanned = 2,
  kAwaitingApproval = 3,
  kRunning = 4,
  kHeld = 5,
  kSucceeded = 6,
  kFailed = 7,
  kAborted = 8,
  kRolledBack = 9,
  kAborting = 10
};

enum class WaveSize : uint8_t { kUnset, kHosts, kPercent, kRest };

struct FailureTolerance {
  std::optional<uint32_t> hosts = std::nullopt;
  std::optional<uint32_t> percent = std::nullopt;

  bool operator==(const FailureTolerance&) const = default;
};

struct WaveSpec {
  std::string name = "";  // empty: "wave-N", N from 1
  WaveSize size = WaveSize::kUnset;
  uint32_t number = 0;  // of hosts, or percent; 0 for kRest
  absl::Duration bake = absl::ZeroDuration();
  bool coverage = false;
  uint32_t approvals = 0;
  bool hold_after = false;
  std::optional<FailureTolerance> failure_tolerance = std::nullopt;

  bool operator==(const WaveSpec&) const = default;
};

struct DomainLimit {
  std::string label = "";
  uint32_t max_unavailable = 0;

  bool operator==(const DomainLimit&) const = default;
};

struct LimitsSpec {
  std::optional<uint32_t> max_unavailable = std::nullopt;
  std::optional<uint32_t> max_unavailable_percent = std::nullopt;
  std::vector<DomainLimit> domains = {};

  bool operator==(const LimitsSpec&) const = default;
};

enum class OnExceeded : uint8_t { kHold = 1, kRollBack = 2 };

struct BlackoutSpec {
  absl::Duration per_vgpu_max = absl::Seconds(10);
  std::optional<absl::Duration> p99_max = std::nullopt;  // as per_vgpu_max

  bool operator==(const BlackoutSpec&) const = default;
};

struct RetrySpec {
  uint32_t attempts = 1;  // the first one included
  absl::Duration backoff = absl::Seconds(30);

  bool operator==(const RetrySpec&) const = default;
};

enum class WindowCutoff : uint8_t { kFinish = 1, kCancelBeforeUnload = 2 };

struct WindowSpec {
  std::vector<absl::Weekday> days = {};  // empty: every day
  std::string from = "";                 // "HH:MM", local time
  std::string to = "";
  std::string time_zone = "";
  // The zone of that name, which the rim looked up: nullopt when there is none.
  std::optional<absl::TimeZone> zone = std::nullopt;
  WindowCutoff cutoff = WindowCutoff::kFinish;

  bool operator==(const WindowSpec&) const = default;
};

struct HooksSpec {
  std::string before = "";
  std::string after = "";

  bool operator==(const HooksSpec&) const = default;
};

struct RequireSpec {
  bool rollback_path = true;
  uint64_t spare_memory_bytes = uint64_t{256} << 20;

  bool operator==(const RequireSpec&) const = default;
};

// How long each step may take; each 1 ms to 1 h.
struct StepDeadlines {
  absl::Duration prepare = absl::Minutes(5);
  absl::Duration gate = absl::Seconds(30);
  absl::Duration pause = absl::Seconds(1);
  absl::Duration save = absl::Seconds(1);
  absl::Duration unload = absl::Seconds(1);
  absl::Duration restore = absl::Seconds(2);
  absl::Duration verify = absl::Seconds(1);
  absl::Duration resume = absl::Seconds(1);
  absl::Duration confirm = absl::Seconds(5);

  bool operator==(const StepDeadlines&) const = default;
};

struct RolloutSpec {
  std::string driver = "";  // "drivers/{driver}/versions/{version}"
  std::string selector = "";
  std::vector<WaveSpec> waves = {};  // empty: one wave of all
  LimitsSpec limits = {};
  FailureTolerance failure_tolerance = {};
  StepDeadlines deadlines = {};
  OnExceeded on_exceeded = OnExceeded::kHold;
  BlackoutSpec blackout = {};
  RetrySpec retry = {};
  std::vector<WindowSpec> windows = {};  // empty: at any time
  HooksSpec hooks = {};
  RequireSpec require = {};
  absl::Duration deadline = absl::Hours(30 * 24);
  std::string rollback_of = "";  // then `driver` is empty

  bool operator==(const RolloutSpec&) const = default;
};

struct PlannedHost {
  Interned host = "";
  Interned from_version = "";
  uint32_t vgpus = 0;
  Interned to_driver = "";  // "drivers/{driver}/versions/{version}"
  // Longest of one of its vGPUs. Not part of the digest.
  absl::Duration predicted_blackout = absl::ZeroDuration();
  // Nobody knows that its driver can read what the new one saves, and the
  // policy does without.
  bool without_way_back = false;
  // What it runs, where that is no other version of what it will run.
  Interned from_driver = "";

  bool operator==(const PlannedHost&) const = default;
};

// Combinations of GPU model, vGPU profile and guest driver.
struct Coverage {
  uint32_t combinations = 0;             // of the whole selection
  uint32_t met = 0;                      // up to this wave
  std::vector<std::string> missed = {};  // by name, at most 100

  bool operator==(const Coverage&) const = default;
};

struct PlannedWave {
  std::string name = "";
  absl::Duration bake = absl::ZeroDuration();
  std::vector<PlannedHost> hosts = {};  // may be empty
  uint32_t approvals = 0;
  std::optional<uint32_t> failures_max = std::nullopt;
  std::optional<Coverage> coverage = std::nullopt;

  bool operator==(const PlannedWave&) const = default;
};

struct BlockedHost {
  std::string host = "";
  std::string reason = "";
  std::string message = "";

  bool operator==(const BlockedHost&) const = default;
};

struct RolloutPlan {
  std::string digest = "";
  std::vector<PlannedWave> waves = {};
  std::vector<BlockedHost> blocked = {};
  absl::Time time = absl::InfinitePast();
  uint32_t hosts = 0;
  uint32_t max_unavailable = 0;
  uint32_t failures_max = 0;
  // Predictions. Not part of the digest.
  absl::Duration estimated_duration = absl::ZeroDuration();
  absl::Time estimated_end = absl::InfiniteFuture();  // InfiniteFuture: never
  absl::Duration predicted_blackout = absl::ZeroDuration();

  bool operator==(const RolloutPlan&) const = default;
};

struct Approval {
  std::string by = "";
  std::string wave = "";
  std::string digest = "";
  std::string remark = "";
  absl::Time time = absl::InfinitePast();

  bool operator==(const Approval&) const = default;
};

// An operator's or the policy's word that a rollout is to be taken back.
struct TakeBack {
  std::string by = "";
  std::string reason = "";

  bool operator==(const TakeBack&) const = default;
};

struct Rollout {
  std::string name = "";  // "rollouts/{rollout}"
  RolloutSpec spec = {};
  RolloutState state = RolloutState::kDraft;
  std::string reason = "";
  std::string message = "";
  std::optional<RolloutPlan> plan = std::nullopt;
  std::string author = "";
  absl::Time create_time = absl::InfinitePast();
  absl::Time start_time = absl::InfinitePast();  // InfinitePast: not yet
  absl::Time end_time = absl::InfinitePast();    // InfinitePast: not yet
  uint64_t version = 0;  // the fleet's revision at the last change but progress
  // Sequence of the audit record of its making: tells it from others that had
  // its name before. 0: made by a release that deleted none.
  uint64_t create_sequence = 0;

  uint32_t wave = 0;  // index of the wave that is worked on
  // When the last host of that wave ended. InfinitePast: some have not.
  absl::Time wave_ended = absl::InfinitePast();
  // When it is to have ended. InfiniteFuture: not started yet.
  absl::Time deadline_time = absl::InfiniteFuture();
  // What somebody forgave; see tolerance.h.
  uint32_t failures_accepted = 0;
  uint32_t wave_failures_accepted = 0;
  uint32_t long_blackouts_accepted = 0;
  uint32_t slow_blackouts_accepted = 0;
  std::vector<Approval> approvals = {};
  // Set once it is to be taken back; the rollout that does so is made when no
  // host of this one is in flight any more.
  std::optional<TakeBack> take_back = std::nullopt;
  std::string rollback = "";  // that takes it back; empty: none yet

  // By host name; empty until started. Stored one by one, each from its first
  // change on: until then it is as the plan made it.
  Updates updates = {};

  Tally tally = {};  // derived from `updates`

  bool operator==(const Rollout&) const = default;
};

// As baton.v1.RolloutProgress; blackouts are within 1.6 %.
struct RolloutProgress {
  uint32_t total = 0;
  uint32_t pending = 0;
  uint32_t running = 0;
  uint32_t done = 0;
  uint32_t cancelled = 0;
  uint32_t rolled_back = 0;
  uint32_t quarantined = 0;
  uint32_t skipped = 0;
  uint32_t failures = 0;  // that the tolerance counts, accepted ones too
  uint32_t vgpus = 0;
  uint32_t vgpus_preserved = 0;
  std::optional<absl::Duration> blackout_p50 = std::nullopt;
  std::optional<absl::Duration> blackout_p99 = std::nullopt;
  std::optional<absl::Duration> blackout_max = std::nullopt;
  uint32_t wave = 0;

  bool operator==(const RolloutProgress&) const = default;
};

// Reads the tally; walks nothing.
RolloutProgress ProgressOf(const Rollout& rollout);

// Counts all updates of a planned rollout anew, but puts none into a lane.
Tally TallyOf(const Rollout& rollout);

// Makes an update for each host of the plan that has none, as it is at the
// start, and gives all of them their positions.
void MakeUpdates(Rollout& rollout);

// Returns the name of the driver that its host ran before `update` brought
// `driver`.
std::string DriverBefore(const Update& update, const std::string& driver);

// Returns the name of the driver that `host` is to run.
const std::string& DriverNameOf(const Rollout& rollout,
                                const PlannedHost& host);

// Whether it holds hosts: AWAITING_APPROVAL, RUNNING, HELD or ABORTING.
bool IsActive(RolloutState state);

// Whether it has ended: SUCCEEDED, FAILED, ABORTED or ROLLED_BACK.
bool IsFinished(RolloutState state);

// Whether a rollout is to be taken back, has ended, and nothing does so yet.
bool WantsRollback(const Rollout& rollout);

// Whether more hosts failed than the plan tolerates, those accepted left out.
// False before a plan.
bool ExceedsTolerance(const Rollout& rollout);

// Returns how many hosts failed, how many may, and why they did, for people.
// Names the first few. Only of a planned rollout.
std::string FailuresText(const Rollout& rollout);

// Returns the name of the wave at `index`, as planned.
std::string WaveNameOf(const Rollout& rollout, uint32_t index);

// Returns "DRAFT" and so on.
absl::string_view Name(RolloutState state);

}  // namespace baton::core

#endif  // SERVICE_CORE_ROLLOUT_H_
