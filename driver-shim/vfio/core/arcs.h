#ifndef DRIVER_SHIM_VFIO_CORE_ARCS_H_
#define DRIVER_SHIM_VFIO_CORE_ARCS_H_

#include <array>
#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace baton::vfio::core {

// The states of VFIO migration that an update passes through, with the numbers
// of enum vfio_device_mig_state (linux/vfio.h).
enum class DeviceState : uint32_t {
  kError = 0,     // only a reset leads out
  kStop = 1,      // the device neither runs nor changes its state by itself
  kRunning = 2,   // as it is outside updates
  kStopCopy = 3,  // stopped, and its state can be read
  kResuming = 4,  // stopped, and its state can be written
};

inline constexpr std::array kDeviceStates = {
    DeviceState::kError, DeviceState::kStop, DeviceState::kRunning,
    DeviceState::kStopCopy, DeviceState::kResuming};

// The state to ask for next on the way from `from` to `to`, one arc of the
// kernel's table at a time, so that a refusal names the arc that was refused.
// Nothing: it is there, or no arc leads out of kError or into it.
std::optional<DeviceState> NextArc(DeviceState from, DeviceState to);

absl::string_view Name(DeviceState state);  // e.g. "STOP_COPY"

}  // namespace baton::vfio::core

#endif  // DRIVER_SHIM_VFIO_CORE_ARCS_H_
