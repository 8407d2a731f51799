#ifndef DRIVER_SHIM_PORT_KERNEL_EXPORTS_H_
#define DRIVER_SHIM_PORT_KERNEL_EXPORTS_H_

#include <optional>

#include "driver-shim/ddi/miniport.h"
#include "driver-shim/port/host_recorder.h"
#include "driver-shim/port/kernel_memory.h"

namespace baton::port {

// What is behind the functions of ddi/kernel.h, and DxgkInitialize, which an
// image calls without saying for whom: there is one driver in a process.
struct Kernel {
  KernelMemory* memory = nullptr;
  HostRecorder* recorder = nullptr;
  // What DxgkInitialize was given.
  std::optional<DRIVER_INITIALIZATION_DATA> driver = std::nullopt;
};

// The process's kernel. Set it up before an image is opened.
Kernel& TheKernel();

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_KERNEL_EXPORTS_H_
