#include "agent/core/consequence.h"

#include <algorithm>
#include <cstdlib>

namespace baton::agent::core {
namespace {

// Whether the shim was not there to be asked, as while it is restarted. A
// deadline is another matter: then it had its time.
bool Away(const Outcome& outcome) {
  return outcome.trial == Trial::kNoAnswer &&
         outcome.record.code == absl::StatusCode::kUnavailable;
}

// Whether a failure to prepare may pass by itself.
bool MayPass(absl::StatusCode code) {
  return code == absl::StatusCode::kUnavailable ||
         code == absl::StatusCode::kResourceExhausted ||
         code == absl::StatusCode::kDataLoss;
}

// A shim that is being restarted is waited for, whatever it is asked.
uint32_t TriesMax(const Outcome& outcome, uint32_t of_the_step) {
  return Away(outcome) ? std::max(kAwayTriesMax, of_the_step) : of_the_step;
}

bool WorthAnotherTry(const Update& update, Step step, const Outcome& outcome) {
  switch (step) {
    case Step::kReopenGate:
    case Step::kInspect:
      return true;  // nothing else can be done, and it is shown
    case Step::kPrepare:
      return MayPass(outcome.record.code) &&
             update.failures < TriesMax(outcome, kPrepareTriesMax);
    case Step::kCommit:
      return outcome.adapter != AdapterState::kBroken &&
             update.failures < TriesMax(outcome, kCommitTriesMax);
    case Step::kCancel:
      // A shim that is restarted goes on with what it was ordered, or can still
      // cancel it.
      return outcome.trial != Trial::kRefused &&
             update.failures < TriesMax(outcome, kCancelTriesMax);
    case Step::kCloseGate:
      return false;
    case Step::kPause:
    case Step::kSave:
      // Before the point of no return any doubt means cancel; on the way back
      // there is nothing to fall back to but patience.
      return update.way == Way::kBack && Away(outcome) &&
             update.failures < kAwayTriesMax;
    case Step::kUnload:
    case Step::kSwitch:
    case Step::kRestore:
    case Step::kVerify:
    case Step::kResume:
    case Step::kConfirm:
      // A repeat of a step that took effect gets the recorded result.
      return Away(outcome) && update.failures < kAwayTriesMax;
  }
  std::abort();
}

// Whether the shim has gone past the point of no return by itself: what it was
// asked was not carried out, or nobody knows, and there is nothing to cancel.
bool WentOn(const Outcome& outcome) {
  if (outcome.trial == Trial::kTried) return false;
  switch (outcome.adapter) {
    case AdapterState::kUnloaded:
    case AdapterState::kRestored:
    case AdapterState::kVerified:
    case AdapterState::kResumed:
    case AdapterState::kConfirmed:
      return true;
    case AdapterState::kUnknown:
    case AdapterState::kEmpty:
    case AdapterState::kRunning:
    case AdapterState::kPrepared:
    case AdapterState::kPaused:
    case AdapterState::kSaved:
    case AdapterState::kBroken:
      return false;
  }
  std::abort();
}

Consequence OnTheWayBack(Step step) {
  // The link matters to the next boot, the driver to the guests: bring them
  // back first.
  if (step == Step::kSwitch) return Consequence::kGoOnDoomed;
  // The new driver is still in: let its guests go on until a person has looked.
  if (step == Step::kSave) return Consequence::kCancelDoomed;
  return Consequence::kQuarantine;
}

// Engines ran: back is a second hot update, if the old driver can read what the
// new one saves. If not, guests go on with the new one until a person has
// looked.
Consequence Reverse(const Update& update, Step step) {
  if (!update.one_way) return Consequence::kBackReverse;
  return step == Step::kSwitch ? Consequence::kGoOnDoomed
                               : Consequence::kQuarantine;
}

Consequence OnTheWayForward(const Update& update, Step step,
                            const Outcome& outcome) {
  switch (step) {
    case Step::kPrepare:
    case Step::kCloseGate:
      return Consequence::kCancel;
    case Step::kPause:
    case Step::kSave:
      return WentOn(outcome) ? Consequence::kAsk : Consequence::kCancel;
    case Step::kCancel:
      if (update.paused && WentOn(outcome)) return Consequence::kAsk;
      // No driver serves the adapter: nothing goes on that could be left.
      if (outcome.adapter == AdapterState::kBroken) {
        return Consequence::kQuarantine;
      }
      return update.paused ? Consequence::kQuarantine : Consequence::kLeave;
    case Step::kUnload:
      if (WentOn(outcome)) return Consequence::kAsk;
      return outcome.trial == Trial::kRefused ? Consequence::kCancel
                                              : Consequence::kBackSameBlocks;
    case Step::kRestore:
    case Step::kVerify:
    case Step::kResume:
      // Once engines ran, the blocks are stale. The shim runs ahead: an answer
      // that was lost does not mean that they stand.
      return outcome.adapter == AdapterState::kResumed
                 ? Reverse(update, step)
                 : Consequence::kBackSameBlocks;
    case Step::kConfirm:
    // The disk does not take the new driver: the old one is what it has.
    case Step::kSwitch:
      return Reverse(update, step);
    case Step::kCommit:
      // Every vGPU runs, but the host's memory for the saved state is not
      // released and the shim will refuse the next update. Going back now would
      // stop guests that are well; a person can wait for a better hour.
      return Consequence::kQuarantine;
    case Step::kReopenGate:
    case Step::kInspect:
      return Consequence::kRetry;
  }
  std::abort();
}

// The phase to go on from once the old driver was unloaded; kUnknown for the
// states before. Verify and Confirm are asked for again: the shim repeats what
// they found of each vGPU, which the journal does not hold.
Phase PhaseOf(AdapterState state) {
  switch (state) {
    case AdapterState::kUnloaded:
      return Phase::kUnloaded;
    case AdapterState::kRestored:
    case AdapterState::kVerified:
      return Phase::kRestored;
    case AdapterState::kResumed:
    case AdapterState::kConfirmed:
      return Phase::kResumed;
    case AdapterState::kUnknown:
    case AdapterState::kEmpty:
    case AdapterState::kRunning:
    case AdapterState::kPrepared:
    case AdapterState::kPaused:
    case AdapterState::kSaved:
    case AdapterState::kBroken:
      return Phase::kUnknown;
  }
  std::abort();
}

constexpr Standing kQuarantined = {Way::kForward, Phase::kUnknown, true};

bool Loaded(const Image& image, const Outcome& seen) {
  return seen.loaded.has_value() && !image.digest.empty() &&
         seen.loaded->digest == image.digest;
}

Standing ForwardStanding(const Update& update, const Outcome& seen) {
  switch (seen.adapter) {
    case AdapterState::kRunning:
      // Only Commit leads from the new driver's start to here.
      if (update.paused && Loaded(update.next, seen)) {
        return {Way::kForward, Phase::kCommitted};
      }
      return {Way::kForward, Phase::kCancelling};
    case AdapterState::kPrepared:
    case AdapterState::kPaused:
    case AdapterState::kSaved:
      return {Way::kForward, Phase::kCancelling};
    case AdapterState::kUnloaded:
      return {Way::kForward, Phase::kUnloaded};
    case AdapterState::kRestored:
    case AdapterState::kVerified:
    case AdapterState::kResumed:
    case AdapterState::kConfirmed:
      return {Loaded(update.next, seen) ? Way::kForward : Way::kBack,
              PhaseOf(seen.adapter)};
    case AdapterState::kBroken:
      // A save that hung, perhaps: engines may still stand.
      if (!Loaded(update.previous, seen)) return kQuarantined;
      return {Way::kForward, Phase::kCancelling};
    case AdapterState::kUnknown:
    case AdapterState::kEmpty:
      return kQuarantined;
  }
  std::abort();
}

Standing BackStanding(const Update& update, const Outcome& seen) {
  switch (seen.adapter) {
    case AdapterState::kRunning:
      if (!Loaded(update.previous, seen)) return kQuarantined;
      return {Way::kBack, Phase::kCommitted};
    case AdapterState::kPaused:
      return {Way::kBack, Phase::kPaused};
    case AdapterState::kSaved:
      return {Way::kBack, Phase::kSaved};
    case AdapterState::kUnloaded:
      return {Way::kBack, Phase::kUnloaded};
    case AdapterState::kRestored:
    case AdapterState::kVerified:
      if (Loaded(update.previous, seen)) {
        return {Way::kBack, PhaseOf(seen.adapter)};
      }
      return {Way::kBack, Phase::kSaved};
    case AdapterState::kResumed:
    case AdapterState::kConfirmed:
      if (Loaded(update.previous, seen)) {
        return {Way::kBack, PhaseOf(seen.adapter)};
      }
      return {Way::kBack, Phase::kGateClosed};
    case AdapterState::kUnknown:
    case AdapterState::kEmpty:
    case AdapterState::kPrepared:
    case AdapterState::kBroken:
      return kQuarantined;
  }
  std::abort();
}

}  // namespace

Consequence ConsequenceOf(const Update& update, Step step,
                          const Outcome& outcome) {
  if (WorthAnotherTry(update, step, outcome)) return Consequence::kRetry;
  // No driver and nothing saved: neither way leads anywhere.
  const bool lost =
      outcome.adapter == AdapterState::kBroken && update.past_no_return;
  if (lost) return Consequence::kQuarantine;
  return update.way == Way::kBack ? OnTheWayBack(step)
                                  : OnTheWayForward(update, step, outcome);
}

Standing StandingOf(const Update& update, const Outcome& seen) {
  const bool ours = seen.adapter_attempt == update.order.attempt;
  if (seen.adapter != AdapterState::kRunning && !ours) return kQuarantined;
  const Standing standing = update.way == Way::kForward
                                ? ForwardStanding(update, seen)
                                : BackStanding(update, seen);
  // Images are journalled before the pause; without them nothing can be loaded.
  if (PhaseOf(seen.adapter) != Phase::kUnknown && update.next.path.empty()) {
    return kQuarantined;
  }
  return standing;
}

}  // namespace baton::agent::core
