#include "agent/steps.h"

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/host/preflight.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace baton::agent {
namespace {

// How long the shim has to say what is.
constexpr absl::Duration kLookDeadline = absl::Seconds(2);

// What is left to the shim in any case.
constexpr absl::Duration kLeastDeadline = absl::Milliseconds(1);

// Of what one failure says.
constexpr size_t kMessageBytesMax = 2048;

core::Outcome OutcomeOf(const absl::Status& status) {
  core::Outcome outcome;
  outcome.record.code = status.code();
  outcome.record.message = std::string(status.message());
  outcome.record.reason = Reason(status);
  if (!status.ok() && outcome.record.reason.empty()) {
    outcome.record.reason = absl::StatusCodeToString(status.code());
  }
  return outcome;
}

// Cuts a text that somebody else wrote to what a report may hold, between two
// characters of UTF-8.
void Bound(std::string& text) {
  if (text.size() <= kMessageBytesMax) return;
  size_t end = kMessageBytesMax;
  while (end > 0 && (text[end] & 0xC0) == 0x80) --end;
  text.resize(end);
}

// Puts what the shim says of itself and of the adapter into `outcome`.
void TakeSight(const Sight& sight, core::Outcome& outcome) {
  outcome.adapter = sight.state;
  outcome.shim_instance = sight.shim_instance;
  outcome.present.clear();
  for (const v1::VirtualGpu& vgpu : sight.adapter.vgpus()) {
    outcome.present.push_back({vgpu.partition_id(), vgpu.luid(), vgpu.guest()});
  }
}

// Returns how Prepare went, with what it had `found` by then.
core::Outcome With(core::Outcome outcome, core::Outcome found) {
  outcome.adapter = found.adapter;
  outcome.shim_instance = std::move(found.shim_instance);
  outcome.present = std::move(found.present);
  outcome.next = std::move(found.next);
  outcome.previous = std::move(found.previous);
  outcome.next_package = std::move(found.next_package);
  outcome.previous_package = std::move(found.previous_package);
  outcome.one_way = found.one_way;
  return outcome;
}

bool Failed(const core::Outcome& outcome) {
  return outcome.record.code != absl::StatusCode::kOk;
}

}  // namespace

core::Outcome Steps::Run(const core::Action& action,
                         const std::atomic<bool>& stop) {
  const absl::Time start = ports_.clock.Now();
  const absl::Duration begun = ports_.clock.Monotonic();
  core::Outcome outcome = Carry(action, stop);
  Bound(outcome.record.message);
  outcome.record.step = action.step;
  outcome.record.start = start;
  // The shim knows better how long it took: the answer may have waited for what
  // it went on with.
  if (outcome.record.elapsed == absl::ZeroDuration()) {
    outcome.record.elapsed = ports_.clock.Monotonic() - begun;
  }
  return outcome;
}

absl::StatusOr<Sight> Steps::Look(Depth depth) {
  ASSIGN_OR_RETURN(Sight sight, ports_.shim.Inspect(kLookDeadline, depth));
  sight.available_memory_bytes = ports_.machine.AvailableMemoryBytes();
  return sight;
}

core::Outcome Steps::Carry(const core::Action& action,
                           const std::atomic<bool>& stop) {
  switch (action.step) {
    case core::Step::kPrepare:
      return Prepare(action, stop);
    case core::Step::kCloseGate:
      return OutcomeOf(ports_.gate.Close(action.deadline));
    case core::Step::kReopenGate:
      return ReopenGate(action);
    case core::Step::kSwitch:
      return OutcomeOf(ports_.stage.Switch(action.package));
    case core::Step::kCancel:
      return Cancel(action);
    case core::Step::kInspect:
      return Inspect(action);
    case core::Step::kPause:
    case core::Step::kSave:
    case core::Step::kUnload:
    case core::Step::kRestore:
    case core::Step::kVerify:
    case core::Step::kResume:
    case core::Step::kConfirm:
    case core::Step::kCommit:
      return AtShim(action);
  }
  std::abort();
}

// Whoever was told "before" is told "after" once the gate is as it was. What it
// comes to is shown, and changes nothing: the host is in service again.
core::Outcome Steps::ReopenGate(const core::Action& action) {
  core::Outcome outcome = OutcomeOf(ports_.gate.Reopen(action.deadline));
  if (Failed(outcome) || action.hook.empty()) return outcome;
  const absl::Status hook =
      ports_.machine.RunHook(action.hook, "after", action.deadline);
  outcome.record.reason = Reason(hook);
  outcome.record.message = std::string(hook.message());
  return outcome;
}

core::Outcome Steps::AtShim(const core::Action& action) {
  core::Outcome outcome =
      ports_.shim.Run({action.step, action.attempt, action.deadline,
                       action.image, action.ahead});
  if (!Failed(outcome)) return outcome;
  // What it means depends on what the adapter is now.
  const absl::StatusOr<Sight> sight = Look(Depth::kPlain);
  if (sight.ok()) TakeSight(*sight, outcome);
  return outcome;
}

absl::Status Steps::StageAndCheck(const core::Action& action,
                                  const std::atomic<bool>& stop,
                                  core::Outcome& outcome) {
  const core::Order& order = action.order;
  ASSIGN_OR_RETURN(const Sight sight, Look(Depth::kPlain));
  TakeSight(sight, outcome);
  RETURN_IF_ERROR(CheckAdapter(sight, order.attempt));
  RETURN_IF_ERROR(CheckWayBack(*sight.image));
  ASSIGN_OR_RETURN(const std::optional<StagedPackage> current,
                   ports_.stage.Current());
  ASSIGN_OR_RETURN(const StagedPackage next,
                   ports_.stage.Add({order.driver, order.digest,
                                     order.size_bytes, sight.image->path},
                                    action.deadline, stop));
  RETURN_IF_ERROR(CheckPackage(sight.adapter, next));
  if (absl::Status formats = CheckFormats(*sight.image, current, next);
      !formats.ok()) {
    outcome.one_way = Reason(formats) == "STATE_FORMAT_NO_WAY_BACK";
    if (!outcome.one_way || !order.without_way_back) return formats;
    LogWarning(absl::StrCat("there will be no way back: ", formats.message()));
  }
  outcome.next = next.image;
  outcome.next_package = next.name;
  outcome.previous = *sight.image;
  if (current.has_value()) outcome.previous_package = current->name;
  return absl::OkStatus();
}

core::Outcome Steps::Prepare(const core::Action& action,
                             const std::atomic<bool>& stop) {
  const absl::Duration begun = ports_.clock.Monotonic();
  core::Outcome found;
  if (const absl::Status ready = StageAndCheck(action, stop, found);
      !ready.ok()) {
    return With(OutcomeOf(ready), std::move(found));
  }
  const absl::Duration left =
      action.deadline - (ports_.clock.Monotonic() - begun);
  if (left <= absl::ZeroDuration()) {
    return With(OutcomeOf(ErrorWithReason(
                    absl::StatusCode::kDeadlineExceeded, "PREPARE_TOO_SLOW",
                    absl::StrCat("staging took longer than ",
                                 absl::FormatDuration(action.deadline)))),
                std::move(found));
  }
  if (!action.order.hook_before.empty()) {
    const absl::Status hook =
        ports_.machine.RunHook(action.order.hook_before, "before", left);
    if (!hook.ok()) return With(OutcomeOf(hook), std::move(found));
  }
  core::Action at_shim = action;
  at_shim.deadline = std::max(
      action.deadline - (ports_.clock.Monotonic() - begun), kLeastDeadline);
  at_shim.image = found.next;
  core::Outcome outcome = AtShim(at_shim);
  if (!Failed(outcome)) outcome = OutcomeOf(CheckSameShim(found));
  return With(std::move(outcome), std::move(found));
}

// Staging takes long, and who is ready now may not be who was looked at.
absl::Status Steps::CheckSameShim(const core::Outcome& found) {
  const absl::StatusOr<Sight> sight = Look(Depth::kPlain);
  // Who does not answer will be found out by the next step.
  if (!sight.ok() || sight->shim_instance == found.shim_instance) {
    return absl::OkStatus();
  }
  return ErrorWithReason(absl::StatusCode::kFailedPrecondition,
                         "SHIM_RESTARTED",
                         "the shim was restarted while the step ran");
}

core::Outcome Steps::Cancel(const core::Action& action) {
  core::Outcome outcome = AtShim(action);
  if (Failed(outcome)) {
    // A shim that knows of no update has nothing to undo.
    const bool nothing = outcome.trial == core::Trial::kRefused &&
                         outcome.adapter == core::AdapterState::kRunning;
    if (nothing) outcome.record = core::StepRecord{};
    return outcome;
  }
  const absl::StatusOr<Sight> sight = Look(Depth::kPlain);
  if (sight.ok()) TakeSight(*sight, outcome);
  return outcome;
}

core::Outcome Steps::Inspect(const core::Action& action) {
  const absl::StatusOr<Sight> sight =
      ports_.shim.Inspect(action.deadline, Depth::kPlain);
  if (!sight.ok()) return OutcomeOf(sight.status());
  core::Outcome outcome;
  TakeSight(*sight, outcome);
  outcome.adapter_attempt = sight->attempt;
  outcome.loaded = sight->image;
  return outcome;
}

}  // namespace baton::agent
