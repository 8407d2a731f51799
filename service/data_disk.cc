#include "service/data_disk.h"

#include <sys/statvfs.h>

#include <cerrno>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/reason.h"

namespace baton {

absl::StatusOr<uint64_t> DataDisk::FreeBytes() const {
  struct statvfs disk = {};
  if (::statvfs(directory_.c_str(), &disk) != 0) {
    return ErrorWithReason(
        absl::StatusCode::kUnavailable, "DATA_DIR_UNUSABLE",
        absl::StrCat("cannot measure the disk of \"", directory_,
                     "\": ", std::generic_category().message(errno)));
  }
  return uint64_t{disk.f_bavail} * disk.f_frsize;
}

}  // namespace baton
