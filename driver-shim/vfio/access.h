#ifndef DRIVER_SHIM_VFIO_ACCESS_H_
#define DRIVER_SHIM_VFIO_ACCESS_H_

#include <optional>
#include <string>

#include "driver-shim/vfio/kernel.h"

namespace baton::vfio {

// Who may use the file at `path`; nothing where there is none.
std::optional<Access> AccessOf(const std::string& path);

// Lets those use it, and nobody else. Returns an errno; 0: it is so.
int GrantAccess(const std::string& path, const Access& access);

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_ACCESS_H_
