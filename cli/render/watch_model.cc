#include "cli/render/watch_model.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "cli/names.h"
#include "cli/render/rollout.h"
#include "cli/render/update.h"
#include "cli/render/words.h"

namespace baton::cli {
namespace {

WatchChange ChangeOf(const v1::Rollout& rollout) {
  return {rollout.name(), Word(rollout.state()), "-", BecauseText(rollout)};
}

WatchChange ChangeOf(const v1::Update& update) {
  std::string message = BecauseText(update);
  if (update.state() == v1::UPDATE_STATE_DONE && message.empty()) {
    message = absl::StrCat("longest blackout ", LongestBlackout(update));
  }
  return {ShortName(update.name()), Word(update.state()), Word(update.step()),
          std::move(message)};
}

// How a host stands of which nothing was heard yet.
WatchChange Waiting(const std::string& host) {
  return {host, Word(v1::UPDATE_STATE_PENDING), "-", ""};
}

}  // namespace

std::vector<WatchChange> WatchModel::Fold(
    const v1::WatchRolloutResponse& message) {
  std::vector<WatchChange> changes;
  std::optional<WatchChange> of_rollout;
  if (message.has_rollout()) {
    if (IsAnother(message.rollout())) *this = WatchModel();
    WatchChange change = ChangeOf(message.rollout());
    if (change != ChangeOf(rollout_)) of_rollout = std::move(change);
    const v1::RolloutPlan plan = rollout_.plan();
    rollout_ = message.rollout();
    if (!rollout_.has_plan()) *rollout_.mutable_plan() = plan;
  }
  for (const v1::Update& update : message.updates()) {
    const std::string host = ShortName(update.name());
    const auto known = updates_.find(host);
    const WatchChange before =
        known == updates_.end() ? Waiting(host) : ChangeOf(known->second);
    WatchChange change = ChangeOf(update);
    if (change != before) changes.push_back(std::move(change));
    updates_[host] = update;
  }
  if (of_rollout.has_value()) {
    const bool begins = rollout_.state() == v1::ROLLOUT_STATE_RUNNING;
    changes.insert(begins ? changes.begin() : changes.end(), *of_rollout);
  }
  return changes;
}

// Whether the one that was watched was deleted while the service was away, and
// another one has its name.
bool WatchModel::IsAnother(const v1::Rollout& rollout) const {
  return rollout.create_time().seconds() != rollout_.create_time().seconds() ||
         rollout.create_time().nanos() != rollout_.create_time().nanos();
}

std::string WatchLine(const WatchChange& change, absl::Time time) {
  return Printable(absl::StrCat(
      StampOf(time), " ", change.subject, " ", change.state, " ", change.step,
      change.message.empty() ? "" : " ", change.message));
}

std::string WatchSummary(const v1::Rollout& rollout) {
  const v1::RolloutProgress& progress = rollout.progress();
  return Printable(absl::StrCat(
      "rollout ", ShortName(rollout.name()), " ", Word(rollout.state()), ": ",
      ProgressText(progress), "; ", progress.vgpus_preserved(), " of ",
      Count(progress.vgpus(), "vGPU"), " kept; blackout ",
      BlackoutText(progress)));
}

}  // namespace baton::cli
