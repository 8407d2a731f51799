#include "service/core/update.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/check.h"

namespace baton::core {
namespace {

// What a packed record has beyond its numbers.
constexpr uint64_t kBackward = 1;
constexpr uint64_t kStarted = 2;
constexpr uint64_t kFailed = 4;  // or says more than one that succeeded
constexpr uint64_t kAsked = 8;   // the driver answered
constexpr uint64_t kPreserved = 1;
constexpr uint64_t kStopped = 2;
constexpr uint64_t kDiffers = 4;

// The step whose failure started the end: the first that failed.
std::optional<StepRecord> FirstFailure(const Update& update) {
  for (const StepRecord& step : update.steps) {
    if (step.code != 0) return step;
  }
  return std::nullopt;
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

void Pack(const StepRecord& step, Packer& to) {
  const bool failed = step.code != 0 || !step.reason.empty() ||
                      !step.message.empty() || !step.entry_point.empty() ||
                      !step.rule.empty();
  const bool started = step.start_time != absl::InfinitePast();
  to.Number(static_cast<uint64_t>(step.step));
  to.Number((step.backward ? kBackward : 0) | (started ? kStarted : 0) |
            (failed ? kFailed : 0) | (step.nt_status.has_value() ? kAsked : 0));
  to.Duration(step.elapsed);
  if (started) to.Time(step.start_time);
  if (step.nt_status.has_value()) to.Number(*step.nt_status);
  if (!failed) return;
  to.Number(static_cast<uint32_t>(step.code));
  for (const std::string* text :
       {&step.reason, &step.message, &step.entry_point, &step.rule}) {
    to.Text(*text);
  }
}

void Unpack(Unpacker& from, StepRecord& step) {
  step.step = static_cast<Step>(from.Number());
  const uint64_t has = from.Number();
  step.backward = (has & kBackward) != 0;
  step.elapsed = from.Duration();
  if ((has & kStarted) != 0) step.start_time = from.Time();
  if ((has & kAsked) != 0) {
    step.nt_status = static_cast<uint32_t>(from.Number());
  }
  if ((has & kFailed) == 0) return;
  step.code = static_cast<int32_t>(static_cast<uint32_t>(from.Number()));
  for (std::string* text :
       {&step.reason, &step.message, &step.entry_point, &step.rule}) {
    *text = from.Text();
  }
}

void Pack(const VirtualGpuResult& vgpu, Packer& to) {
  to.Number(vgpu.partition_id);
  to.Number((vgpu.preserved ? kPreserved : 0) |
            (vgpu.blackout.has_value() ? kStopped : 0) |
            (vgpu.difference.empty() ? 0 : kDiffers));
  to.Text(vgpu.guest);
  if (vgpu.blackout.has_value()) to.Duration(*vgpu.blackout);
  if (!vgpu.difference.empty()) to.Text(vgpu.difference);
}

void Unpack(Unpacker& from, VirtualGpuResult& vgpu) {
  vgpu.partition_id = static_cast<uint32_t>(from.Number());
  const uint64_t has = from.Number();
  vgpu.preserved = (has & kPreserved) != 0;
  vgpu.guest = from.Text();
  if ((has & kStopped) != 0) vgpu.blackout = from.Duration();
  if ((has & kDiffers) != 0) vgpu.difference = from.Text();
}

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
      return update.reason != "ALREADY_AT_VERSION" &&
             update.reason != "SKIPPED_BY_OPERATOR" &&
             update.reason != "ROLLOUT_ABORTED";
  }
  CHECK(false);
}

std::string CauseOf(const Update& update) {
  std::string cause =
      absl::StrCat(Name(update.state), ": ", update.reason.str());
  if (const auto failed = FirstFailure(update); failed.has_value()) {
    absl::StrAppend(&cause, DetailOf(*failed));
  }
  if (!update.message.empty()) {
    absl::StrAppend(&cause, "; ", update.message.str());
  }
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
