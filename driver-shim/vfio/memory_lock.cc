#include "driver-shim/vfio/memory_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "driver-shim/vfio/proc_files.h"

namespace baton::vfio {

absl::StatusOr<Fd> LockMemory(const std::string& path) {
  Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.ok()) {
    return ErrorWithReason(absl::StatusCode::kUnavailable, "MEMORY_GONE",
                           absl::StrCat("cannot open memory '", path,
                                        "': ", std::strerror(errno)));
  }
  if (flock(file.get(), LOCK_EX | LOCK_NB) == 0) return file;
  return ErrorWithReason(
      absl::StatusCode::kFailedPrecondition, "MEMORY_IN_USE",
      absl::StrCat("memory '", path,
                   "' is locked by a QEMU that may run: never two on one"));
}

bool HoldsMemory(int pid, const std::string& path) {
  const std::string process = absl::StrCat("/proc/", pid);
  const std::string real = ReadLink(path).empty() ? path : ReadLink(path);
  for (const std::string& fd : NamesIn(absl::StrCat(process, "/fd"))) {
    if (ReadLink(absl::StrCat(process, "/fd/", fd)) != real) continue;
    const auto info = ReadFile(absl::StrCat(process, "/fdinfo/", fd));
    if (absl::StrContains(info.value_or(""), "FLOCK")) return true;
  }
  return false;
}

}  // namespace baton::vfio
