#ifndef DRIVER_SHIM_VFIO_VFIO_DEVICE_H_
#define DRIVER_SHIM_VFIO_VFIO_DEVICE_H_

#include <memory>

#include "driver-shim/vfio/device.h"
#include "driver-shim/vfio/fd.h"

namespace baton::vfio {

// The real one, over a VFIO device descriptor (linux/vfio.h, migration v2).
std::unique_ptr<Device> OpenDevice(Fd fd);

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_VFIO_DEVICE_H_
