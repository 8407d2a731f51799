#include "service/store/rows.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "service/core/index.h"
#include "service/core/names.h"
#include "service/store/codec.h"

namespace baton::store {
namespace {

constexpr absl::string_view kMetaKey = "fleet";
constexpr absl::string_view kUpdates = "/updates/";

// Adds a row for `key`: its record, or its removal when it has none.
template <typename Records>
void AddChanged(Table table, const Records& records, const std::string& key,
                std::vector<Row>& rows) {
  Row row{table, key};
  const auto found = records.find(key);
  if (found != records.end()) row.value = Encode(found->second);
  rows.push_back(std::move(row));
}

// Lengths go first, so that no two keys are the same.
std::string KeyOf(const core::HistoryKey& key) {
  std::string text;
  for (const std::string* part :
       {&key.from_driver, &key.to_driver, &key.model, &key.profile}) {
    absl::StrAppend(&text, part->size(), ":", *part);
  }
  return text;
}

absl::Status MisfitError(absl::string_view what, absl::string_view of,
                         absl::string_view lacks) {
  return ErrorWithReason(
      absl::StatusCode::kDataLoss, "STORE_CORRUPT",
      absl::StrCat("stored ", what, " of '", of, "' has no ", lacks));
}

// Whether a rollout, its plan and its updates fit together: nothing else asks
// again.
absl::Status CheckFits(const core::Rollout& rollout) {
  if (!rollout.plan.has_value()) {
    const bool planned = core::IsActive(rollout.state) ||
                         rollout.state == core::RolloutState::kPlanned ||
                         rollout.start_time != absl::InfinitePast() ||
                         !rollout.updates.empty();
    return planned ? MisfitError("state", rollout.name, "plan")
                   : absl::OkStatus();
  }
  const std::vector<core::PlannedWave>& waves = rollout.plan->waves;
  const size_t asked = std::max<size_t>(rollout.spec.waves.size(), 1);
  if (rollout.wave >= waves.size() || waves.size() != asked) {
    return MisfitError("wave", rollout.name, "place in its plan");
  }
  const bool over = core::IsFinished(rollout.state) &&
                    rollout.start_time != absl::InfinitePast();
  size_t placed = 0;
  for (uint32_t wave = 0; wave < waves.size(); ++wave) {
    for (const core::PlannedHost& host : waves[wave].hosts) {
      const auto update = rollout.updates.find(host.host);
      const bool known = update != rollout.updates.end();
      if (over && !(known && core::HasEnded(update->second.state))) {
        return MisfitError("state", rollout.name, "updates that have ended");
      }
      if (known && update->second.wave == wave) ++placed;
    }
  }
  return placed == rollout.updates.size()
             ? absl::OkStatus()
             : MisfitError("update", rollout.name, "place in its plan");
}

absl::Status AddPlan(const std::string& key, absl::string_view value,
                     core::Fleet& fleet) {
  const auto rollout = fleet.rollouts.find(key);
  if (rollout == fleet.rollouts.end()) {
    return ErrorWithReason(
        absl::StatusCode::kDataLoss, "STORE_CORRUPT",
        absl::StrCat("stored plan of '", key, "' belongs to no rollout"));
  }
  ASSIGN_OR_RETURN(rollout->second.plan, DecodePlan(value));
  return absl::OkStatus();
}

absl::Status AddUpdate(const std::string& key, absl::string_view value,
                       core::Fleet& fleet) {
  const size_t at = absl::string_view(key).find(kUpdates);
  const auto rollout = fleet.rollouts.find(key.substr(0, at));
  if (at == std::string::npos || rollout == fleet.rollouts.end()) {
    return ErrorWithReason(
        absl::StatusCode::kDataLoss, "STORE_CORRUPT",
        absl::StrCat("stored update '", key, "' belongs to no rollout"));
  }
  const std::string host =
      absl::StrCat("hosts/", key.substr(at + kUpdates.size()));
  ASSIGN_OR_RETURN(rollout->second.updates[host], DecodeUpdate(value));
  return absl::OkStatus();
}

}  // namespace

absl::string_view Name(Table table) {
  switch (table) {
    case Table::kMeta:
      return "meta";
    case Table::kHosts:
      return "hosts";
    case Table::kDrivers:
      return "drivers";
    case Table::kRollouts:
      return "rollouts";
    case Table::kPlans:
      return "plans";
    case Table::kUpdates:
      return "updates";
    case Table::kRequests:
      return "requests";
    case Table::kHistory:
      return "history";
  }
  CHECK(false);
}

std::vector<Row> RowsOf(const core::Fleet& fleet,
                        const core::Changes& changes) {
  std::vector<Row> rows;
  rows.push_back({Table::kMeta, std::string(kMetaKey), EncodeMeta(fleet)});
  for (const std::string& key : changes.hosts) {
    AddChanged(Table::kHosts, fleet.hosts, key, rows);
  }
  for (const std::string& key : changes.drivers) {
    AddChanged(Table::kDrivers, fleet.drivers, key, rows);
  }
  for (const std::string& key : changes.rollouts) {
    AddChanged(Table::kRollouts, fleet.rollouts, key, rows);
  }
  for (const std::string& key : changes.plans) {
    Row row{Table::kPlans, key};
    const core::Rollout* rollout = core::FindRollout(fleet, key);
    if (rollout != nullptr && rollout->plan.has_value()) {
      row.value = Encode(*rollout->plan);
    }
    rows.push_back(std::move(row));
  }
  for (const auto& [rollout, host] : changes.updates) {
    Row row{Table::kUpdates, core::UpdateName(rollout, host)};
    const core::Update* update = core::FindUpdate(fleet, rollout, host);
    if (update != nullptr) row.value = Encode(*update);
    rows.push_back(std::move(row));
  }
  for (const std::string& key : changes.requests) {
    AddChanged(Table::kRequests, fleet.requests, key, rows);
  }
  for (const core::HistoryKey& key : changes.history) {
    Row row{Table::kHistory, KeyOf(key)};
    const auto found = fleet.history.find(key);
    if (found != fleet.history.end()) row.value = Encode(key, found->second);
    rows.push_back(std::move(row));
  }
  return rows;
}

KeyRange UpdateKeysOf(const std::string& rollout) {
  KeyRange keys{absl::StrCat(rollout, kUpdates)};
  keys.end = keys.begin;
  ++keys.end.back();
  return keys;
}

absl::Status AddRow(Table table, const std::string& key,
                    absl::string_view value, core::Fleet& fleet) {
  switch (table) {
    case Table::kMeta:
      return DecodeMeta(value, fleet);
    case Table::kHosts: {
      ASSIGN_OR_RETURN(fleet.hosts[key], DecodeHost(key, value));
      return absl::OkStatus();
    }
    case Table::kDrivers: {
      ASSIGN_OR_RETURN(fleet.drivers[key], DecodeDriver(key, value));
      return absl::OkStatus();
    }
    case Table::kRollouts: {
      ASSIGN_OR_RETURN(fleet.rollouts[key], DecodeRollout(key, value));
      return absl::OkStatus();
    }
    case Table::kPlans:
      return AddPlan(key, value, fleet);
    case Table::kUpdates:
      return AddUpdate(key, value, fleet);
    case Table::kRequests: {
      ASSIGN_OR_RETURN(fleet.requests[key], DecodeRequest(value));
      return absl::OkStatus();
    }
    case Table::kHistory:
      return DecodeHistory(value, fleet.history);
  }
  CHECK(false);
}

absl::Status FinishLoad(core::Fleet& fleet) {
  const bool empty =
      fleet.hosts.empty() && fleet.drivers.empty() && fleet.rollouts.empty();
  // Its numbers would begin anew.
  if (fleet.epoch == 0 && !empty) {
    return MisfitError("fleet", kMetaKey, "epoch");
  }
  for (const auto& [name, rollout] : fleet.rollouts) {
    RETURN_IF_ERROR(CheckFits(rollout));
  }
  for (const auto& [name, host] : fleet.hosts) {
    if (host.rollout.empty()) continue;
    const core::Update* update = core::FindUpdate(fleet, host.rollout, name);
    if (update == nullptr || update->state != core::UpdateState::kRunning) {
      return MisfitError("slot", name.view(), "update that runs");
    }
  }
  core::Reindex(fleet);
  return absl::OkStatus();
}

}  // namespace baton::store
