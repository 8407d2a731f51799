#ifndef DRIVER_SHIM_PORT_CENSUS_H_
#define DRIVER_SHIM_PORT_CENSUS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "driver-shim/port/adapter_port.h"
#include "driver-shim/port/device.h"
#include "driver-shim/port/host_protocol.h"

// Who is there, by identity. Pure.

namespace baton::port {

// Joins what the device and what the driver say of each virtual GPU, ordered by
// partition id.
//
// Errors: DATA_LOSS  they do not speak of the same vGPUs; reason VGPU_MISSING,
//                    the message names them with their owners
absl::StatusOr<std::vector<CensusEntry>> TakeCensus(
    const std::vector<FunctionState>& functions,
    const std::vector<CensusAnswer>& answers);

// As TakeCensus(), leaving out whoever only one of them knows: for a comparison
// with a census in which everybody was there.
std::vector<CensusEntry> TakeJointCensus(
    const std::vector<FunctionState>& functions,
    const std::vector<CensusAnswer>& answers);

// Returns for each vGPU of `before` whether it is there and as it was, and if
// not, what differs.
std::vector<VirtualGpuResult> Compare(const std::vector<CensusEntry>& before,
                                      const std::vector<CensusEntry>& after);

// As Compare(), by identity alone: for after the engines ran, when registers,
// fences and the driver's state have rightly moved on.
std::vector<VirtualGpuResult> CompareIdentity(std::vector<CensusEntry> before,
                                              std::vector<CensusEntry> after);

// Returns the verdict on a comparison.
//
// Errors: DATA_LOSS  one is gone, reason VGPU_MISSING; or one is not as it was,
//                    reason VGPU_CHANGED. The message names each.
absl::Status Judge(const std::vector<VirtualGpuResult>& results,
                   const std::vector<CensusEntry>& after);

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_CENSUS_H_
