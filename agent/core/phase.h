#ifndef AGENT_CORE_PHASE_H_
#define AGENT_CORE_PHASE_H_

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace baton::agent::core {

// What the agent can be doing for an update.
enum class Step : uint8_t {
  kPrepare,     // preflight, fetch, verify, stage; the next driver's host
  kCloseGate,   // no new vGPU lands here; how it was is remembered
  kPause,       // engines stop: the blackout begins
  kSave,        // the driver hands over its state
  kCancel,      // undo Prepare, Pause and Save; the old driver goes on
  kUnload,      // the point of no return
  kRestore,     // load, give back the state, start
  kVerify,      // census against census
  kResume,      // engines start: the blackout ends
  kConfirm,     // every vGPU makes progress
  kSwitch,      // "current" points to the driver that is loaded
  kCommit,      // saved blocks are released
  kReopenGate,  // as it was
  kInspect,     // after a restart of the agent: ask the shim what is
};
inline constexpr Step kLastStep = Step::kInspect;

// Which driver is to run in the end.
enum class Way : uint8_t {
  kForward,  // the new one
  kBack,     // the old one again
};
inline constexpr Way kLastWay = Way::kBack;

// What is true of the host. Which step follows is Plan()'s call.
enum class Phase : uint8_t {
  kIdle,        // no update was ever ordered
  kUnknown,     // the agent was restarted in mid-update
  kAccepted,    // nothing was touched
  kPrepared,    // package staged, next driver's host ready
  kGateClosed,  // both drivers' hosts are up, engines run
  kPaused,
  kSaved,
  kUnloaded,
  kRestored,
  kVerified,
  kResumed,
  kConfirmed,
  kSwitched,
  kCommitted,
  kCancelling,  // the shim still has to undo
  kCancelled,   // the old driver goes on; the gate may still be closed
  kEnded,
};
inline constexpr Phase kLastPhase = Phase::kEnded;

// How an update ended.
enum class End : uint8_t {
  kNone,  // it has not
  kDone,
  kCancelled,
  kRolledBack,
  kQuarantined,
};

// What the shim says of the adapter.
enum class AdapterState : uint8_t {
  kUnknown,  // it did not answer
  kEmpty,
  kRunning,
  kPrepared,
  kPaused,
  kSaved,
  kUnloaded,
  kRestored,
  kVerified,
  kResumed,
  kConfirmed,
  kBroken,
};
inline constexpr AdapterState kLastAdapterState = AdapterState::kBroken;

// Lower-case words for messages, e.g. "close gate".
absl::string_view Name(Step step);
absl::string_view Name(Way way);
absl::string_view Name(Phase phase);
absl::string_view Name(End end);
absl::string_view Name(AdapterState state);

// One row of ARCHITECTURE's table: `step` leads from `from` to `to`.
struct Arc {
  Phase from = Phase::kIdle;
  Step step = Step::kPrepare;
  Phase to = Phase::kIdle;
};

// Returns the arc that leads out of `phase` on `way` when its step succeeds;
// none where nothing is to be done. Inspect has none: where it leads depends
// on what it finds.
std::optional<Arc> ArcOutOf(Way way, Phase phase);

}  // namespace baton::agent::core

#endif  // AGENT_CORE_PHASE_H_
