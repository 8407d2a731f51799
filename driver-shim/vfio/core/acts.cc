#include "driver-shim/vfio/core/acts.h"

#include <algorithm>
#include <cstdlib>
#include <initializer_list>

namespace baton::vfio::core {
namespace {

bool OneOf(Phase phase, std::initializer_list<Phase> phases) {
  return std::find(phases.begin(), phases.end(), phase) != phases.end();
}

// What brings a vGPU nearer to the goal; nothing where it is there.
std::optional<Act> ActOf(Goal goal, const Sight::Vgpu& vgpu) {
  using P = Phase;
  const P phase = vgpu.phase;
  switch (goal) {
    case Goal::kStopped:
      if (OneOf(phase, {P::kRuns, P::kStopping, P::kResuming})) {
        return Act::kStop;
      }
      return std::nullopt;
    case Goal::kSaved:
      // What was saved and not kept is saved again, which wants a stop anew.
      if (phase == P::kSaving) return Act::kStop;
      if (phase == P::kStopped) return Act::kSave;
      return std::nullopt;
    case Goal::kUnloaded:
      if (OneOf(phase, {P::kSaved, P::kRestoring, P::kRestored})) {
        return Act::kRelease;
      }
      return std::nullopt;
    case Goal::kRestored:
      if (OneOf(phase, {P::kSaved, P::kRestoring})) return Act::kRelease;
      if (phase == P::kReleased) return Act::kRestore;
      return std::nullopt;
    case Goal::kProven:
      if (phase == P::kRestored && !vgpu.proven) return Act::kProve;
      return std::nullopt;
    case Goal::kRunning:
      if (OneOf(phase, {P::kStopping, P::kStopped, P::kSaving, P::kSaved,
                        P::kRestored, P::kResuming})) {
        return Act::kResume;
      }
      return std::nullopt;
  }
  std::abort();
}

std::optional<Next> FirstOf(Goal goal, const Sight& sight) {
  for (size_t i = 0; i < sight.vgpus.size(); ++i) {
    const std::optional<Act> act = ActOf(goal, sight.vgpus[i]);
    if (act.has_value()) return Next{*act, i};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Next> NextAct(Goal goal, const Sight& sight) {
  const bool module_changes =
      goal == Goal::kUnloaded ||
      (goal == Goal::kRestored && sight.loaded != sight.wanted);
  if (module_changes) {
    // Nobody may hold a device of a module that goes.
    if (const auto next = FirstOf(Goal::kUnloaded, sight)) return next;
    if (!sight.loaded.empty()) return Next{Act::kUnloadModule};
    if (goal == Goal::kRestored) return Next{Act::kLoadModule};
  }
  return FirstOf(goal, sight);
}

Phase During(Act act, Phase before) {
  switch (act) {
    case Act::kStop:
      return Phase::kStopping;
    case Act::kSave:
      return Phase::kSaving;
    case Act::kRestore:
      return Phase::kRestoring;
    case Act::kResume:
      return Phase::kResuming;
    case Act::kRelease:
    case Act::kUnloadModule:
    case Act::kLoadModule:
    case Act::kProve:
      return before;
  }
  std::abort();
}

Phase After(Act act, Phase before) {
  switch (act) {
    case Act::kStop:
      return Phase::kStopped;
    case Act::kSave:
      return Phase::kSaved;
    case Act::kRelease:
      return Phase::kReleased;
    case Act::kRestore:
      return Phase::kRestored;
    case Act::kResume:
      return Phase::kRuns;
    case Act::kUnloadModule:
    case Act::kLoadModule:
    case Act::kProve:
      return before;
  }
  std::abort();
}

absl::string_view Name(Phase phase) {
  switch (phase) {
    case Phase::kRuns:
      return "RUNS";
    case Phase::kStopping:
      return "STOPPING";
    case Phase::kStopped:
      return "STOPPED";
    case Phase::kSaving:
      return "SAVING";
    case Phase::kSaved:
      return "SAVED";
    case Phase::kReleased:
      return "RELEASED";
    case Phase::kRestoring:
      return "RESTORING";
    case Phase::kRestored:
      return "RESTORED";
    case Phase::kResuming:
      return "RESUMING";
    case Phase::kLost:
      return "LOST";
  }
  std::abort();
}

absl::string_view Name(Act act) {
  switch (act) {
    case Act::kStop:
      return "STOP";
    case Act::kSave:
      return "SAVE";
    case Act::kRelease:
      return "RELEASE";
    case Act::kUnloadModule:
      return "UNLOAD_MODULE";
    case Act::kLoadModule:
      return "LOAD_MODULE";
    case Act::kRestore:
      return "RESTORE";
    case Act::kProve:
      return "PROVE";
    case Act::kResume:
      return "RESUME";
  }
  std::abort();
}

std::optional<Phase> PhaseFrom(absl::string_view name) {
  const auto* const found =
      std::find_if(kPhases.begin(), kPhases.end(),
                   [&](Phase phase) { return Name(phase) == name; });
  if (found == kPhases.end()) return std::nullopt;
  return *found;
}

}  // namespace baton::vfio::core
