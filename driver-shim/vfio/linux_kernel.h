#ifndef DRIVER_SHIM_VFIO_LINUX_KERNEL_H_
#define DRIVER_SHIM_VFIO_LINUX_KERNEL_H_

#include <memory>

#include "driver-shim/vfio/kernel.h"

namespace baton::vfio {

// The kernel that runs. Needs root.
std::unique_ptr<Kernel> OpenKernel();

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_LINUX_KERNEL_H_
