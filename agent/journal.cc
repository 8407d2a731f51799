#include "agent/journal.h"

#include <sqlite3.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agent/record.h"
#include "base/fail_point.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace baton::agent {
namespace {

// FULL: a commit is on stable storage when it returns. EXCLUSIVE: a second
// agent on the same directory is refused.
constexpr char kSetUp[] =
    "PRAGMA locking_mode = EXCLUSIVE;"
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = FULL;"
    // Moving what was written into the file proper takes more syncs: that is
    // done between updates, not while guests may stand still.
    "PRAGMA wal_autocheckpoint = 0;"
    "CREATE TABLE IF NOT EXISTS agent_update ("
    "  id INTEGER PRIMARY KEY CHECK (id = 1),"
    "  record BLOB NOT NULL);"
    // Takes the lock now and not with the first order.
    "BEGIN IMMEDIATE; COMMIT;";
// What all writes of one update take at most: 20 of 100 KiB.
constexpr int kReservedBytes = 4 << 20;

// Has the log and the file grow once, and keep that. Both are then written over
// in place, which takes no room on file systems that do that (ext4, XFS).
constexpr char kReserve[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE room (bytes BLOB);"
    "INSERT INTO room VALUES (zeroblob(%d));"
    "DROP TABLE room;"
    "COMMIT;"
    "PRAGMA wal_checkpoint(RESTART);";
constexpr char kCheckpoint[] = "PRAGMA wal_checkpoint(RESTART)";
constexpr char kPut[] =
    "INSERT INTO agent_update (id, record) VALUES (1, ?1)"
    " ON CONFLICT (id) DO UPDATE SET record = excluded.record";
constexpr char kGet[] = "SELECT record FROM agent_update WHERE id = 1";

struct Finalize {
  void operator()(sqlite3_stmt* statement) const {
    sqlite3_finalize(statement);
  }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

Statement Prepare(sqlite3* db, const char* sql) {
  sqlite3_stmt* statement = nullptr;
  sqlite3_prepare_v2(db, sql, -1, &statement, nullptr);
  return Statement(statement);
}

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteJournal>> SqliteJournal::Open(
    const std::string& path) {
  sqlite3* db = nullptr;
  const int opened = sqlite3_open(path.c_str(), &db);
  std::unique_ptr<SqliteJournal> journal(new SqliteJournal(path, db));
  if (opened != SQLITE_OK) return journal->Error("cannot be opened");
  RETURN_IF_ERROR(journal->Execute(kSetUp));
  return journal;
}

SqliteJournal::~SqliteJournal() { sqlite3_close(db_); }

absl::Status SqliteJournal::Error(absl::string_view what) const {
  const int code = sqlite3_errcode(db_);
  const bool damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
  return ErrorWithReason(
      damaged ? absl::StatusCode::kDataLoss : absl::StatusCode::kUnavailable,
      damaged ? "JOURNAL_DAMAGED" : "JOURNAL_UNUSABLE",
      absl::StrCat("journal '", path_, "' ", what, ": ", sqlite3_errmsg(db_)));
}

absl::Status SqliteJournal::Execute(const std::string& sql) {
  if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) {
    return absl::OkStatus();
  }
  return Error("cannot be used");
}

absl::StatusOr<core::Update> SqliteJournal::Load() {
  const Statement get = Prepare(db_, kGet);
  if (get == nullptr) return Error("cannot be read");
  const int step = sqlite3_step(get.get());
  if (step == SQLITE_DONE) return core::Update();
  if (step != SQLITE_ROW) return Error("cannot be read");
  store::v1::AgentUpdate record;
  if (!record.ParseFromArray(sqlite3_column_blob(get.get(), 0),
                             sqlite3_column_bytes(get.get(), 0))) {
    return ErrorWithReason(
        absl::StatusCode::kDataLoss, "JOURNAL_DAMAGED",
        absl::StrCat("journal '", path_, "' holds a record of ",
                     sqlite3_column_bytes(get.get(), 0),
                     " bytes that does not parse"));
  }
  return UpdateOf(record);
}

absl::Status SqliteJournal::Put(const std::string& record) {
  const Statement put = Prepare(db_, kPut);
  if (put == nullptr) return Error("cannot be written");
  sqlite3_bind_blob(put.get(), 1, record.data(),
                    static_cast<int>(record.size()), SQLITE_STATIC);
  if (sqlite3_step(put.get()) == SQLITE_DONE) return absl::OkStatus();
  return Error("cannot be written");
}

absl::Status SqliteJournal::Reserve() {
  if (!broken_.ok()) return broken_;
  if (reserved_) return absl::OkStatus();
  absl::Status reserved = Execute(absl::StrFormat(kReserve, kReservedBytes));
  if (reserved.ok()) {
    reserved_ = true;
    return reserved;
  }
  if (sqlite3_extended_errcode(db_) == SQLITE_FULL) {
    // Nothing was written, and nothing is in doubt.
    (void)Execute("ROLLBACK");
    return ErrorWithReason(
        absl::StatusCode::kResourceExhausted, "DISK_FULL",
        absl::StrCat("journal '", path_, "' cannot have ", kReservedBytes,
                     " bytes to itself: the disk is full"));
  }
  broken_ = reserved;
  return broken_;
}

absl::Status SqliteJournal::Write(const core::Update& update) {
  if (!broken_.ok()) return broken_;
  FAIL_POINT("agent.before_journal");
  broken_ = Put(RecordOf(update).SerializeAsString());
  FAIL_POINT("agent.after_journal");
  // The update is durable; what fails here is found out by the next write.
  const bool rests = !core::Active(update);
  if (broken_.ok() && rests) (void)Execute(kCheckpoint);
  return broken_;
}

}  // namespace baton::agent
