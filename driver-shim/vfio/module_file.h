#ifndef DRIVER_SHIM_VFIO_MODULE_FILE_H_
#define DRIVER_SHIM_VFIO_MODULE_FILE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace baton::vfio {

// What a kernel module's file says of itself.
struct ModuleFile {
  std::string name = "";
  std::string vermagic = "";  // e.g. "6.1.0-42-amd64 SMP preempt mod_unload "
  std::string build_id = "";  // hex; "" where it was linked without

  bool operator==(const ModuleFile&) const = default;
};

// Which file it is, and in which version: another one where it was written to.
// All 0 where there is none.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t bytes = 0;
  int64_t changed_ns = 0;  // since 1970

  bool operator==(const FileIdentity&) const = default;
};

FileIdentity IdentityOfFile(const std::string& path);

// Reads the ELF file at `path`: untrusted, at most 256 MiB. Blocks on the disk.
//
// Errors: INVALID_ARGUMENT, reason BAD_MODULE: it is no 64-bit module
//         NOT_FOUND, UNAVAILABLE: FILE_UNREADABLE
absl::StatusOr<ModuleFile> ReadModuleFile(const std::string& path);

// The same, of a file's bytes.
absl::StatusOr<ModuleFile> ParseModule(absl::string_view bytes);

// The build id in a note section or in /sys/module/NAME/notes; "": none.
std::string BuildIdIn(absl::string_view note);

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_MODULE_FILE_H_
