#include "service/store/sqlite_store.h"

#include <sqlite3.h>

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/fail_point.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "service/store/codec.h"
#include "service/store/rows.h"

namespace baton::store {
namespace {

constexpr int kApplicationId = 0x4261746E;  // "Batn"
// 2: plans are records of their own; capsules; history.
constexpr int kSchemaVersion = 2;

// Capsules that one commit removes at most.
constexpr int kPrunedMax = 16;

constexpr char kMakeCapsules[] =
    "CREATE TABLE capsules(key TEXT PRIMARY KEY NOT NULL, "
    "expire_ns INTEGER NOT NULL, value BLOB NOT NULL);"
    "CREATE INDEX capsules_by_expiry ON capsules(expire_ns);";

struct CloseConnection {
  void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
};
using Connection = std::unique_ptr<sqlite3, CloseConnection>;

struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const {
    sqlite3_finalize(statement);
  }
};
using Statement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

absl::Status SqliteError(sqlite3* db, absl::string_view doing) {
  const int code = sqlite3_errcode(db) & 0xff;
  const bool lied = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
  return ErrorWithReason(
      lied ? absl::StatusCode::kDataLoss : absl::StatusCode::kUnavailable,
      lied ? "STORE_CORRUPT" : "STORE_UNAVAILABLE",
      absl::StrCat("store: ", doing, ": ", sqlite3_errmsg(db)));
}

absl::Status Execute(sqlite3* db, const std::string& sql) {
  if (sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) {
    return absl::OkStatus();
  }
  return SqliteError(db, sql);
}

absl::StatusOr<Statement> Prepare(sqlite3* db, const std::string& sql) {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v3(db, sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &raw,
                         nullptr) != SQLITE_OK) {
    return SqliteError(db, sql);
  }
  return Statement(raw);
}

absl::StatusOr<int> QueryNumber(sqlite3* db, const std::string& sql) {
  ASSIGN_OR_RETURN(const Statement statement, Prepare(db, sql));
  if (sqlite3_step(statement.get()) != SQLITE_ROW) return SqliteError(db, sql);
  return sqlite3_column_int(statement.get(), 0);
}

// The bytes are only looked at until the statement is stepped.
int BindBlob(sqlite3_stmt* statement, int index, absl::string_view bytes) {
  return sqlite3_bind_blob64(statement, index, bytes.data(), bytes.size(),
                             SQLITE_STATIC);
}

int BindText(sqlite3_stmt* statement, int index, absl::string_view text) {
  return sqlite3_bind_text64(statement, index, text.data(), text.size(),
                             SQLITE_STATIC, SQLITE_UTF8);
}

absl::string_view BlobOf(sqlite3_stmt* statement, int column) {
  const void* const bytes = sqlite3_column_blob(statement, column);
  const int size = sqlite3_column_bytes(statement, column);
  return {static_cast<const char*>(bytes), static_cast<size_t>(size)};
}

absl::Status MakeSchema(sqlite3* db) {
  std::string sql = absl::StrCat("PRAGMA application_id=", kApplicationId,
                                 ";PRAGMA user_version=", kSchemaVersion, ";");
  for (const Table table : kTables) {
    absl::StrAppend(&sql, "CREATE TABLE ", Name(table),
                    "(key TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL);");
  }
  absl::StrAppend(&sql,
                  "CREATE TABLE audit(sequence INTEGER PRIMARY KEY, "
                  "resource TEXT NOT NULL, value BLOB NOT NULL);"
                  "CREATE INDEX audit_by_resource ON audit(resource);",
                  kMakeCapsules);
  return Execute(db, absl::StrCat("BEGIN EXCLUSIVE;", sql, "COMMIT"));
}

absl::Status Step(sqlite3* db, sqlite3_stmt* statement) {
  const int stepped = sqlite3_step(statement);
  absl::Status status =
      stepped == SQLITE_DONE ? absl::OkStatus() : SqliteError(db, "write");
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  return status;
}

