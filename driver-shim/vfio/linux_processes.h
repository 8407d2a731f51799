#ifndef DRIVER_SHIM_VFIO_LINUX_PROCESSES_H_
#define DRIVER_SHIM_VFIO_LINUX_PROCESSES_H_

#include <memory>

#include "driver-shim/vfio/processes.h"

namespace baton::vfio {

// This machine's processes.
std::unique_ptr<Processes> OpenProcesses();

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_LINUX_PROCESSES_H_
