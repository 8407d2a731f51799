#ifndef DRIVER_SHIM_CONFORMANCE_PROMISES_H_
#define DRIVER_SHIM_CONFORMANCE_PROMISES_H_

#include <array>
#include <string>
#include <vector>

#include "baton/v1/shim.pb.h"

// What any ShimService promises of its order of steps. Pure.

namespace baton::conformance {

enum class Verb {
  kPrepare,
  kPause,
  kSave,
  kCancel,
  kUnload,
  kRestore,
  kVerify,
  kResume,
  kConfirm,
  kCommit,
};

inline constexpr std::array kVerbs = {
    Verb::kPrepare, Verb::kPause,  Verb::kSave,   Verb::kCancel,  Verb::kUnload,
    Verb::kRestore, Verb::kVerify, Verb::kResume, Verb::kConfirm, Verb::kCommit,
};

// The states to which legal steps lead. A service may be in others only when a
// driver failed.
inline constexpr std::array kStates = {
    v1::ADAPTER_STATE_RUNNING,   v1::ADAPTER_STATE_PREPARED,
    v1::ADAPTER_STATE_PAUSED,    v1::ADAPTER_STATE_SAVED,
    v1::ADAPTER_STATE_UNLOADED,  v1::ADAPTER_STATE_RESTORED,
    v1::ADAPTER_STATE_VERIFIED,  v1::ADAPTER_STATE_RESUMED,
    v1::ADAPTER_STATE_CONFIRMED,
};

enum class Expected {
  kDone,      // it is its turn
  kRepeated,  // it led here: the recorded result
  kRefused,   // FAILED_PRECONDITION, STEP_OUT_OF_ORDER, and nothing changes
};

Expected Expect(v1::AdapterState state, Verb verb);

// Where a forward update stands after `verb` succeeded.
v1::AdapterState After(Verb verb);

// The steps of a forward update from RUNNING to `state`.
std::vector<Verb> PathTo(v1::AdapterState state);

std::string Name(Verb verb);               // as on the wire, e.g. "Prepare"
std::string Name(v1::AdapterState state);  // e.g. "RUNNING"

}  // namespace baton::conformance

#endif  // DRIVER_SHIM_CONFORMANCE_PROMISES_H_
