#include "service/core/rollout.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace baton::core {
namespace {

void CountState(const Update& update, RolloutProgress& progress) {
  switch (update.state) {
    case UpdateState::kPending:
      ++progress.pending;
      return;
    case UpdateState::kRunning:
      ++progress.running;
      return;
    case UpdateState::kDone:
      ++progress.done;
      return;
    case UpdateState::kCancelled:
      ++progress.cancelled;
      return;
    case UpdateState::kRolledBack:
      ++progress.rolled_back;
      return;
    case UpdateState::kQuarantined:
      ++progress.quarantined;
      return;
    case UpdateState::kSkipped:
      ++progress.skipped;
      return;
  }
  CHECK(false);
}

// Returns the smallest value that at least `percent` percent do not exceed.
absl::Duration PercentileOf(std::vector<absl::Duration>& values, int percent) {
  const size_t rank = (values.size() * percent + 99) / 100;
  auto nth = values.begin() + static_cast<ptrdiff_t>(std::max<size_t>(rank, 1));
  std::nth_element(values.begin(), nth - 1, values.end());
  return *(nth - 1);
}

}  // namespace

RolloutProgress ProgressOf(const Rollout& rollout) {
  RolloutProgress progress;
  progress.total = rollout.plan.has_value() ? rollout.plan->hosts : 0;
  progress.wave = rollout.wave;
  std::vector<absl::Duration> blackouts;
  for (const auto& [host, update] : rollout.updates) {
    CountState(update, progress);
    if (CountsAsFailure(update)) ++progress.failures;
    for (const VirtualGpuResult& vgpu : update.vgpus) {
      if (vgpu.blackout.has_value()) blackouts.push_back(*vgpu.blackout);
      if (!update.past_no_return) continue;
      ++progress.vgpus;
      if (vgpu.preserved) ++progress.vgpus_preserved;
    }
  }
  // Not started yet: all that is planned is to come.
  if (rollout.updates.empty() && !IsFinished(rollout.state)) {
    progress.pending = progress.total;
  }
  if (blackouts.empty()) return progress;
  progress.blackout_p50 = PercentileOf(blackouts, 50);
  progress.blackout_p99 = PercentileOf(blackouts, 99);
  progress.blackout_max = PercentileOf(blackouts, 100);
  return progress;
}

bool IsActive(RolloutState state) {
  switch (state) {
    case RolloutState::kAwaitingApproval:
    case RolloutState::kRunning:
    case RolloutState::kHeld:
    case RolloutState::kAborting:
      return true;
    case RolloutState::kDraft:
    case RolloutState::kPlanned:
    case RolloutState::kSucceeded:
    case RolloutState::kFailed:
    case RolloutState::kAborted:
    case RolloutState::kRolledBack:
      return false;
  }
  CHECK(false);
}

bool IsFinished(RolloutState state) {
  switch (state) {
    case RolloutState::kSucceeded:
    case RolloutState::kFailed:
    case RolloutState::kAborted:
    case RolloutState::kRolledBack:
      return true;
    case RolloutState::kDraft:
    case RolloutState::kPlanned:
    case RolloutState::kAwaitingApproval:
    case RolloutState::kRunning:
    case RolloutState::kHeld:
    case RolloutState::kAborting:
      return false;
  }
  CHECK(false);
}

bool ExceedsTolerance(const Rollout& rollout) {
  if (!rollout.plan.has_value()) return false;
  uint32_t failures = 0;
  for (const auto& [host, update] : rollout.updates) {
    if (CountsAsFailure(update)) ++failures;
  }
  return failures > rollout.failures_accepted + rollout.plan->failures_max;
}

std::string FailuresText(const Rollout& rollout) {
  constexpr int kSpelledMax = 3;
  std::string text;
  int failures = 0;
  for (const auto& [host, update] : rollout.updates) {
    if (!CountsAsFailure(update) || ++failures > kSpelledMax) continue;
    absl::StrAppend(&text, text.empty() ? "" : "; ", host, " ",
                    CauseOf(update));
  }
  return absl::StrCat(
      failures, failures == 1 ? " host" : " hosts", " failed, ",
      rollout.plan->failures_max, " tolerated",
      rollout.failures_accepted == 0
          ? ""
          : absl::StrCat(" beyond the ", rollout.failures_accepted,
                         " accepted"),
      ": ", text, failures > kSpelledMax ? "; and more" : "");
}

std::string WaveNameOf(const Rollout& rollout, uint32_t index) {
  CHECK(rollout.plan.has_value() && index < rollout.plan->waves.size());
  return rollout.plan->waves[index].name;
}

absl::string_view Name(RolloutState state) {
  switch (state) {
    case RolloutState::kDraft:
      return "DRAFT";
    case RolloutState::kPlanned:
      return "PLANNED";
    case RolloutState::kAwaitingApproval:
      return "AWAITING_APPROVAL";
    case RolloutState::kRunning:
      return "RUNNING";
    case RolloutState::kHeld:
      return "HELD";
    case RolloutState::kSucceeded:
      return "SUCCEEDED";
    case RolloutState::kFailed:
      return "FAILED";
    case RolloutState::kAborted:
      return "ABORTED";
    case RolloutState::kRolledBack:
      return "ROLLED_BACK";
    case RolloutState::kAborting:
      return "ABORTING";
  }
  CHECK(false);
}

}  // namespace baton::core
