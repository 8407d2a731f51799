#ifndef SERVICE_DATA_LOCK_H_
#define SERVICE_DATA_LOCK_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace baton {

// Holds a data directory, so that no second process uses it. The kernel lets go
// of it when the process ends, however that happens. Any thread.
class DataLock {
 public:
  // Creates the directory unless it is there, and takes it. Does not wait.
  //
  // Errors:
  //   FAILED_PRECONDITION  another process holds it; DATA_DIR_IN_USE
  //   UNAVAILABLE          it cannot be created or opened; DATA_DIR_UNUSABLE
  static absl::StatusOr<std::unique_ptr<DataLock>> Take(
      const std::string& directory);

  ~DataLock();
  DataLock(const DataLock&) = delete;
  DataLock& operator=(const DataLock&) = delete;

 private:
  explicit DataLock(int fd) : fd_(fd) {}

  const int fd_;
};

}  // namespace baton

#endif  // SERVICE_DATA_LOCK_H_