// Takes the plans out of the records of rollouts of schema 1, which had them.
absl::Status CopyPlans(sqlite3* db) {
  ASSIGN_OR_RETURN(const Statement select,
                   Prepare(db, "SELECT key, value FROM rollouts"));
  ASSIGN_OR_RETURN(const Statement put,
                   Prepare(db, "INSERT INTO plans VALUES(?1, ?2)"));
  int stepped = SQLITE_ROW;
  while ((stepped = sqlite3_step(select.get())) == SQLITE_ROW) {
    const std::string name(BlobOf(select.get(), 0));
    ASSIGN_OR_RETURN(const core::Rollout rollout,
                     DecodeRollout(name, BlobOf(select.get(), 1)));
    if (!rollout.plan.has_value()) continue;
    const std::string plan = Encode(*rollout.plan);
    BindText(put.get(), 1, name);
    BindBlob(put.get(), 2, plan);
    RETURN_IF_ERROR(Step(db, put.get()));
  }
  if (stepped == SQLITE_DONE) return absl::OkStatus();
  return SqliteError(db, "load rollouts");
}

// Brings a file of schema 1 to this one; all or nothing.
absl::Status Upgrade(sqlite3* db) {
  RETURN_IF_ERROR(Execute(
      db, absl::StrCat("BEGIN EXCLUSIVE;CREATE TABLE plans(key TEXT PRIMARY "
                       "KEY NOT NULL, value BLOB NOT NULL);"
                       "CREATE TABLE history(key TEXT PRIMARY KEY NOT NULL, "
                       "value BLOB NOT NULL);",
                       kMakeCapsules, "PRAGMA user_version=", kSchemaVersion)));
  absl::Status copied = CopyPlans(db);
  if (copied.ok()) return Execute(db, "COMMIT");
  (void)Execute(db, "ROLLBACK");
  return copied;
}

// Makes the schema of a new file, or checks that of an old one.
absl::Status CheckSchema(sqlite3* db, const std::string& path) {
  ASSIGN_OR_RETURN(const int tables,
                   QueryNumber(db, "SELECT count(*) FROM sqlite_schema"));
  if (tables == 0) return MakeSchema(db);
  ASSIGN_OR_RETURN(const int id, QueryNumber(db, "PRAGMA application_id"));
  if (id != kApplicationId) {
    return ErrorWithReason(
        absl::StatusCode::kDataLoss, "STORE_CORRUPT",
        absl::StrCat("store '", path, "' is another program's database"));
  }
  ASSIGN_OR_RETURN(const int version, QueryNumber(db, "PRAGMA user_version"));
  if (version == kSchemaVersion) return absl::OkStatus();
  if (version < kSchemaVersion) return Upgrade(db);
  return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "STORE_TOO_NEW",
                         absl::StrCat("store '", path, "' has schema ", version,
                                      ", this release knows ", kSchemaVersion));
}

absl::StatusOr<Connection> Connect(const std::string& path) {
  sqlite3* raw = nullptr;
  const int opened = sqlite3_open_v2(
      path.c_str(), &raw,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
      nullptr);
  Connection db(raw);
  if (opened != SQLITE_OK) {
    return SqliteError(db.get(), absl::StrCat("open '", path, "'"));
  }
  // Exclusive: the lock is kept from the first transaction on, so a second
  // process finds the file taken.
  RETURN_IF_ERROR(Execute(db.get(),
                          "PRAGMA locking_mode=EXCLUSIVE;"
                          "PRAGMA journal_mode=WAL;"
                          "PRAGMA synchronous=FULL;"
                          "BEGIN EXCLUSIVE;COMMIT"));
  RETURN_IF_ERROR(CheckSchema(db.get(), path));
  return db;
}

class SqliteStore final : public runtime::Store {
 public:
  explicit SqliteStore(Connection db) : db_(std::move(db)) {}

