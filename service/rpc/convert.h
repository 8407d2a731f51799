#ifndef SERVICE_RPC_CONVERT_H_
#define SERVICE_RPC_CONVERT_H_

#include <string>

#include "absl/time/time.h"
#include "baton/v1/agent.pb.h"
#include "baton/v1/audit.pb.h"
#include "baton/v1/driver.pb.h"
#include "baton/v1/fleet.pb.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/map.h"
#include "google/protobuf/timestamp.pb.h"
#include "service/core/audit.h"
#include "service/core/driver.h"
#include "service/core/explain.h"
#include "service/core/host.h"

namespace baton::rpc {

// The only place, with convert_rollout, where the wire meets the core. What is
// read here is not judged: the core does that.

// Times and durations that the wire does not allow become the nearest that it
// does. Those that are sent must be finite.
google::protobuf::Timestamp ToProto(absl::Time time);
absl::Time FromProto(const google::protobuf::Timestamp& time);

google::protobuf::Duration ToProto(absl::Duration duration);
absl::Duration FromProto(const google::protobuf::Duration& duration);

v1::Host ToProto(const core::Host& host);
v1::Explanation ToProto(const core::Explanation& explanation);
v1::Driver ToProto(const core::Driver& driver);
v1::AuditRecord ToProto(const core::AuditRecord& record);

core::Inventory FromProto(const v1::Inventory& inventory);
core::InventoryChange FromProto(const v1::InventoryChange& change);
core::DriverManifest FromProto(const v1::DriverManifest& manifest);
core::Labels FromProto(
    const google::protobuf::Map<std::string, std::string>& labels);

}  // namespace baton::rpc

#endif  // SERVICE_RPC_CONVERT_H_
