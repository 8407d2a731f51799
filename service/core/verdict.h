#ifndef SERVICE_CORE_VERDICT_H_
#define SERVICE_CORE_VERDICT_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "service/core/fleet.h"

namespace baton::core {

// Whether a host can be hot updated to a driver now. Reasons: ADAPTER_FAULT is
// not one of them, since it makes the host unhealthy.
//
//   HOST_QUARANTINED         a person must look first
//   ALREADY_AT_VERSION       every adapter runs it
//   HELD_BY_ROLLOUT          another rollout has not finished with the host
//   HOST_OFFLINE             no agent is connected
//   HOST_UNHEALTHY           the agent or an adapter reports a fault
//   NO_ADAPTER               it has no GPU
//   HOST_CORDONED            somebody keeps rollouts away
//   DEVICE_NOT_SUPPORTED     the package is not for one of its GPUs
//   HOT_UPDATE_UNSUPPORTED   the driver that runs cannot be hot updated
//   KERNEL_NOT_SUPPORTED     the package's module is for another kernel
//   others                   what an adapter's shim says stands in the way, see
//                            docs/KVM.md
//   STATE_FORMAT_UNREADABLE  the package cannot read what the driver that runs
//                            saves; said only where the depot has that driver
//   NO_ROLLBACK_PATH         the driver that runs cannot read what the package
//                            saves, and a way back is required; said only where
//                            the depot has that driver
//   GUEST_UNKNOWN            a guest's driver has no version that is known, and
//                            the package asks for a least one
//   GUEST_TOO_OLD            a guest's driver is older than that
//   HOOK_UNKNOWN             the agent's configuration lacks a hook
struct Verdict {
  std::string reason = "";  // empty: it can
  std::string message = "";

  bool hot() const { return reason.empty(); }
  bool operator==(const Verdict&) const = default;
};

// Returns the first of the reasons above that is true of `host`.
//
// `driver`   that the host is to run
// `rollout`  who asks: what it holds itself does not count against it
Verdict VerdictOf(const Fleet& fleet, const Host& host, const Driver& driver,
                  const Rollout& rollout);

// Whether every driver that runs on `host` is known to read what the package
// saves, so that the host could go back once its engines ran.
bool HasWayBack(const Fleet& fleet, const Host& host,
                const DriverManifest& manifest);

// Whether the host's memory can hold `saved_bytes` of saved state and leave
// free what `require` asks for. Reasons:
//
//   MEMORY_UNKNOWN  the agent does not say how much there is
//   MEMORY_SHORT    it is not enough
Verdict MemoryVerdict(const Host& host, uint64_t saved_bytes,
                      const RequireSpec& require);

// Compares versions as people do, field by field: runs of digits by their
// number, all else by its bytes, e.g. "31.0.9" < "31.0.15". Returns less than,
// equal to or more than 0.
int CompareVersions(absl::string_view a, absl::string_view b);

// Whether `reason` may go away by itself or by an operator's word on the host,
// so that a host that was planned waits rather than being skipped.
bool IsPassing(const std::string& reason);

}  // namespace baton::core

#endif  // SERVICE_CORE_VERDICT_H_
