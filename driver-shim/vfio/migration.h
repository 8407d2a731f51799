#ifndef DRIVER_SHIM_VFIO_MIGRATION_H_
#define DRIVER_SHIM_VFIO_MIGRATION_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "driver-shim/vfio/budget.h"
#include "driver-shim/vfio/device.h"
#include "driver-shim/vfio/stream.h"

// A vGPU's state out of one driver and into another, by VFIO's states.

namespace baton::vfio {

// Takes arc after arc until the device is in `state`.
// Errors: ARC_REFUSED, DEVICE_GONE
absl::Status BringTo(core::DeviceState state, Device& device);

// Saves the stopped device into a file. Whatever happens, it ends stopped, if
// its driver lets it. Errors: as BringTo() and KeepStream()
absl::StatusOr<Stream> SaveDevice(Device& device, const std::string& path,
                                  const Budget& budget);

// Saves the stopped device once more, without keeping what comes.
absl::StatusOr<Stream> ReadBack(Device& device, const Budget& budget);

// Gives a device that nobody uses its state: it ends stopped, and its driver
// has taken the stream. What an earlier try left in it is reset first.
//
// Errors: as BringTo(), CheckStream(), PourStream(); STREAM_REFUSED also where
//         the driver refuses once all was written
absl::Status RestoreDevice(const Stream& stream, Device& device,
                           const Budget& budget);

// Has the driver of a device into which all was written say whether it takes
// it: the arc from RESUMING to STOP, on which a late refusal comes.
//
// Errors: FAILED_PRECONDITION, reason STREAM_REFUSED
absl::Status SettleDevice(Device& device);

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_MIGRATION_H_
