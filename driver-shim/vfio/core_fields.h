#ifndef DRIVER_SHIM_VFIO_CORE_FIELDS_H_
#define DRIVER_SHIM_VFIO_CORE_FIELDS_H_

#include "driver-shim/port/record_codec.h"
#include "driver-shim/vfio/core/blocker.h"
#include "driver-shim/vfio/core/standing.h"

// What another life of the shim is told of these, see record_codec.h.

namespace baton::vfio::core {

template <typename Archive, port::Of<Blocker> T>
void Fields(Archive& archive, T& blocker) {
  archive(blocker.reason, blocker.message);
}

template <typename Archive, port::Of<Limit> T>
void Fields(Archive& archive, T& limit) {
  archive(limit.soft, limit.hard);
}

template <typename Archive, port::Of<Capabilities> T>
void Fields(Archive& archive, T& capabilities) {
  archive(capabilities.inheritable, capabilities.permitted,
          capabilities.effective, capabilities.bounding, capabilities.ambient);
}

template <typename Archive, port::Of<Standing> T>
void Fields(Archive& archive, T& standing) {
  archive(standing.user, standing.group, standing.groups, standing.capabilities,
          standing.no_new_privileges, standing.umask, standing.limits,
          standing.cgroups, standing.processors, standing.policy,
          standing.priority);
}

}  // namespace baton::vfio::core

#endif  // DRIVER_SHIM_VFIO_CORE_FIELDS_H_
