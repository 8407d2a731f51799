#include "service/core/editor.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/reason.h"
#include "service/core/selector.h"

namespace baton::core {
namespace {

constexpr int kEpochShift = 32;
constexpr size_t kLabelsMax = 64;

// What tells one plan of a rollout from another.
std::pair<std::string, absl::Time> PlanOf(const Rollout& rollout) {
  if (!rollout.plan.has_value()) return {"", absl::InfinitePast()};
  return {rollout.plan->digest, rollout.plan->time};
}

}  // namespace

Editor::Editor(const Event& event, Fleet& fleet)
    : event_(event),
      fleet_(fleet),
      at_(std::max(event.at, fleet.now)),
      revision_(fleet.revision + 1),
      index_(fleet) {}

Host& Editor::EditHost(const std::string& name) {
  index_.BeforeHost(name);
  changes_.hosts.insert(name);
  const auto found = fleet_.hosts.try_emplace(name).first;
  Host& host = found->second;
  host.name = found->first;
  host.version = revision_;
  return host;
}

Driver& Editor::EditDriver(const std::string& name) {
  index_.DriversChanged();
  changes_.drivers.insert(name);
  Driver& driver = fleet_.drivers[name];
  driver.version = revision_;
  return driver;
}

Rollout& Editor::EditRollout(const std::string& name) {
  changes_.rollouts.insert(name);
  const auto [at, made] = fleet_.rollouts.try_emplace(name);
  Rollout& rollout = at->second;
  // The record of this event is the next.
  if (made) rollout.create_sequence = fleet_.audit_sequence + 1;
  plans_.try_emplace(name, PlanOf(rollout));
  rollout.name = name;
  rollout.version = revision_;
  return rollout;
}

Update& Editor::EditUpdate(const std::string& rollout,
                           const std::string& host) {
  index_.BeforeUpdate(rollout, host);
  changes_.updates.insert({rollout, host});
  return fleet_.rollouts.at(rollout).updates.at(host);
}

void Editor::SetFreeze(std::optional<Freeze> freeze) {
  fleet_.freeze = std::move(freeze);
}

void Editor::SetEmergencyStop(std::optional<EmergencyStopRecord> stop) {
  fleet_.emergency_stop = std::move(stop);
}

void Editor::AddToHistory(const History& costs) {
  for (const auto& [key, cost] : costs) {
    Add(cost, fleet_.history[key]);
    changes_.history.insert(key);
  }
  while (fleet_.history.size() > kHistoryMax) {
    const HistoryKey oldest = LeastRecent(fleet_.history);
    changes_.history.insert(oldest);
    fleet_.history.erase(oldest);
  }
}

void Editor::MakeUpdates(Rollout& rollout) {
  core::MakeUpdates(rollout);
  index_.Started(rollout.name);
  changes_.started.insert(rollout.name);
}

void Editor::EraseHost(const std::string& name) {
  index_.BeforeHost(name);
  changes_.hosts.insert(name);
  fleet_.hosts.erase(name);
}

void Editor::EraseRollout(const std::string& name) {
  CHECK(fleet_.active.count(name) + fleet_.taking_back.count(name) == 0);
  changes_.rollouts.insert(name);
  changes_.plans.insert(name);
  changes_.deleted.insert(name);
  fleet_.rollouts.erase(name);
}

void Editor::EraseDriver(const std::string& name) {
  index_.DriversChanged();
  changes_.drivers.insert(name);
  fleet_.drivers.erase(name);
}

Host& Editor::TouchHost(const std::string& name) {
  index_.BeforeHost(name);
  changes_.seen_hosts.insert(name);
  Host& host = fleet_.hosts.at(name);
  host.version = revision_;
  return host;
}

void Editor::Hear(const std::string& host) {
  index_.BeforeHeard(host);
  fleet_.hosts.at(host).last_heard = at_;
}

void Editor::Enter(Rollout& rollout, RolloutState state) {
  rollout.state = state;
  index_.Entered(rollout.name);
}

void Editor::KeepCapsule(const std::string& update, Capsule capsule) {
  changes_.capsules[update] = std::move(capsule);
}

void Editor::StartEpoch() {
  ++fleet_.epoch;
  revision_ = std::max(revision_, fleet_.epoch << kEpochShift);
  for (auto& [name, host] : fleet_.hosts) {
    host.version = revision_;
    if (!host.connected()) continue;
    index_.BeforeHost(name);
    host.stream = 0;
  }
}

void Editor::RaiseEpoch(uint64_t epoch) {
  fleet_.epoch = std::max(fleet_.epoch, epoch);
  revision_ = std::max(revision_, fleet_.epoch << kEpochShift);
}

void Editor::Doubt(uint64_t epoch, const std::string& sign) {
  StoreDoubt& doubt = fleet_.store_doubt;
  doubt.epoch = std::max(doubt.epoch, epoch);
  if (doubt.sign.empty()) doubt.sign = sign;
}

void Editor::SetDiskFree(uint64_t bytes) { fleet_.disk_free_bytes = bytes; }

void Editor::AnswerDoubt() { fleet_.store_doubt.answered = true; }

void Editor::Record(const std::string& request_id,
                    const std::string& fingerprint) {
  fleet_.requests[request_id] = {fleet_.audit_sequence, fingerprint};
  changes_.requests.insert(request_id);
  if (fleet_.requests.size() <= kRequestsMax) return;
  const auto oldest =
      std::min_element(fleet_.requests.begin(), fleet_.requests.end(),
                       [](const auto& a, const auto& b) {
                         return a.second.sequence < b.second.sequence;
                       });
  changes_.requests.insert(oldest->first);
  fleet_.requests.erase(oldest);
}

void Editor::Audit(absl::string_view action, absl::string_view resource,
                   absl::string_view detail) {
  CHECK(changes_.audit.empty());
  AuditRecord record{fleet_.audit_sequence + 1,
                     at_,
                     event_.actor,
                     std::string(action),
                     std::string(resource),
                     std::string(detail)};
  record.hash = AuditHash(fleet_.audit_hash, record);
  fleet_.audit_sequence = record.sequence;
  fleet_.audit_hash = record.hash;
  changes_.audit.push_back(std::move(record));
}

Changes Editor::Finish() {
  fleet_.now = at_;
  index_.Finish();
  for (const auto& [name, plan] : plans_) {
    if (PlanOf(fleet_.rollouts.at(name)) != plan) changes_.plans.insert(name);
  }
  if (!changes_.empty()) fleet_.revision = revision_;
  return std::move(changes_);
}

absl::Status CheckLabels(const Labels& labels) {
  if (labels.size() > kLabelsMax) {
    return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_LABELS",
                           absl::StrCat("got ", labels.size(),
                                        " labels, want at most ", kLabelsMax));
  }
  for (const auto& [key, value] : labels) {
    if (IsLabelKey(key) && IsLabelValue(value)) continue;
    return ErrorWithReason(
        absl::StatusCode::kInvalidArgument, "BAD_LABELS",
        absl::StrCat("label '", key, "' = '", value,
                     "' is not in Kubernetes' syntax: at most 63 of "
                     "[A-Za-z0-9._-], a letter or digit at both ends"));
  }
  return absl::OkStatus();
}

}  // namespace baton::core
