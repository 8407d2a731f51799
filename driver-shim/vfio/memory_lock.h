#ifndef DRIVER_SHIM_VFIO_MEMORY_LOCK_H_
#define DRIVER_SHIM_VFIO_MEMORY_LOCK_H_

#include <string>

#include "absl/status/statusor.h"
#include "driver-shim/vfio/fd.h"

namespace baton::vfio {

// The right to run a machine on a memory file: a lock (flock) that lives as
// long as a descriptor of it does, in whichever process. The shim takes it,
// gives the descriptor to the QEMU that may run, and drops its own: the lock
// then ends with that QEMU, and with nothing else.

// Takes the lock of the file at `path`. Does not wait.
//
// Errors: FAILED_PRECONDITION, reason MEMORY_IN_USE: a QEMU that runs has it
//         UNAVAILABLE, reason MEMORY_GONE: the file cannot be opened
absl::StatusOr<Fd> LockMemory(const std::string& path);

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_MEMORY_LOCK_H_
