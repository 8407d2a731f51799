#include "agent/core/plan.h"

#include <cstdlib>

namespace baton::agent::core {
namespace {

std::optional<Step> StepOutOf(const Update& update) {
  if (update.phase == Phase::kUnknown) return Step::kInspect;
  const std::optional<Arc> arc = ArcOutOf(update.way, update.phase);
  if (!arc.has_value()) return std::nullopt;
  return arc->step;
}

}  // namespace

std::optional<Action> Plan(const Update& update) {
  if (update.running.has_value()) return std::nullopt;
  const std::optional<Step> step = StepOutOf(update);
  if (!step.has_value()) return std::nullopt;
  Action action;
  action.step = *step;
  action.attempt = update.order.attempt;
  action.deadline = DeadlineOf(*step, update.order.deadlines);
  action.failures = update.failures;
  const bool back = update.way == Way::kBack;
  if (*step == Step::kPrepare) action.order = update.order;
  if (*step == Step::kRestore) {
    action.image = back ? update.previous : update.next;
  }
  if (*step == Step::kSwitch) {
    action.package = back ? update.previous_package : update.next_package;
  }
  return action;
}

absl::Duration DeadlineOf(Step step, const Deadlines& deadlines) {
  switch (step) {
    case Step::kPrepare:
      return deadlines.prepare;
    case Step::kCloseGate:
    case Step::kReopenGate:
      return deadlines.gate;
    case Step::kPause:
      return deadlines.pause;
    case Step::kSave:
      return deadlines.save;
    case Step::kCancel:
      return 2 * deadlines.save + deadlines.pause + deadlines.resume;
    case Step::kUnload:
      return deadlines.unload;
    case Step::kSwitch:
      return absl::InfiniteDuration();
    case Step::kRestore:
      return deadlines.restore;
    case Step::kVerify:
      return deadlines.verify;
    case Step::kResume:
      return deadlines.resume;
    case Step::kConfirm:
    case Step::kCommit:
      return deadlines.confirm;
    case Step::kInspect:
      return absl::Seconds(5);
  }
  std::abort();
}

}  // namespace baton::agent::core
