#include "agent/core/plan.h"

#include <cstdlib>
#include <utility>

namespace baton::agent::core {
namespace {

std::optional<Step> StepOutOf(const Update& update) {
  if (update.phase == Phase::kUnknown) return Step::kInspect;
  const std::optional<Arc> arc = ArcOutOf(update.way, update.phase);
  if (!arc.has_value()) return std::nullopt;
  return arc->step;
}

const Image& ImageToLoad(const Update& update) {
  return update.way == Way::kBack ? update.previous : update.next;
}

// Whether guests stand still when it begins.
bool InBlackout(Step step) {
  switch (step) {
    case Step::kSave:
    case Step::kUnload:
    case Step::kRestore:
    case Step::kVerify:
    case Step::kResume:
      return true;
    case Step::kPrepare:
    case Step::kCloseGate:
    case Step::kPause:
    case Step::kCancel:
    case Step::kConfirm:
    case Step::kSwitch:
    case Step::kCommit:
    case Step::kReopenGate:
    case Step::kInspect:
      return false;
  }
  std::abort();
}

std::vector<NextStep> AheadOf(Step step, const Update& update) {
  std::vector<NextStep> ahead;
  if (step != Step::kPause && !InBlackout(step)) return ahead;
  std::optional<Arc> arc = ArcOutOf(update.way, update.phase);
  while ((arc = ArcOutOf(update.way, arc->to)).has_value()) {
    if (!InBlackout(arc->step)) break;
    NextStep next = {arc->step, DeadlineOf(arc->step, update.order.deadlines)};
    if (arc->step == Step::kRestore) next.image = ImageToLoad(update);
    ahead.push_back(std::move(next));
  }
  return ahead;
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
  if (*step == Step::kPrepare) action.order = update.order;
  if (*step == Step::kRestore) action.image = ImageToLoad(update);
  if (*step == Step::kReopenGate) action.hook = update.order.hook_after;
  if (*step == Step::kSwitch) {
    action.package = update.way == Way::kBack ? update.previous_package
                                              : update.next_package;
  }
  action.ahead = AheadOf(*step, update);
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