  absl::Status PrepareAll() {
    for (const Table table : kTables) {
      ASSIGN_OR_RETURN(
          puts_[table],
          Prepare(db_.get(), absl::StrCat("INSERT OR REPLACE INTO ",
                                          Name(table), " VALUES(?1, ?2)")));
      ASSIGN_OR_RETURN(
          removes_[table],
          Prepare(db_.get(),
                  absl::StrCat("DELETE FROM ", Name(table), " WHERE key=?1")));
    }
    ASSIGN_OR_RETURN(
        remove_updates_,
        Prepare(db_.get(), "DELETE FROM updates WHERE key >= ?1 AND key < ?2"));
    ASSIGN_OR_RETURN(
        remove_capsules_,
        Prepare(db_.get(),
                "DELETE FROM capsules WHERE key >= ?1 AND key < ?2"));
    ASSIGN_OR_RETURN(put_audit_,
                     Prepare(db_.get(), "INSERT INTO audit VALUES(?1,?2,?3)"));
    ASSIGN_OR_RETURN(
        put_capsule_,
        Prepare(db_.get(), "INSERT OR REPLACE INTO capsules VALUES(?1,?2,?3)"));
    ASSIGN_OR_RETURN(get_capsule_,
                     Prepare(db_.get(),
                             "SELECT value FROM capsules "
                             "WHERE key = ?1 AND expire_ns > ?2"));
    ASSIGN_OR_RETURN(
        prune_capsules_,
        Prepare(db_.get(),
                "DELETE FROM capsules WHERE key IN (SELECT key FROM capsules "
                "WHERE expire_ns <= ?1 LIMIT ?2)"));
    ASSIGN_OR_RETURN(scan_all_,
                     Prepare(db_.get(),
                             "SELECT sequence, value FROM audit "
                             "WHERE sequence > ?1 ORDER BY sequence LIMIT ?2"));
    ASSIGN_OR_RETURN(
        scan_resource_,
        Prepare(db_.get(),
                "SELECT sequence, value FROM audit WHERE resource = ?3 AND "
                "sequence > ?1 ORDER BY sequence LIMIT ?2"));
    return absl::OkStatus();
  }

  absl::StatusOr<core::Fleet> Load() override {
    core::Fleet fleet;
    for (const Table table : kTables) {
      RETURN_IF_ERROR(LoadTable(table, fleet));
    }
    RETURN_IF_ERROR(FinishLoad(fleet));
    return fleet;
  }

  absl::Status Commit(const core::Fleet& fleet,
                      const core::Changes& changes) override {
    if (!broken_.ok()) return broken_;
    broken_ = Write(fleet, changes);
    return broken_;
  }

  absl::StatusOr<std::optional<core::Capsule>> LoadCapsule(
      const std::string& update, absl::Time now) override {
    sqlite3_stmt* const get = get_capsule_.get();
    BindText(get, 1, update);
    sqlite3_bind_int64(get, 2, absl::ToUnixNanos(now));
    const int stepped = sqlite3_step(get);
    absl::StatusOr<std::optional<core::Capsule>> found = std::nullopt;
    if (stepped == SQLITE_ROW) {
      absl::StatusOr<core::Capsule> capsule = DecodeCapsule(BlobOf(get, 0));
      if (capsule.ok()) {
        found = *std::move(capsule);
      } else {
        found = capsule.status();
      }
    } else if (stepped != SQLITE_DONE) {
      found = SqliteError(db_.get(), "load capsule");
    }
    sqlite3_reset(get);
    sqlite3_clear_bindings(get);
    return found;
  }

  absl::StatusOr<std::vector<core::AuditRecord>> ScanAudit(
      const runtime::AuditQuery& query) override {
    sqlite3_stmt* const scan =
        query.resource.empty() ? scan_all_.get() : scan_resource_.get();
    std::vector<core::AuditRecord> records;
    sqlite3_reset(scan);
    sqlite3_bind_int64(scan, 1, static_cast<int64_t>(query.after_sequence));
    sqlite3_bind_int64(scan, 2, static_cast<int64_t>(query.limit));
    if (!query.resource.empty()) BindText(scan, 3, query.resource);
    int stepped = SQLITE_ROW;
    while ((stepped = sqlite3_step(scan)) == SQLITE_ROW) {
      const auto sequence =
          static_cast<uint64_t>(sqlite3_column_int64(scan, 0));
      absl::StatusOr<core::AuditRecord> record =
          DecodeAudit(sequence, BlobOf(scan, 1));
      if (!record.ok()) {
        sqlite3_reset(scan);
        return record.status();
      }
      records.push_back(*std::move(record));
    }
    sqlite3_reset(scan);
    if (stepped != SQLITE_DONE) return SqliteError(db_.get(), "scan audit");
    return records;
  }

