#ifndef DRIVER_SHIM_VFIO_MEMORY_LOCK_H_
#define DRIVER_SHIM_VFIO_MEMORY_LOCK_H_

#include <string>

#include "absl/status/statusor.h"
#include "driver-shim/vfio/fd.h"

namespace baton::vfio {

// The right to run a machine on a memory file: a lock (flock) that lives as
// long as a descriptor of it does, in whichever process. The shim gives one to
// the QEMU that may run, takes the lock, and drops its own: the lock then ends
// with that QEMU, and with nothing else.

// Opens the file at `path` as the lock wants it.
//
// Errors: UNAVAILABLE, reason MEMORY_GONE;
//         FAILED_PRECONDITION, reason MACHINE_MEMORY_NOT_A_FILE: also a link
absl::StatusOr<Fd> OpenMemory(const std::string& path);

// Takes the lock for all who have `memory`, which is open on `path`. Does not
// wait.
//
// Errors: FAILED_PRECONDITION, reason MEMORY_IN_USE: a QEMU that runs has it
absl::Status LockMemory(const Fd& memory, const std::string& path);

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_MEMORY_LOCK_H_
