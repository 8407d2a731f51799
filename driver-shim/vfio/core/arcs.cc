#include "driver-shim/vfio/core/arcs.h"

#include <cstdlib>

namespace baton::vfio::core {

std::optional<DeviceState> NextArc(DeviceState from, DeviceState to) {
  if (from == to || to == DeviceState::kError) return std::nullopt;
  switch (from) {
    case DeviceState::kError:
      return std::nullopt;
    case DeviceState::kStop:
      return to;
    case DeviceState::kRunning:
    case DeviceState::kStopCopy:
    case DeviceState::kResuming:
      return DeviceState::kStop;
  }
  std::abort();
}

absl::string_view Name(DeviceState state) {
  switch (state) {
    case DeviceState::kError:
      return "ERROR";
    case DeviceState::kStop:
      return "STOP";
    case DeviceState::kRunning:
      return "RUNNING";
    case DeviceState::kStopCopy:
      return "STOP_COPY";
    case DeviceState::kResuming:
      return "RESUMING";
  }
  return "unknown";  // a later kernel's
}

}  // namespace baton::vfio::core
