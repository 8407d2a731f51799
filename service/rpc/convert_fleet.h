#ifndef SERVICE_RPC_CONVERT_FLEET_H_
#define SERVICE_RPC_CONVERT_FLEET_H_

#include "baton/v1/fleet.pb.h"
#include "service/core/fleet.h"
#include "service/core/history.h"

namespace baton::rpc {

// As convert.h, for what holds for the whole fleet.

// Walks nothing.
v1::Fleet FleetToProto(const core::Fleet& fleet);

v1::HistoryEntry ToProto(const core::HistoryKey& key,
                         const core::HistoryEntry& entry);

}  // namespace baton::rpc

#endif  // SERVICE_RPC_CONVERT_FLEET_H_
