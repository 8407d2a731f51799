#ifndef DRIVER_SHIM_SOFTGPU_EXECUTE_H_
#define DRIVER_SHIM_SOFTGPU_EXECUTE_H_

#include <cstdint>

#include "driver-shim/softgpu/registers.h"

namespace baton::softgpu {

// The part of the board that one function may touch.
struct Window {
  uint8_t* vram = nullptr;  // where the window starts
  uint64_t bytes = 0;
};

// Returns the fault that keeps `command` from being executed, or
// SOFTGPU_FAULT_NONE. The command must be a copy: its guest may change the
// original at any time.
uint32_t Check(const softgpu_command& command, const Window& window,
               const softgpu_context* contexts);

// Executes a command that Check() lets pass.
//
// `chain`  the hash chain of the command's context
// `fence`  the function's fence register
void Execute(const softgpu_command& command, const Window& window,
             uint64_t* chain, uint64_t* fence);

}  // namespace baton::softgpu

#endif  // DRIVER_SHIM_SOFTGPU_EXECUTE_H_
