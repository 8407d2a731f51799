#ifndef SERVICE_CORE_ROLLOUT_H_
#define SERVICE_CORE_ROLLOUT_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "service/core/update.h"

namespace baton::core {

// A driver on its way over hosts. Fields mean what the fields of the same name
// in baton.v1.Rollout mean.

enum class RolloutState : uint8_t {
  kDraft = 1,
  kPlanned = 2,
  kRunning = 4,
  kHeld = 5,
  kSucceeded = 6,
  kFailed = 7,
  kAborted = 8,
  kAborting = 10
};

enum class WaveSize : uint8_t { kUnset, kHosts, kPercent, kRest };

struct WaveSpec {
  std::string name = "";  // empty: "wave-N", N from 1
  WaveSize size = WaveSize::kUnset;
  uint32_t number = 0;  // of hosts, or percent; 0 for kRest
  absl::Duration bake = absl::ZeroDuration();

  bool operator==(const WaveSpec&) const = default;
};

struct LimitsSpec {
  std::optional<uint32_t> max_unavailable = std::nullopt;
  std::optional<uint32_t> max_unavailable_percent = std::nullopt;

  bool operator==(const LimitsSpec&) const = default;
};

struct FailureTolerance {
  std::optional<uint32_t> hosts = std::nullopt;
  std::optional<uint32_t> percent = std::nullopt;

  bool operator==(const FailureTolerance&) const = default;
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

  bool operator==(const RolloutSpec&) const = default;
};

struct PlannedHost {
  std::string host = "";
  std::string from_version = "";
  uint32_t vgpus = 0;

  bool operator==(const PlannedHost&) const = default;
};

struct PlannedWave {
  std::string name = "";
  absl::Duration bake = absl::ZeroDuration();
  std::vector<PlannedHost> hosts = {};  // may be empty

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

  bool operator==(const RolloutPlan&) const = default;
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

  uint32_t wave = 0;  // index of the wave that is worked on
  // When the last host of that wave ended. InfinitePast: some have not.
  absl::Time wave_ended = absl::InfinitePast();
  uint32_t failures_accepted = 0;  // that somebody forgave

  // By host name; empty until started. Stored one by one.
  std::map<std::string, Update> updates = {};

  bool operator==(const Rollout&) const = default;
};

// Counted anew each time; as baton.v1.RolloutProgress.
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

RolloutProgress ProgressOf(const Rollout& rollout);

// Whether it holds hosts: RUNNING, HELD or ABORTING.
bool IsActive(RolloutState state);

// Whether it has ended: SUCCEEDED, FAILED or ABORTED.
bool IsFinished(RolloutState state);

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
