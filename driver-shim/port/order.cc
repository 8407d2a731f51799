#include "driver-shim/port/order.h"

#include <cstdlib>

namespace baton::port {
namespace {

// Whether it is the turn of `step`.
bool Allows(AdapterState state, AdapterStep step) {
  using S = AdapterState;
  switch (step) {
    case AdapterStep::kPrepare:
      return state == S::kRunning;
    // Out of kResumed and kConfirmed begins the way back once engines ran: a
    // second hot update in the other direction.
    case AdapterStep::kPause:
      return state == S::kPrepared || state == S::kResumed ||
             state == S::kConfirmed;
    case AdapterStep::kSave:
      return state == S::kPaused;
    // In kRunning there is nothing to undo. In kBroken it makes the engines
    // run, and asks once more whether a hung Save has returned.
    case AdapterStep::kCancel:
      return state == S::kRunning || state == S::kPrepared ||
             state == S::kPaused || state == S::kSaved || state == S::kBroken;
    // In kUnloaded it clears away what a failed Restore left.
    case AdapterStep::kUnload:
      return state == S::kSaved || state == S::kUnloaded ||
             state == S::kRestored || state == S::kVerified;
    case AdapterStep::kRestore:
      return state == S::kUnloaded;
    case AdapterStep::kVerify:
      return state == S::kRestored;
    case AdapterStep::kResume:
      return state == S::kVerified;
    case AdapterStep::kConfirm:
      return state == S::kResumed;
    case AdapterStep::kCommit:
      return state == S::kConfirmed;
  }
  std::abort();
}

}  // namespace

OrderVerdict Judge(AdapterState state, AdapterStep step) {
  if (Allows(state, step)) return OrderVerdict::kCarryOut;
  if (After(step) == state) return OrderVerdict::kRepeat;
  return OrderVerdict::kRefuse;
}

AdapterState After(AdapterStep step) {
  switch (step) {
    case AdapterStep::kPrepare:
      return AdapterState::kPrepared;
    case AdapterStep::kPause:
      return AdapterState::kPaused;
    case AdapterStep::kSave:
      return AdapterState::kSaved;
    case AdapterStep::kCancel:
      return AdapterState::kRunning;
    case AdapterStep::kUnload:
      return AdapterState::kUnloaded;
    case AdapterStep::kRestore:
      return AdapterState::kRestored;
    case AdapterStep::kVerify:
      return AdapterState::kVerified;
    case AdapterStep::kResume:
      return AdapterState::kResumed;
    case AdapterStep::kConfirm:
      return AdapterState::kConfirmed;
    case AdapterStep::kCommit:
      return AdapterState::kRunning;
  }
  std::abort();
}

absl::string_view Name(AdapterState state) {
  switch (state) {
    case AdapterState::kEmpty:
      return "EMPTY";
    case AdapterState::kRunning:
      return "RUNNING";
    case AdapterState::kPrepared:
      return "PREPARED";
    case AdapterState::kPaused:
      return "PAUSED";
    case AdapterState::kSaved:
      return "SAVED";
    case AdapterState::kUnloaded:
      return "UNLOADED";
    case AdapterState::kRestored:
      return "RESTORED";
    case AdapterState::kVerified:
      return "VERIFIED";
    case AdapterState::kResumed:
      return "RESUMED";
    case AdapterState::kConfirmed:
      return "CONFIRMED";
    case AdapterState::kBroken:
      return "BROKEN";
  }
  std::abort();
}

absl::string_view Name(AdapterStep step) {
  switch (step) {
    case AdapterStep::kPrepare:
      return "PREPARE";
    case AdapterStep::kPause:
      return "PAUSE";
    case AdapterStep::kSave:
      return "SAVE";
    case AdapterStep::kCancel:
      return "CANCEL";
    case AdapterStep::kUnload:
      return "UNLOAD";
    case AdapterStep::kRestore:
      return "RESTORE";
    case AdapterStep::kVerify:
      return "VERIFY";
    case AdapterStep::kResume:
      return "RESUME";
    case AdapterStep::kConfirm:
      return "CONFIRM";
    case AdapterStep::kCommit:
      return "COMMIT";
  }
  std::abort();
}

}  // namespace baton::port
