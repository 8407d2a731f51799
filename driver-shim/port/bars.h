#ifndef DRIVER_SHIM_PORT_BARS_H_
#define DRIVER_SHIM_PORT_BARS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "driver-shim/ddi/resources.h"
#include "driver-shim/port/device.h"

namespace baton::port {

// The device's base address registers as a driver gets to see them: where they
// are in the physical address space, and mapped. They are mapped before the
// driver needs them, and stay so. Confined to the driver host's main thread.
class Bars {
 public:
  // The register that is VRAM; see ddi/resources.h.
  static constexpr size_t kVram = 1;

  Bars() = default;
  ~Bars();
  Bars(const Bars&) = delete;
  Bars& operator=(const Bars&) = delete;

  // Opens and maps them all.
  //
  // Errors: UNAVAILABLE, reason DEVICE_GONE
  absl::Status Open(const std::vector<Bar>& bars);

  // Returns the list that a driver is told of; valid as long as this object.
  CM_RESOURCE_LIST* resources() {
    return reinterpret_cast<CM_RESOURCE_LIST*>(resources_.data());
  }

  // Returns where the range is mapped, or null when it is no register's.
  void* Map(uint64_t physical_address, uint64_t bytes) const;
  // Whether `address` is what Map() could have returned.
  bool IsMapped(const void* address) const;

  // Makes VRAM read-only, so that a write to it faults; or writable again.
  void LockVram();
  void UnlockVram();
  bool IsVram(uint64_t address) const;

 private:
  struct Mapped {
    std::byte* data = nullptr;
    uint64_t bytes = 0;
    uint64_t physical_address = 0;
  };

  void Describe();

  std::vector<Mapped> bars_;
  std::vector<uint64_t> resources_;  // a CM_RESOURCE_LIST, aligned
};

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_BARS_H_
