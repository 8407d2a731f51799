#ifndef DRIVER_SHIM_VFIO_CORE_ACTS_H_
#define DRIVER_SHIM_VFIO_CORE_ACTS_H_

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

// Which act comes next on a host whose module is being replaced: a function of
// how far each vGPU is and which module is loaded. Whoever starts again after a
// crash asks the same function with what was recorded, and so goes on.

namespace baton::vfio::core {

// How far a vGPU is on its way from one module to another. What is done to it
// may be cut off at any instant, so the phases in between are made durable
// before it is begun.
enum class Phase {
  kRuns,       // its holder uses it, or may
  kStopping,   // it may be stopped already
  kStopped,    // holder and device stand; the module has its state
  kSaving,     // the same; it may have been saved, and nobody knows what came
  kSaved,      // the same, and a stream has its state too
  kReleased,   // nobody holds it; the stream is all there is of it
  kRestoring,  // held again, with anything in it
  kRestored,   // held again, and stands; the module took the stream
  kResuming,   // it may run already: the stream is stale
  kLost,       // its holder is gone, and its state with it
};

inline constexpr std::array kPhases = {
    Phase::kRuns,     Phase::kStopping, Phase::kStopped,   Phase::kSaving,
    Phase::kSaved,    Phase::kReleased, Phase::kRestoring, Phase::kRestored,
    Phase::kResuming, Phase::kLost};

// What a step is to bring about, for all vGPUs together.
enum class Goal {
  kStopped,   // Pause
  kSaved,     // Save
  kUnloaded,  // Unload
  kRestored,  // Restore
  kProven,    // Verify
  kRunning,   // Resume, and Cancel
};

inline constexpr std::array kGoals = {Goal::kStopped,  Goal::kSaved,
                                      Goal::kUnloaded, Goal::kRestored,
                                      Goal::kProven,   Goal::kRunning};

enum class Act {
  kStop,
  kSave,
  kRelease,
  kUnloadModule,
  kLoadModule,
  kRestore,
  kProve,
  kResume,
};

// What the decision rests on.
struct Sight {
  struct Vgpu {
    Phase phase = Phase::kRuns;
    bool proven = false;  // since it was restored
  };
  std::vector<Vgpu> vgpus = {};
  std::string loaded = "";  // digest of the module; "": none
  std::string wanted = "";  // digest, for Goal::kRestored
};

// One act, of one vGPU or of the module.
struct Next {
  Act act = Act::kStop;
  size_t vgpu = 0;

  bool operator==(const Next&) const = default;
};

// The act to carry out next; nothing once the goal is reached. Each act
// that succeeds is to be made part of the sight before asking again.
//
// A vGPU whose phase does not lead to the goal is left alone: an update's order
// of steps sees to it that there is none.
std::optional<Next> NextAct(Goal goal, const Sight& sight);

// The phase while an act is under way, and the one after it.
Phase During(Act act, Phase before);
Phase After(Act act, Phase before);

absl::string_view Name(Phase phase);  // e.g. "STOPPED"
absl::string_view Name(Act act);      // e.g. "STOP"
std::optional<Phase> PhaseFrom(absl::string_view name);

}  // namespace baton::vfio::core

#endif  // DRIVER_SHIM_VFIO_CORE_ACTS_H_
