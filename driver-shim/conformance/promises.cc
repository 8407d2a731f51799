#include "driver-shim/conformance/promises.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/strip.h"

namespace baton::conformance {
namespace {

// Each state with the step that leads to it, and the steps whose turn it is.
struct Row {
  v1::AdapterState state = v1::ADAPTER_STATE_UNSPECIFIED;
  std::vector<Verb> done = {};
};

const std::vector<Row>& Rows() {
  using V = Verb;
  static const std::vector<Row>& rows = *new std::vector<Row>{
      // In RUNNING there is nothing to cancel, and that succeeds.
      {v1::ADAPTER_STATE_RUNNING, {V::kPrepare, V::kCancel}},
      {v1::ADAPTER_STATE_PREPARED, {V::kPause, V::kCancel}},
      {v1::ADAPTER_STATE_PAUSED, {V::kSave, V::kCancel}},
      {v1::ADAPTER_STATE_SAVED, {V::kUnload, V::kCancel}},
      // Unload clears away what a failed Restore left.
      {v1::ADAPTER_STATE_UNLOADED, {V::kRestore, V::kUnload}},
      {v1::ADAPTER_STATE_RESTORED, {V::kVerify, V::kUnload}},
      {v1::ADAPTER_STATE_VERIFIED, {V::kResume, V::kUnload}},
      // Pause begins a reverse update.
      {v1::ADAPTER_STATE_RESUMED, {V::kConfirm, V::kPause}},
      {v1::ADAPTER_STATE_CONFIRMED, {V::kCommit, V::kPause}},
  };
  return rows;
}

constexpr std::array kForward = {
    Verb::kPrepare, Verb::kPause,   Verb::kSave,
    Verb::kUnload,  Verb::kRestore, Verb::kVerify,
    Verb::kResume,  Verb::kConfirm, Verb::kCommit,
};

}  // namespace

Expected Expect(v1::AdapterState state, Verb verb) {
  for (const Row& row : Rows()) {
    if (row.state != state) continue;
    const bool done =
        std::find(row.done.begin(), row.done.end(), verb) != row.done.end();
    if (done) return Expected::kDone;
  }
  // No attempt is under way in RUNNING, so there is nothing to repeat.
  const bool led_here =
      state != v1::ADAPTER_STATE_RUNNING && After(verb) == state;
  return led_here ? Expected::kRepeated : Expected::kRefused;
}

v1::AdapterState After(Verb verb) {
  switch (verb) {
    case Verb::kPrepare:
      return v1::ADAPTER_STATE_PREPARED;
    case Verb::kPause:
      return v1::ADAPTER_STATE_PAUSED;
    case Verb::kSave:
      return v1::ADAPTER_STATE_SAVED;
    case Verb::kCancel:
      return v1::ADAPTER_STATE_RUNNING;
    case Verb::kUnload:
      return v1::ADAPTER_STATE_UNLOADED;
    case Verb::kRestore:
      return v1::ADAPTER_STATE_RESTORED;
    case Verb::kVerify:
      return v1::ADAPTER_STATE_VERIFIED;
    case Verb::kResume:
      return v1::ADAPTER_STATE_RESUMED;
    case Verb::kConfirm:
      return v1::ADAPTER_STATE_CONFIRMED;
    case Verb::kCommit:
      return v1::ADAPTER_STATE_RUNNING;
  }
  std::abort();
}

std::vector<Verb> PathTo(v1::AdapterState state) {
  std::vector<Verb> path;
  if (state == v1::ADAPTER_STATE_RUNNING) return path;
  for (const Verb verb : kForward) {
    path.push_back(verb);
    if (After(verb) == state) break;
  }
  return path;
}

std::string Name(Verb verb) {
  switch (verb) {
    case Verb::kPrepare:
      return "Prepare";
    case Verb::kPause:
      return "Pause";
    case Verb::kSave:
      return "Save";
    case Verb::kCancel:
      return "Cancel";
    case Verb::kUnload:
      return "Unload";
    case Verb::kRestore:
      return "Restore";
    case Verb::kVerify:
      return "Verify";
    case Verb::kResume:
      return "Resume";
    case Verb::kConfirm:
      return "Confirm";
    case Verb::kCommit:
      return "Commit";
  }
  std::abort();
}

std::string Name(v1::AdapterState state) {
  const std::string& name = v1::AdapterState_Name(state);
  return std::string(absl::StripPrefix(name, "ADAPTER_STATE_"));
}

}  // namespace baton::conformance
