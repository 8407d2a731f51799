#include "driver-shim/vfio/memory_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/reason.h"

namespace baton::vfio {

absl::StatusOr<Fd> OpenMemory(const std::string& path) {
  // Others may put there what they like: nothing is waited for or followed.
  Fd memory(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!memory.ok() && errno != ELOOP) {
    return ErrorWithReason(
        absl::StatusCode::kUnavailable, "MEMORY_GONE",
        absl::StrCat("cannot open memory '", path,
                     "': ", std::generic_category().message(errno)));
  }
  struct stat info = {};
  if (memory.ok() && fstat(memory.get(), &info) == 0 && S_ISREG(info.st_mode)) {
    return memory;
  }
  return ErrorWithReason(
      absl::StatusCode::kFailedPrecondition, "MACHINE_MEMORY_NOT_A_FILE",
      absl::StrCat("memory '", path, "' is a link, or no file"));
}

absl::Status LockMemory(const Fd& memory, const std::string& path) {
  if (flock(memory.get(), LOCK_EX | LOCK_NB) == 0) return absl::OkStatus();
  return ErrorWithReason(
      absl::StatusCode::kFailedPrecondition, "MEMORY_IN_USE",
      absl::StrCat("memory '", path,
                   "' is locked by a QEMU that may run: never two on one"));
}

}  // namespace baton::vfio
