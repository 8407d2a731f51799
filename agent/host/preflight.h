#ifndef AGENT_HOST_PREFLIGHT_H_
#define AGENT_HOST_PREFLIGHT_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "agent/ports.h"

namespace baton::agent {

// What is checked before anything is touched. Each error is final for the
// attempt: FAILED_PRECONDITION with a reason, unless said otherwise.

// The adapter runs a driver that can be hot updated, and no other update holds
// it: NO_DRIVER, ADAPTER_BUSY, NOT_HOT_UPDATE_CAPABLE (DDI.md R12).
absl::Status CheckAdapter(const Sight& sight, uint64_t attempt);

// The package and what is in it fit on the disk: RESOURCE_EXHAUSTED
// (DISK_FULL).
absl::Status CheckSpace(uint64_t package_bytes, uint64_t free_bytes);

// What goes back in if it must is on disk and what it claims to be
// (INVARIANTS S6): OLD_IMAGE_UNREADABLE, OLD_IMAGE_CHANGED. Reads the file.
absl::Status CheckWayBack(const core::Image& image);

// The package is for this device: WRONG_DEVICE.
absl::Status CheckPackage(const v1::Adapter& adapter,
                          const StagedPackage& next);

// Each driver reads what the other writes: STATE_FORMAT_UNREADABLE (forward),
// STATE_FORMAT_NO_WAY_BACK. The formats of the driver that is `loaded` are
// known when `current` is its package; else nothing is said.
absl::Status CheckFormats(const core::Image& loaded,
                          const std::optional<StagedPackage>& current,
                          const StagedPackage& next);

}  // namespace baton::agent

#endif  // AGENT_HOST_PREFLIGHT_H_
