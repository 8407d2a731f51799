#ifndef DRIVER_SHIM_PORT_ORDER_H_
#define DRIVER_SHIM_PORT_ORDER_H_

#include <array>

#include "absl/strings/string_view.h"
#include "driver-shim/port/adapter_port.h"

namespace baton::port {

inline constexpr std::array kAdapterStates = {
    AdapterState::kEmpty,     AdapterState::kRunning,  AdapterState::kPrepared,
    AdapterState::kPaused,    AdapterState::kSaved,    AdapterState::kUnloaded,
    AdapterState::kRestored,  AdapterState::kVerified, AdapterState::kResumed,
    AdapterState::kConfirmed, AdapterState::kBroken,
};

inline constexpr std::array kAdapterSteps = {
    AdapterStep::kPrepare, AdapterStep::kPause,  AdapterStep::kSave,
    AdapterStep::kCancel,  AdapterStep::kUnload, AdapterStep::kRestore,
    AdapterStep::kVerify,  AdapterStep::kResume, AdapterStep::kConfirm,
    AdapterStep::kCommit,
};

// What to do with a step in a state (DDI.md R13, in the large).
enum class OrderVerdict {
  kCarryOut,  // it is its turn
  kRepeat,    // the state is the one after it: give the recorded result
  kRefuse,    // out of order
};

// A pure table. Where a step is both legal and just done, it is carried out.
OrderVerdict Judge(AdapterState state, AdapterStep step);

// The state after `step` succeeded in `state`. Cancel leads to kRunning here;
// where a reverse update is cancelled, the caller knows better.
AdapterState After(AdapterStep step);

absl::string_view Name(AdapterState state);  // e.g. "PAUSED"
absl::string_view Name(AdapterStep step);    // e.g. "PAUSE"

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_ORDER_H_
