#ifndef SERVICE_RPC_DRIVER_ROOM_H_
#define SERVICE_RPC_DRIVER_ROOM_H_

#include <string>

#include "absl/status/status.h"
#include "service/depot/depot.h"
#include "service/depot/worker.h"
#include "service/rpc/open_streams.h"
#include "service/rpc/package_index.h"
#include "service/runtime/fleet_loop.h"

namespace baton::rpc {

// What the calls of DriverService work with. All of it must outlive them.
struct DriverRoom {
  runtime::FleetLoop& loop;
  OpenStreams& streams;
  depot::Depot& depot;  // touched by jobs of `worker` alone
  depot::Worker& worker;
  PackageIndex& index;
};

// Queues `job` for the disk.
//
// Errors: RESOURCE_EXHAUSTED (DEPOT_BUSY): too many jobs wait; back off
absl::Status PostJob(DriverRoom& room, depot::Worker::Job job);

// Removes the package with `digest`, unless a driver has it. Any thread.
void ForgetPackage(DriverRoom& room, const std::string& digest);

}  // namespace baton::rpc

#endif  // SERVICE_RPC_DRIVER_ROOM_H_
