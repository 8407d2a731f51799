#ifndef SERVICE_STORE_ROWS_H_
#define SERVICE_STORE_ROWS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "service/core/apply.h"
#include "service/core/fleet.h"

namespace baton::store {

// A fleet as rows of tables, the same in every store.

// In the order in which they are loaded: a plan and an update need their
// rollout.
enum class Table : uint8_t {
  kMeta,
  kHosts,
  kDrivers,
  kRollouts,
  kPlans,
  kUpdates,
  kRequests,
  kHistory
};
inline constexpr Table kTables[] = {
    Table::kMeta,  Table::kHosts,   Table::kDrivers,  Table::kRollouts,
    Table::kPlans, Table::kUpdates, Table::kRequests, Table::kHistory};

// Returns "hosts" and so on.
absl::string_view Name(Table table);

struct Row {
  Table table = Table::kMeta;
  std::string key = "";  // resource name; of a request, its id; of
                         // history, all that it is about
  std::optional<std::string> value = std::nullopt;  // nullopt: remove it
};

// Returns what a commit of `changes` writes, audit records aside. The fleet's
// own numbers are always among it.
std::vector<Row> RowsOf(const core::Fleet& fleet, const core::Changes& changes);

// Keys from `begin` on, up to and without `end`.
struct KeyRange {
  std::string begin = "";
  std::string end = "";
};

// Returns the keys of the updates of a rollout, and of their capsules. Of each
// one in changes.deleted they are removed before anything is written.
KeyRange UpdateKeysOf(const std::string& rollout);

// Puts a row that was read into `fleet`.
//
// Errors: DATA_LOSS (STORE_CORRUPT)
absl::Status AddRow(Table table, const std::string& key,
                    absl::string_view value, core::Fleet& fleet);

// Derives what is not stored, once all rows are in.
//
// Errors: DATA_LOSS (STORE_CORRUPT): rows do not fit together
absl::Status FinishLoad(core::Fleet& fleet);

}  // namespace baton::store

#endif  // SERVICE_STORE_ROWS_H_
