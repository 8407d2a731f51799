#ifndef DRIVER_SHIM_PORT_DEVICE_H_
#define DRIVER_SHIM_PORT_DEVICE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/digest.h"

namespace baton::port {

// What a device says of itself, as PCI configuration space would.
struct DeviceIdentity {
  uint16_t vendor_id = 0;
  uint16_t device_id = 0;
  uint32_t revision = 0;
  std::string model = "";
  uint32_t functions_max = 0;  // virtual functions the board can have
  uint64_t vram_bytes = 0;     // of the whole board
};

// One base address register: `bytes` of the file at `path`, mapped shared.
struct Bar {
  std::string path = "";
  uint64_t bytes = 0;
};

// One enabled virtual function as the hardware shows it, without any driver.
struct FunctionState {
  uint32_t partition_id = 0;
  std::string guest = "";  // whoever it was assigned to; "" when nobody
  uint64_t vram_bytes = 0;
  uint64_t commands_submitted = 0;
  uint64_t commands_completed = 0;
  uint64_t fence_value = 0;  // the last one that the engine has written
  // Of every register that must not change while the engines are paused:
  // window, contexts, ring positions, fences, faults, mailbox.
  Digest128 registers = {};
  // The last stop and start of its engines, on the monotonic clock, stamped by
  // the hardware. A start before the stop means that the engines are paused.
  absl::Duration stopped_at = absl::ZeroDuration();
  absl::Duration started_at = absl::ZeroDuration();
};

// The GPU under the driver: what the host can do to it whatever the driver
// does. Each call blocks at most as long as its deadline says; one thread.
class Device {
 public:
  virtual ~Device() = default;

  virtual DeviceIdentity Identity() const = 0;

  // Names what the device remembers: another text once it was without power.
  virtual std::string Life() const = 0;
  virtual std::vector<Bar> Bars() const = 0;

  // Path of the interrupt line: a FIFO from which each byte read is one
  // interrupt, its value the message number.
  virtual std::string InterruptPath() const = 0;

  // Whether it is there: OK, or UNAVAILABLE, reason DEVICE_GONE.
  virtual absl::Status CheckAlive() const = 0;

  // Returns every enabled virtual function, ordered by partition id.
  //
  // Errors: UNAVAILABLE, reason DEVICE_GONE
  virtual absl::StatusOr<std::vector<FunctionState>> Functions() const = 0;

  // Records to whom the function belongs. `guest` is at most 47 bytes.
  virtual absl::Status Assign(uint32_t partition_id,
                              const std::string& guest) = 0;

  // Stops the engines of every enabled function between two commands, and
  // returns once each has said so. Idempotent.
  //
  // Errors:
  //   DEADLINE_EXCEEDED  an engine did not stop; reason ENGINE_STUCK, the
  //                      message names it; the others are started again
  //   UNAVAILABLE        the device is gone; reason DEVICE_GONE
  virtual absl::Status PauseEngines(absl::Duration timeout) = 0;

  // Starts them again. Idempotent. Errors as PauseEngines().
  virtual absl::Status ResumeEngines(absl::Duration timeout) = 0;
};

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_DEVICE_H_
