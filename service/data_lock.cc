#include "service/data_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/reason.h"

namespace baton {
namespace {

absl::Status Unusable(const std::string& path, const std::string& why) {
  return ErrorWithReason(absl::StatusCode::kUnavailable, "DATA_DIR_UNUSABLE",
                         absl::StrCat("cannot use \"", path, "\": ", why));
}

}  // namespace

absl::StatusOr<std::unique_ptr<DataLock>> DataLock::Take(
    const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return Unusable(directory, error.message());
  const std::string path = directory + "/lock";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return Unusable(path, std::generic_category().message(errno));
  auto lock = std::unique_ptr<DataLock>(new DataLock(fd));
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) {
    return Unusable(path, std::generic_category().message(errno));
  }
  return ErrorWithReason(
      absl::StatusCode::kFailedPrecondition, "DATA_DIR_IN_USE",
      absl::StrCat("data directory \"", directory,
                   "\" is in use by another batond; stop it first, or name "
                   "another directory"));
}

DataLock::~DataLock() { ::close(fd_); }

}  // namespace baton
