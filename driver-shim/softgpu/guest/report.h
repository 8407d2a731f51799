#ifndef DRIVER_SHIM_SOFTGPU_GUEST_REPORT_H_
#define DRIVER_SHIM_SOFTGPU_GUEST_REPORT_H_

#include <cstdint>
#include <string>

namespace baton::softgpu {

// What a tenant has seen. All counts are of commands unless they say otherwise.
struct Report {
  std::string name = "";
  uint32_t function = 0;
  uint64_t commands = 0;        // submitted
  uint64_t lost = 0;            // never executed
  uint64_t duplicated = 0;      // executions beyond the first
  uint64_t reordered = 0;       // executed before or after their turn
  uint64_t wrong = 0;           // another result than the CPU's
  uint64_t faults = 0;          // refused by the device
  uint64_t mailbox_errors = 0;  // answers that are not what they must be
  uint64_t mailbox_requests = 0;
  uint64_t stalls = 0;  // waits longer than the threshold
  double longest_gap_ms = 0;

  // Whether nothing was lost or wrong. A stall is neither.
  bool Clean() const {
    return lost == 0 && duplicated == 0 && reordered == 0 && wrong == 0 &&
           faults == 0 && mailbox_errors == 0;
  }

  // One line of JSON, without a newline. `name` must need no escape.
  std::string ToJson() const;
};

}  // namespace baton::softgpu

#endif  // DRIVER_SHIM_SOFTGPU_GUEST_REPORT_H_
