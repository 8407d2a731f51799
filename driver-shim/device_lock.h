#ifndef DRIVER_SHIM_DEVICE_LOCK_H_
#define DRIVER_SHIM_DEVICE_LOCK_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace baton::shim {

// Holds a device, so that no second shim drives it: one that starts resets
// every function, and with it whoever computes there. Or holds a state
// directory: one that starts ends every driver host that it finds there. The
// kernel lets go of it when the process ends, however that happens. Any thread.
class DeviceLock {
 public:
  // Takes the directory of a device, or of what a shim knows. Does not wait.
  //
  // Errors:
  //   FAILED_PRECONDITION  another shim holds it; DEVICE_IN_USE
  //   UNAVAILABLE          it is no directory that can be opened; DEVICE_GONE
  static absl::StatusOr<std::unique_ptr<DeviceLock>> Take(
      const std::string& directory);

  ~DeviceLock();
  DeviceLock(const DeviceLock&) = delete;
  DeviceLock& operator=(const DeviceLock&) = delete;

 private:
  explicit DeviceLock(int fd) : fd_(fd) {}

  const int fd_;
};

}  // namespace baton::shim

#endif  // DRIVER_SHIM_DEVICE_LOCK_H_
