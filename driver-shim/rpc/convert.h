#ifndef DRIVER_SHIM_RPC_CONVERT_H_
#define DRIVER_SHIM_RPC_CONVERT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "baton/v1/shim.pb.h"
#include "driver-shim/port/adapter_port.h"

// Between the wire and the adapter: what comes in is checked here, in full.

namespace baton::rpc {

// Errors: INVALID_ARGUMENT, reason BAD_ORDER
absl::StatusOr<port::StepOrder> OrderFrom(port::AdapterStep step,
                                          const v1::StepOrder& order);

// What is to be taken in its wake: each step follows the one before.
//
// Errors: INVALID_ARGUMENT, reason BAD_ORDER or BAD_IMAGE
absl::StatusOr<std::vector<port::StepOrder>> AheadFrom(
    port::AdapterStep step, const v1::StepOrder& order);

// Errors: INVALID_ARGUMENT, reason BAD_IMAGE
absl::StatusOr<port::DriverImage> ImageFrom(const v1::DriverImage& image);

v1::InspectResponse ToProto(const port::AdapterReport& report,
                            const std::string& shim_version);
v1::Incident ToProto(const port::Incident& incident);
v1::StepResult ResultOf(const port::StepReport& report);
// Of one in the wake of another.
v1::StepTaken TakenOf(port::AdapterStep step, const port::StepReport& report);
v1::CensusEntry ToProto(const port::CensusEntry& entry);
v1::VirtualGpuResult ToProto(const port::VirtualGpuResult& result);
v1::SavedState ToProto(const port::SavedState& saved);
v1::AdapterState ToProto(port::AdapterState state);

}  // namespace baton::rpc

#endif  // DRIVER_SHIM_RPC_CONVERT_H_
