#ifndef AGENT_CORE_UPDATE_H_
#define AGENT_CORE_UPDATE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/core/phase.h"

namespace baton::agent::core {

// How often a step is tried in all before its failure counts.
inline constexpr uint32_t kPrepareTriesMax = 3;  // downloads break
inline constexpr uint32_t kAwayTriesMax = 10;    // the shim is being restarted
inline constexpr uint32_t kCancelTriesMax = 5;   // a hung save may yet return
inline constexpr uint32_t kCommitTriesMax = 5;   // engines run: no hurry

// A driver image on this host.
struct Image {
  std::string path = "";
  std::string digest = "";  // "sha256:…" of the file
  std::string driver = "";
  std::string version = "";

  bool operator==(const Image&) const = default;
};

// How long each step may take.
struct Deadlines {
  absl::Duration prepare = absl::Minutes(5);
  absl::Duration gate = absl::Seconds(30);
  absl::Duration pause = absl::Seconds(1);
  absl::Duration save = absl::Seconds(1);
  absl::Duration unload = absl::Seconds(1);
  absl::Duration restore = absl::Seconds(2);
  absl::Duration verify = absl::Seconds(1);
  absl::Duration resume = absl::Seconds(1);
  absl::Duration confirm = absl::Seconds(5);

  bool operator==(const Deadlines&) const = default;
};

// What the service wants installed.
struct Order {
  std::string rollout = "";  // "rollouts/{rollout}"
  uint64_t attempt = 0;
  std::string driver = "";  // "drivers/{driver}/versions/{version}"
  std::string digest = "";  // "sha256:…" of the package
  uint64_t size_bytes = 0;  // of the package
  Deadlines deadlines = {};
  std::string hook_before = "";  // of the host's; empty: none
  std::string hook_after = "";
  // Whether to go on where the old driver cannot read what the new one saves.
  bool without_way_back = false;
  // What it asks for that this release does not know, for people; not
  // journalled. Empty: all is known.
  std::string unknown = "";

  bool operator==(const Order&) const = default;
};

// What one step did.
struct StepRecord {
  Step step = Step::kPrepare;
  Way way = Way::kForward;
  absl::Time start = absl::InfinitePast();  // wall clock, for people
  absl::Duration elapsed = absl::ZeroDuration();
  absl::StatusCode code = absl::StatusCode::kOk;
  std::string reason = "";
  std::string message = "";
  std::optional<uint32_t> nt_status = std::nullopt;
  std::string entry_point = "";
  std::string rule = "";

  bool operator==(const StepRecord&) const = default;
};

// What a vGPU is recognised by. A LUID is never given twice.
struct VirtualGpuIdentity {
  uint32_t partition_id = 0;
  std::string luid = "";
  std::string guest = "";

  bool operator==(const VirtualGpuIdentity&) const = default;
};

// What became of one vGPU.
struct VirtualGpuResult {
  uint32_t partition_id = 0;
  std::string guest = "";
  bool preserved = false;
  // The longest, if its engines stopped more than once. Absent: never stopped.
  std::optional<absl::Duration> blackout = std::nullopt;
  std::string difference = "";  // empty when preserved

  bool operator==(const VirtualGpuResult&) const = default;
};

// What the driver saved.
struct SavedState {
  uint32_t blocks = 0;
  uint64_t size_bytes = 0;

  bool operator==(const SavedState&) const = default;
};

// All that an agent knows of its work: what it may obey, and the update that
// runs or ran last.
struct Update {
  // What it may obey (INVARIANTS S3); these two never go down.
  uint64_t epoch = 0;             // the highest seen
  uint64_t finished_attempt = 0;  // the last that ended

  Order order = {};
  Way way = Way::kForward;
  Phase phase = Phase::kIdle;
  End end = End::kNone;
  std::optional<Step> running = std::nullopt;  // the worker has it now
  uint32_t failures = 0;  // of the step that is next, in a row

  // Found by Prepare.
  Image next = {};
  Image previous = {};                // what goes back in, if it must
  std::string next_package = "";      // what "current" is to point to
  std::string previous_package = "";  // and pointed to; empty: to nothing
  // The shim's life with which the attempt was begun, and who was there then.
  // Empty: not known yet, or a shim that does not say.
  std::string shim_instance = "";
  std::vector<VirtualGpuIdentity> present = {};
  // The kernel's, of this life of the host. Empty: not known.
  std::string boot_id = "";

  bool gate_touched = false;    // reopening it, or a hook, may be needed
  bool paused = false;          // engines may be stopped, or were
  bool past_no_return = false;  // Unload was started
  bool cancel_wanted = false;   // at the next point between two steps
  bool doomed = false;          // ends QUARANTINED, whatever follows
  bool one_way = false;  // the old driver cannot read the new one's state

  uint64_t sequence = 0;      // grows with each change that a report shows
  uint64_t acknowledged = 0;  // the highest sequence that is durable there
  uint64_t asked_again = 0;   // how often for the recorded end; not journalled
  std::vector<StepRecord> steps = {};
  std::map<uint32_t, VirtualGpuResult> vgpus = {};  // by partition id
  SavedState saved = {};
  std::string reason = "";   // the first cause
  std::string message = "";  // what happened, for people

  bool operator==(const Update&) const = default;
};

// Whether an update is under way.
bool Active(const Update& update);

// Whether the update's end still has to reach the service.
bool Unacknowledged(const Update& update);

}  // namespace baton::agent::core

#endif  // AGENT_CORE_UPDATE_H_
