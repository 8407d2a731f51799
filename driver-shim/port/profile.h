#ifndef DRIVER_SHIM_PORT_PROFILE_H_
#define DRIVER_SHIM_PORT_PROFILE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "driver-shim/ddi/gpu_partition.h"

namespace baton::port {

// Profiles are named as vendors do, by model and VRAM: "S1-64" has 64 MiB.

// Returns the VRAM of the profile, in bytes.
//
// Errors: INVALID_ARGUMENT, reason BAD_PROFILE
absl::StatusOr<uint64_t> VramOf(const std::string& profile);

// Returns the name of the profile that a virtual GPU was created with.
std::string ProfileName(const DXGK_VIRTUALGPUPROFILE& profile);

// Returns what a driver is told of the profile with that much VRAM.
DXGK_VIRTUALGPUPROFILE ProfileOf(uint64_t vram_bytes);

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_PROFILE_H_