 private:
  absl::Status LoadTable(Table table, core::Fleet& fleet) {
    ASSIGN_OR_RETURN(const Statement select,
                     Prepare(db_.get(), absl::StrCat("SELECT key, value FROM ",
                                                     Name(table))));
    int stepped = SQLITE_ROW;
    while ((stepped = sqlite3_step(select.get())) == SQLITE_ROW) {
      const std::string key(BlobOf(select.get(), 0));
      RETURN_IF_ERROR(AddRow(table, key, BlobOf(select.get(), 1), fleet));
    }
    if (stepped == SQLITE_DONE) return absl::OkStatus();
    return SqliteError(db_.get(), absl::StrCat("load ", Name(table)));
  }

  // After an error the transaction is given up: what the file then holds is
  // for the next process to find out.
  absl::Status Write(const core::Fleet& fleet, const core::Changes& changes) {
    RETURN_IF_ERROR(Execute(db_.get(), "BEGIN IMMEDIATE"));
    absl::Status written = WriteAll(fleet, changes);
    FAIL_POINT("service.before_commit");
    if (written.ok()) written = Execute(db_.get(), "COMMIT");
    FAIL_POINT("service.after_commit");
    if (!written.ok()) (void)Execute(db_.get(), "ROLLBACK");
    return written;
  }

  absl::Status WriteAll(const core::Fleet& fleet,
                        const core::Changes& changes) {
    for (const std::string& rollout : changes.deleted) {
      const KeyRange keys = UpdateKeysOf(rollout);
      for (sqlite3_stmt* const remove :
           {remove_updates_.get(), remove_capsules_.get()}) {
        BindText(remove, 1, keys.begin);
        BindText(remove, 2, keys.end);
        RETURN_IF_ERROR(Step(db_.get(), remove));
      }
    }
    for (const Row& row : RowsOf(fleet, changes)) {
      sqlite3_stmt* const statement = row.value.has_value()
                                          ? puts_[row.table].get()
                                          : removes_[row.table].get();
      BindText(statement, 1, row.key);
      if (row.value.has_value()) BindBlob(statement, 2, *row.value);
      RETURN_IF_ERROR(Step(db_.get(), statement));
    }
    for (const core::AuditRecord& record : changes.audit) {
      const std::string value = Encode(record);
      sqlite3_stmt* const statement = put_audit_.get();
      sqlite3_bind_int64(statement, 1, static_cast<int64_t>(record.sequence));
      BindText(statement, 2, record.resource);
      BindBlob(statement, 3, value);
      RETURN_IF_ERROR(Step(db_.get(), statement));
    }
    for (const auto& [name, capsule] : changes.capsules) {
      const std::string value = Encode(capsule);
      sqlite3_stmt* const statement = put_capsule_.get();
      BindText(statement, 1, name);
      sqlite3_bind_int64(statement, 2, absl::ToUnixNanos(capsule.expire_time));
      BindBlob(statement, 3, value);
      RETURN_IF_ERROR(Step(db_.get(), statement));
    }
    sqlite3_bind_int64(prune_capsules_.get(), 1, absl::ToUnixNanos(fleet.now));
    sqlite3_bind_int(prune_capsules_.get(), 2, kPrunedMax);
    return Step(db_.get(), prune_capsules_.get());
  }

  // Before the statements, so that it is closed after them.
  const Connection db_;
  std::map<Table, Statement> puts_;
  std::map<Table, Statement> removes_;
  Statement remove_updates_;   // a range of keys
  Statement remove_capsules_;  // the same
  Statement put_audit_;
  Statement put_capsule_;
  Statement get_capsule_;
  Statement prune_capsules_;
  Statement scan_all_;
  Statement scan_resource_;
  absl::Status broken_;  // what the first failed commit said
};

}  // namespace

absl::StatusOr<std::unique_ptr<runtime::Store>> OpenSqliteStore(
    const SqliteOptions& options) {
  ASSIGN_OR_RETURN(Connection db, Connect(options.path));
  auto store = std::make_unique<SqliteStore>(std::move(db));
  RETURN_IF_ERROR(store->PrepareAll());
  return std::unique_ptr<runtime::Store>(std::move(store));
}

}  // namespace baton::store
