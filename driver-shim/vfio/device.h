#ifndef DRIVER_SHIM_VFIO_DEVICE_H_
#define DRIVER_SHIM_VFIO_DEVICE_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "driver-shim/vfio/core/arcs.h"
#include "driver-shim/vfio/fd.h"

namespace baton::vfio {

// One vGPU's device as VFIO shows it, through a descriptor of ours beside its
// holder's: it stays as it is when this object ends. Confined to one thread.
class Device {
 public:
  virtual ~Device() = default;

  // Whether its driver can save and restore while it is stopped
  // (VFIO_MIGRATION_STOP_COPY).
  virtual bool CanMigrate() = 0;

  // Errors: UNAVAILABLE, reason DEVICE_GONE
  virtual absl::StatusOr<core::DeviceState> State() = 0;

  // Takes one arc. Returns the descriptor of the stream where the new state has
  // one, else none. Blocks as long as the driver takes.
  //
  // Errors: FAILED_PRECONDITION, reason ARC_REFUSED: names the arc and the
  // errno
  virtual absl::StatusOr<Fd> Take(core::DeviceState next) = 0;

  // Makes it as new, and RUNNING.
  // Errors: UNAVAILABLE, reason DEVICE_GONE
  virtual absl::Status Reset() = 0;
};

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_DEVICE_H_
