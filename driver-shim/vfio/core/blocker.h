#ifndef DRIVER_SHIM_VFIO_CORE_BLOCKER_H_
#define DRIVER_SHIM_VFIO_CORE_BLOCKER_H_

#include <string>

namespace baton::vfio::core {

// Why a host's module cannot be replaced now, and what would mend it.
struct Blocker {
  std::string reason = "";   // UPPER_SNAKE_CASE
  std::string message = "";  // names the machine or client; ends with the cure

  bool operator==(const Blocker&) const = default;
};

}  // namespace baton::vfio::core

#endif  // DRIVER_SHIM_VFIO_CORE_BLOCKER_H_
