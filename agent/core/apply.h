#ifndef AGENT_CORE_APPLY_H_
#define AGENT_CORE_APPLY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "agent/core/phase.h"
#include "agent/core/update.h"

namespace baton::agent::core {

// The service answered on a new stream.
struct Welcomed {
  uint64_t epoch = 0;
};

// The service wants an update. Repeats are harmless.
struct StartOrdered {
  uint64_t epoch = 0;
  Order order = {};
  // Until when it may be begun, and when this is, on one monotonic clock.
  absl::Duration not_after = absl::InfiniteDuration();
  absl::Duration now = absl::ZeroDuration();
};

// The service wants an update to end where it can. Repeats are harmless.
struct CancelOrdered {
  uint64_t epoch = 0;
  std::string rollout = "";
  uint64_t attempt = 0;
};

// A report is durable at the service.
struct ReportAcknowledged {
  uint64_t attempt = 0;
  uint64_t sequence = 0;
};

// The agent is to stop, or cannot remember any more what it does.
struct StopRequested {
  std::string reason = "AGENT_STOPPING";
  std::string message = "the agent is being stopped";
};

// The agent was started, and the update is what its journal holds.
struct Restarted {
  std::string boot_id = "";  // the kernel's; empty: not known
};

// A step that Plan() named is about to run.
struct StepStarted {
  Step step = Step::kPrepare;
};

// Whether a failed step can have had an effect.
enum class Trial : uint8_t {
  kTried,     // it was carried out, and failed
  kRefused,   // it was not: the order of steps, or the attempt, is wrong
  kNoAnswer,  // who knows
};

// What came of a step. `record` says how it went; its `way` is set by Apply().
struct Outcome {
  StepRecord record = {};
  Trial trial = Trial::kTried;
  // What the shim says afterwards: always for Inspect and Cancel, for other
  // steps at the shim where they failed.
  AdapterState adapter = AdapterState::kUnknown;
  // Which life of the shim says so, and who is there; for Prepare: when it was
  // begun. Empty: it was not asked, or does not say.
  std::string shim_instance = "";
  std::vector<VirtualGpuIdentity> present = {};
  // For Inspect.
  uint64_t adapter_attempt = 0;
  std::optional<Image> loaded = std::nullopt;
  // For Prepare.
  Image next = {};
  Image previous = {};
  std::string next_package = "";
  std::string previous_package = "";
  bool one_way = false;
  // Where the step says so.
  std::optional<SavedState> saved = std::nullopt;
  std::vector<VirtualGpuResult> vgpus = {};
};

// A step ended. How it went is in the outcome.
struct StepEnded {
  Step step = Step::kPrepare;
  Outcome outcome = {};
};

// Folds one event into `update`. All or nothing: on error `update` is
// untouched. Pure: time is data in the outcomes.
//
// Errors:
//   ABORTED              STALE_EPOCH, ATTEMPT_FINISHED: drop the order
//   FAILED_PRECONDITION  ATTEMPT_RUNNING, ORDER_EXPIRED: the service repeats
//                        it later;
//                        STEP_UNEXPECTED: a programmer error of the caller
//   INVALID_ARGUMENT     BAD_ORDER: drop it
absl::Status Apply(const Welcomed& event, Update& update);
absl::Status Apply(const StartOrdered& event, Update& update);
absl::Status Apply(const CancelOrdered& event, Update& update);
absl::Status Apply(const ReportAcknowledged& event, Update& update);
absl::Status Apply(const StopRequested& event, Update& update);
absl::Status Apply(const Restarted& event, Update& update);
absl::Status Apply(const StepStarted& event, Update& update);
absl::Status Apply(const StepEnded& event, Update& update);

}  // namespace baton::agent::core

#endif  // AGENT_CORE_APPLY_H_
