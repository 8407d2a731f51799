#include "driver-shim/device_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/reason.h"

namespace baton::shim {
namespace {

absl::Status GoneError(const std::string& directory) {
  return ErrorWithReason(absl::StatusCode::kUnavailable, "DEVICE_GONE",
                         absl::StrCat("cannot use device '", directory, "': ",
                                      std::generic_category().message(errno)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<DeviceLock>> DeviceLock::Take(
    const std::string& directory) {
  // The directory itself, so that nothing is left behind in it.
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return GoneError(directory);
  auto lock = std::unique_ptr<DeviceLock>(new DeviceLock(fd));
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return lock;
  if (errno != EWOULDBLOCK) return GoneError(directory);
  return ErrorWithReason(
      absl::StatusCode::kFailedPrecondition, "DEVICE_IN_USE",
      absl::StrCat("device '", directory,
                   "' is in use by another baton-shim; a second one would "
                   "take the vGPUs away from their guests"));
}

DeviceLock::~DeviceLock() { ::close(fd_); }

}  // namespace baton::shim
