#ifndef SERVICE_STORE_SQLITE_STORE_H_
#define SERVICE_STORE_SQLITE_STORE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "service/runtime/ports.h"

namespace baton::store {

// The fleet in one SQLite file: one connection, write-ahead log, synchronous
// FULL, one transaction a commit. Records are blobs of baton.store.v1.

struct SqliteOptions {
  std::string path = "";  // of the database; its folder must exist
};

// Opens the store, and makes it if there is none. Blocks on the disk. A second
// process cannot open the same file.
//
// Errors:
//   UNAVAILABLE          the disk fails, or another process has it open; reason
//                        STORE_UNAVAILABLE
//   FAILED_PRECONDITION  a newer release wrote it; reason STORE_TOO_NEW
//   DATA_LOSS            it is not a store of ours; reason STORE_CORRUPT
absl::StatusOr<std::unique_ptr<runtime::Store>> OpenSqliteStore(
    const SqliteOptions& options);

}  // namespace baton::store

#endif  // SERVICE_STORE_SQLITE_STORE_H_
