#include "driver-shim/vfio/memory_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/reason.h"

namespace baton::vfio {

absl::StatusOr<Fd> OpenMemory(const std::string& path) {
  Fd memory(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (memory.ok()) return memory;
  return ErrorWithReason(absl::StatusCode::kUnavailable, "MEMORY_GONE",
                         absl::StrCat("cannot open memory '", path, "': ",
                                      std::generic_category().message(errno)));
}

absl::Status LockMemory(const Fd& memory, const std::string& path) {
  if (flock(memory.get(), LOCK_EX | LOCK_NB) == 0) return absl::OkStatus();
  return ErrorWithReason(
      absl::StatusCode::kFailedPrecondition, "MEMORY_IN_USE",
      absl::StrCat("memory '", path,
                   "' is locked by a QEMU that may run: never two on one"));
}

}  // namespace baton::vfio
