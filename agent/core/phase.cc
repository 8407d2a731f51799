#include "agent/core/phase.h"

#include <cstdlib>

namespace baton::agent::core {
namespace {

constexpr Arc kArcs[] = {
    {Phase::kAccepted, Step::kPrepare, Phase::kPrepared},
    {Phase::kPrepared, Step::kCloseGate, Phase::kGateClosed},
    {Phase::kGateClosed, Step::kPause, Phase::kPaused},
    {Phase::kPaused, Step::kSave, Phase::kSaved},
    {Phase::kSaved, Step::kUnload, Phase::kUnloaded},
    {Phase::kUnloaded, Step::kRestore, Phase::kRestored},
    {Phase::kRestored, Step::kVerify, Phase::kVerified},
    {Phase::kVerified, Step::kResume, Phase::kResumed},
    {Phase::kResumed, Step::kConfirm, Phase::kConfirmed},
    {Phase::kConfirmed, Step::kSwitch, Phase::kSwitched},
    {Phase::kSwitched, Step::kCommit, Phase::kCommitted},
    {Phase::kCommitted, Step::kReopenGate, Phase::kEnded},
    {Phase::kCancelling, Step::kCancel, Phase::kCancelled},
    {Phase::kCancelled, Step::kReopenGate, Phase::kEnded},
};

// The way back begins with the gate closed already, and where it is cancelled
// the gate stays so.
bool OnlyForward(Phase phase) {
  return phase == Phase::kAccepted || phase == Phase::kPrepared ||
         phase == Phase::kCancelled;
}

}  // namespace

absl::string_view Name(Step step) {
  switch (step) {
    case Step::kPrepare:
      return "prepare";
    case Step::kCloseGate:
      return "close gate";
    case Step::kPause:
      return "pause";
    case Step::kSave:
      return "save";
    case Step::kCancel:
      return "cancel";
    case Step::kUnload:
      return "unload";
    case Step::kSwitch:
      return "switch";
    case Step::kRestore:
      return "restore";
    case Step::kVerify:
      return "verify";
    case Step::kResume:
      return "resume";
    case Step::kConfirm:
      return "confirm";
    case Step::kCommit:
      return "commit";
    case Step::kReopenGate:
      return "reopen gate";
    case Step::kInspect:
      return "inspect";
  }
  std::abort();
}

absl::string_view Name(Way way) {
  switch (way) {
    case Way::kForward:
      return "forward";
    case Way::kBack:
      return "back";
  }
  std::abort();
}

absl::string_view Name(Phase phase) {
  switch (phase) {
    case Phase::kIdle:
      return "idle";
    case Phase::kUnknown:
      return "unknown";
    case Phase::kAccepted:
      return "accepted";
    case Phase::kPrepared:
      return "prepared";
    case Phase::kGateClosed:
      return "gate closed";
    case Phase::kPaused:
      return "paused";
    case Phase::kSaved:
      return "saved";
    case Phase::kUnloaded:
      return "unloaded";
    case Phase::kSwitched:
      return "switched";
    case Phase::kRestored:
      return "restored";
    case Phase::kVerified:
      return "verified";
    case Phase::kResumed:
      return "resumed";
    case Phase::kConfirmed:
      return "confirmed";
    case Phase::kCommitted:
      return "committed";
    case Phase::kCancelling:
      return "cancelling";
    case Phase::kCancelled:
      return "cancelled";
    case Phase::kEnded:
      return "ended";
  }
  std::abort();
}

absl::string_view Name(End end) {
  switch (end) {
    case End::kNone:
      return "running";
    case End::kDone:
      return "done";
    case End::kCancelled:
      return "cancelled";
    case End::kRolledBack:
      return "rolled back";
    case End::kQuarantined:
      return "quarantined";
  }
  std::abort();
}

absl::string_view Name(AdapterState state) {
  switch (state) {
    case AdapterState::kUnknown:
      return "unknown";
    case AdapterState::kEmpty:
      return "empty";
    case AdapterState::kRunning:
      return "running";
    case AdapterState::kPrepared:
      return "prepared";
    case AdapterState::kPaused:
      return "paused";
    case AdapterState::kSaved:
      return "saved";
    case AdapterState::kUnloaded:
      return "unloaded";
    case AdapterState::kRestored:
      return "restored";
    case AdapterState::kVerified:
      return "verified";
    case AdapterState::kResumed:
      return "resumed";
    case AdapterState::kConfirmed:
      return "confirmed";
    case AdapterState::kBroken:
      return "broken";
  }
  std::abort();
}

std::optional<Arc> ArcOutOf(Way way, Phase phase) {
  if (way == Way::kBack && OnlyForward(phase)) return std::nullopt;
  for (const Arc& arc : kArcs) {
    if (arc.from == phase) return arc;
  }
  return std::nullopt;
}

}  // namespace baton::agent::core
