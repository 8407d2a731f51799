#include "service/core/update.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/check.h"

namespace baton::core {
namespace {

// The step whose failure started the end: the first that failed.
const StepRecord* FirstFailure(const Update& update) {
  for (const StepRecord& step : update.steps) {
    if (step.code != 0) return &step;
  }
  return nullptr;
}

std::string DetailOf(const StepRecord& step) {
  std::string detail = absl::StrCat(" at ", Name(step.step));
  if (!step.entry_point.empty() && step.nt_status.has_value()) {
    absl::StrAppendFormat(&detail, ": %s returned 0x%08X", step.entry_point,
                          *step.nt_status);
  } else if (!step.entry_point.empty()) {
    absl::StrAppend(&detail, ", in ", step.entry_point);
  }
  if (!step.rule.empty()) absl::StrAppend(&detail, ", rule ", step.rule);
  return detail;
}

}  // namespace

bool HasEnded(UpdateState state) {
  switch (state) {
    case UpdateState::kPending:
    case UpdateState::kRunning:
      return false;
    case UpdateState::kDone:
    case UpdateState::kCancelled:
    case UpdateState::kRolledBack:
    case UpdateState::kQuarantined:
    case UpdateState::kSkipped:
      return true;
  }
  CHECK(false);
}

bool CountsAsFailure(const Update& update) {
  switch (update.state) {
    case UpdateState::kPending:
    case UpdateState::kRunning:
    case UpdateState::kDone:
      return false;
    case UpdateState::kCancelled:
    case UpdateState::kRolledBack:
    case UpdateState::kQuarantined:
      return true;
    case UpdateState::kSkipped:
      return update.reason != "ALREADY_AT_VERSION";
  }
  CHECK(false);
}

std::string CauseOf(const Update& update) {
  std::string cause = absl::StrCat(Name(update.state), ": ", update.reason);
  if (const StepRecord* failed = FirstFailure(update); failed != nullptr) {
    absl::StrAppend(&cause, DetailOf(*failed));
  }
  if (!update.message.empty()) absl::StrAppend(&cause, "; ", update.message);
  return cause;
}

absl::string_view Name(UpdateState state) {
  switch (state) {
    case UpdateState::kPending:
      return "PENDING";
    case UpdateState::kRunning:
      return "RUNNING";
    case UpdateState::kDone:
      return "DONE";
    case UpdateState::kCancelled:
      return "CANCELLED";
    case UpdateState::kRolledBack:
      return "ROLLED_BACK";
    case UpdateState::kQuarantined:
      return "QUARANTINED";
    case UpdateState::kSkipped:
      return "SKIPPED";
  }
  CHECK(false);
}

absl::string_view Name(Step step) {
  switch (step) {
    case Step::kNone:
      return "NONE";
    case Step::kPrepare:
      return "PREPARE";
    case Step::kCloseGate:
      return "CLOSE_GATE";
    case Step::kPause:
      return "PAUSE";
    case Step::kSave:
      return "SAVE";
    case Step::kCancel:
      return "CANCEL";
    case Step::kUnload:
      return "UNLOAD";
    case Step::kSwitch:
      return "SWITCH";
    case Step::kRestore:
      return "RESTORE";
    case Step::kVerify:
      return "VERIFY";
    case Step::kResume:
      return "RESUME";
    case Step::kConfirm:
      return "CONFIRM";
    case Step::kCommit:
      return "COMMIT";
    case Step::kReopenGate:
      return "REOPEN_GATE";
  }
  CHECK(false);
}

}  // namespace baton::core
