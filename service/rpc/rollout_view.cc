#include "service/rpc/rollout_view.h"

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "base/status_macros.h"
#include "service/core/errors.h"
#include "service/core/names.h"
#include "service/core/rollout.h"
#include "service/rpc/convert_rollout.h"
#include "service/rpc/field_limits.h"

namespace baton::rpc {
namespace {

constexpr char kAllUpdates[] = "*";

// Keys are the names of hosts, for their updates, kAllUpdates for all of them,
// and the rollout's own, also once it is gone, whatever has its name then.
class RolloutView final : public WatchView<v1::WatchRolloutResponse> {
 public:
  explicit RolloutView(std::string name) : name_(std::move(name)) {}

  absl::Status Begin(const core::Fleet& fleet,
                     std::set<std::string>& keys) override {
    const core::Rollout* rollout = core::FindRollout(fleet, name_);
    if (rollout == nullptr) return core::RolloutNotFoundError(name_);
    create_sequence_ = rollout->create_sequence;
    keys.insert(name_);
    for (const auto& [host, update] : rollout->updates) keys.insert(host);
    return absl::OkStatus();
  }

  void Collect(const core::Changes& changes,
               std::set<std::string>& keys) const override {
    if (changes.rollouts.count(name_) > 0) keys.insert(name_);
    if (changes.started.count(name_) > 0) keys.insert(kAllUpdates);
    for (auto it = changes.updates.lower_bound({name_, ""});
         it != changes.updates.end() && it->first == name_; ++it) {
      keys.insert(it->second);
    }
  }

  absl::StatusOr<Filled> Fill(const core::Fleet& fleet,
                              std::set<std::string>& keys,
                              v1::WatchRolloutResponse& response) override {
    const core::Rollout* rollout = core::FindRollout(fleet, name_);
    if (rollout == nullptr || rollout->create_sequence != create_sequence_) {
      return core::RolloutDeletedError(name_);
    }
    if (keys.erase(kAllUpdates) > 0) {
      for (const auto& [host, update] : rollout->updates) keys.insert(host);
    }
    const bool first = std::exchange(first_, false);
    response.set_revision(fleet.revision);
    *response.mutable_rollout() =
        ToProto(*rollout, first ? WithPlan::kYes : WithPlan::kNo);
    keys.erase(name_);
    size_t bytes = response.ByteSizeLong();
    while (!keys.empty() && bytes < kWatchBytesMax) {
      const std::string host = std::move(keys.extract(keys.begin()).value());
      const auto update = rollout->updates.find(host);
      if (update == rollout->updates.end()) continue;
      *response.add_updates() = ToProto(*rollout, host, update->second);
      bytes += response.updates().rbegin()->ByteSizeLong();
    }
    return keys.empty() && core::IsFinished(rollout->state)
               ? Filled::kLastMessage
               : Filled::kMessage;
  }

 private:
  const std::string name_;
  uint64_t create_sequence_ = 0;  // of the one that is watched
  bool first_ = true;
};

}  // namespace

absl::StatusOr<WatchStream<v1::WatchRolloutResponse>::View> MakeRolloutView(
    const v1::WatchRolloutRequest& request) {
  RETURN_IF_ERROR(CheckFieldSizes(request, Speaker::kOperator));
  RETURN_IF_ERROR(core::CheckRolloutName(request.name()));
  return std::make_unique<RolloutView>(request.name());
}

}  // namespace baton::rpc
