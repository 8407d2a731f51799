#include "service/store/memory_store.h"

#include <optional>
#include <utility>
#include <vector>

#include "base/reason.h"
#include "base/status_macros.h"
#include "service/store/codec.h"

namespace baton::store {
namespace {

template <typename Records>
void EraseRange(const KeyRange& keys, Records& records) {
  records.erase(records.lower_bound(keys.begin), records.lower_bound(keys.end));
}

class MemoryStore final : public runtime::Store {
 public:
  explicit MemoryStore(MemoryDisk& disk) : disk_(disk) {}

  absl::StatusOr<core::Fleet> Load() override {
    core::Fleet fleet;
    for (const Table table : kTables) {
      for (const auto& [key, value] : disk_.tables[table]) {
        RETURN_IF_ERROR(AddRow(table, key, value, fleet));
      }
    }
    RETURN_IF_ERROR(FinishLoad(fleet));
    return fleet;
  }

  absl::Status Commit(const core::Fleet& fleet,
                      const core::Changes& changes) override {
    if (disk_.commits_until_failure == 0) broken_ = true;
    if (broken_) {
      return ErrorWithReason(absl::StatusCode::kUnavailable,
                             "STORE_UNAVAILABLE", "the disk fails");
    }
    if (disk_.commits_until_failure > 0) --disk_.commits_until_failure;
    for (const std::string& rollout : changes.deleted) {
      const KeyRange keys = UpdateKeysOf(rollout);
      EraseRange(keys, disk_.tables[Table::kUpdates]);
      EraseRange(keys, disk_.capsules);
    }
    for (Row& row : RowsOf(fleet, changes)) {
      std::map<std::string, std::string>& table = disk_.tables[row.table];
      if (row.value.has_value()) {
        table[row.key] = *std::move(row.value);
      } else {
        table.erase(row.key);
      }
    }
    for (const core::AuditRecord& record : changes.audit) {
      disk_.audit[record.sequence] = Encode(record);
    }
    for (const auto& [name, capsule] : changes.capsules) {
      disk_.capsules[name] = {capsule.expire_time, Encode(capsule)};
    }
    std::erase_if(disk_.capsules, [&](const auto& capsule) {
      return capsule.second.first <= fleet.now;
    });
    return absl::OkStatus();
  }

  absl::StatusOr<std::optional<core::Capsule>> LoadCapsule(
      const std::string& update, absl::Time now) override {
    const auto found = disk_.capsules.find(update);
    if (found == disk_.capsules.end()) return std::nullopt;
    const auto& [expire_time, bytes] = found->second;
    if (expire_time <= now) return std::nullopt;
    ASSIGN_OR_RETURN(core::Capsule capsule, DecodeCapsule(bytes));
    return capsule;
  }

  absl::StatusOr<std::vector<core::AuditRecord>> ScanAudit(
      const runtime::AuditQuery& query) override {
    std::vector<core::AuditRecord> records;
    auto next = disk_.audit.upper_bound(query.after_sequence);
    for (; next != disk_.audit.end() && records.size() < query.limit; ++next) {
      ASSIGN_OR_RETURN(core::AuditRecord record,
                       DecodeAudit(next->first, next->second));
      if (!query.resource.empty() && record.resource != query.resource) {
        continue;
      }
      records.push_back(std::move(record));
    }
    return records;
  }

 private:
  MemoryDisk& disk_;
  bool broken_ = false;
};

}  // namespace

std::unique_ptr<runtime::Store> OpenMemoryStore(MemoryDisk& disk) {
  return std::make_unique<MemoryStore>(disk);
}

}  // namespace baton::store
