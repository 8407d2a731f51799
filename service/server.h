#ifndef SERVICE_SERVER_H_
#define SERVICE_SERVER_H_

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/server.h"
#include "service/core/fleet.h"
#include "service/data_disk.h"
#include "service/data_lock.h"
#include "service/depot/depot.h"
#include "service/depot/worker.h"
#include "service/metrics/endpoint.h"
#include "service/options.h"
#include "service/rpc/driver_room.h"
#include "service/rpc/open_streams.h"
#include "service/rpc/package_index.h"
#include "service/rpc/services.h"
#include "service/runtime/fleet_loop.h"
#include "service/runtime/ports.h"

namespace baton {

// One batond: wires its rooms, and starts and stops them in order. Confined to
// the thread that made it, apart from what its members allow.
class Server {
 public:
  // Called once on the loop's thread when a commit failed. What was answered
  // before is durable, and nothing was answered since; the process must end,
  // and must not wait for this server to stop.
  using OnFailure = std::function<void(const absl::Status& why)>;

  // Takes the data directory, loads the fleet, makes a new epoch durable, and
  // serves. Blocks on the disk.
  //
  // Errors, each with a reason:
  //   FAILED_PRECONDITION  another batond uses the directory or the address:
  //                        DATA_DIR_IN_USE, LISTEN_ADDRESS_IN_USE
  //   UNAVAILABLE          DATA_DIR_UNUSABLE, CANNOT_LISTEN,
  //                        ADDRESS_FILE_NOT_WRITTEN; errors of store and depot
  //   DATA_LOSS            errors of the store
  static absl::StatusOr<std::unique_ptr<Server>> Start(
      const ServiceOptions& options, OnFailure on_failure);

  // Stops accepting, ends every stream with UNAVAILABLE (SERVICE_STOPPING),
  // answers what was asked before, and closes the store. Blocks for a few
  // seconds at most.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Where callers reach it, as gRPC takes it.
  const std::string& address() const { return address_; }

  // "address:port" of GET /metrics; empty: there is none.
  std::string metrics_address() const {
    return metrics_ == nullptr ? "" : metrics_->address();
  }

 private:
  Server() = default;

  absl::Status OpenData(const ServiceOptions& options);
  absl::Status OpenDepot(const ServiceOptions& options,
                         const core::Fleet& fleet);
  absl::Status OpenLoop(const ServiceOptions& options, core::Fleet fleet);
  absl::Status Listen(const ServiceOptions& options);

  // In the order of the start; they go in the opposite one.
  std::unique_ptr<DataLock> lock_;
  std::unique_ptr<DataDisk> disk_;
  std::unique_ptr<runtime::Store> store_;
  std::unique_ptr<depot::Depot> depot_;
  rpc::PackageIndex index_;
  rpc::OpenStreams streams_;
  std::unique_ptr<depot::Worker> worker_;
  std::unique_ptr<runtime::FleetLoop> loop_;
  std::unique_ptr<rpc::DriverRoom> room_;
  std::unique_ptr<rpc::Services> services_;
  std::thread loop_thread_;
  std::unique_ptr<metrics::Endpoint> metrics_;
  std::unique_ptr<grpc::Server> grpc_;
  std::string address_;
};

}  // namespace baton

#endif  // SERVICE_SERVER_H_
