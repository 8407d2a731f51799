#ifndef SERVICE_CORE_DRIVER_H_
#define SERVICE_CORE_DRIVER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace baton::core {

// What a package says of itself; as baton.v1.DriverManifest.
struct DriverManifest {
  std::string driver = "";
  std::string version = "";
  std::string image = "";
  std::string image_digest = "";
  std::vector<std::string> pci_ids = {};
  uint32_t state_format_writes = 0;
  std::vector<uint32_t> state_format_reads = {};
  std::string guest_driver_min = "";  // empty: any guest driver will do
  std::string kernel_release = "";    // empty: it is no kernel's module

  bool operator==(const DriverManifest&) const = default;
};

// One version of a driver whose package is at rest in the depot.
struct Driver {
  std::string name = "";    // "drivers/{driver}/versions/{version}"
  std::string digest = "";  // "sha256:…" of the package
  uint64_t size_bytes = 0;
  DriverManifest manifest = {};
  absl::Time create_time = absl::InfinitePast();
  std::string author = "";
  uint64_t version = 0;  // the fleet's revision when it was stored

  bool operator==(const Driver&) const = default;
};

}  // namespace baton::core

#endif  // SERVICE_CORE_DRIVER_H_
