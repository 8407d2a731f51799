#ifndef AGENT_JOURNAL_H_
#define AGENT_JOURNAL_H_

#include <memory>
#include <string>

#include "agent/ports.h"

struct sqlite3;

namespace baton::agent {

// The journal in a SQLite file: WAL, synchronous FULL, one row, one connection,
// and a lock that keeps a second agent away from the same directory. Confined
// to one thread.
//
// What is written when, and why that is enough: ADR 0023.
class SqliteJournal final : public Journal {
 public:
  // Opens the journal at `path`, or makes it; its directory exists.
  //
  // Errors:
  //   UNAVAILABLE  JOURNAL_UNUSABLE: the disk refuses, or another agent has it
  //   DATA_LOSS    JOURNAL_DAMAGED: it is not what an agent wrote
  static absl::StatusOr<std::unique_ptr<SqliteJournal>> Open(
      const std::string& path);
  ~SqliteJournal() override;
  SqliteJournal(const SqliteJournal&) = delete;
  SqliteJournal& operator=(const SqliteJournal&) = delete;

  // Errors: as Open(). After a failed Write() all later ones fail too: what a
  // failed sync left on the disk cannot be known.
  absl::StatusOr<core::Update> Load() override;
  absl::Status Reserve() override;
  absl::Status Write(const core::Update& update) override;

 private:
  SqliteJournal(std::string path, sqlite3* db)
      : path_(std::move(path)), db_(db) {}
  absl::Status Error(absl::string_view what) const;
  absl::Status Execute(const std::string& sql);
  absl::Status Put(const std::string& record);

  const std::string path_;
  sqlite3* const db_;
  bool reserved_ = false;
  absl::Status broken_ = absl::OkStatus();
};

}  // namespace baton::agent

#endif  // AGENT_JOURNAL_H_
