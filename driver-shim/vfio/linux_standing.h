#ifndef DRIVER_SHIM_VFIO_LINUX_STANDING_H_
#define DRIVER_SHIM_VFIO_LINUX_STANDING_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "driver-shim/vfio/core/standing.h"

namespace baton::vfio {

// What /proc says of a process; nothing where it has ended.
std::optional<core::ProcessFacts> FactsOf(int pid);

// How a child of ours comes to stand as another process does. Made before the
// fork, for a child may not allocate. Only what differs from our own standing
// is touched, so that whoever may change nothing can start what is as it is.
class Becoming {
 public:
  Becoming() = default;  // as we are
  Becoming(const core::Standing& wanted, const core::Standing& own);

  // All in the child. Return what was refused, and leave errno; null: all was
  // done. `without_places`: of control groups and processors, what can be had.
  const char* Take(bool without_places) const;
  // No more than decides which files it may use: a control group, too, may keep
  // devices from it.
  const char* TakeCgroups() const;
  const char* TakeUser() const;

 private:
  const char* TakeLimits() const;
  const char* TakeProcessors() const;
  const char* TakeCapabilities() const;

  core::Standing wanted_;
  core::Standing own_;
  core::Capabilities capabilities_;   // to begin with
  std::vector<std::string> cgroups_;  // files to write ourselves into
  bool same_ = true;
};

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_LINUX_STANDING_H_
