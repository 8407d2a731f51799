#ifndef SERVICE_RPC_SERVICES_H_
#define SERVICE_RPC_SERVICES_H_

#include <memory>
#include <string>

#include "grpcpp/server.h"
#include "service/rpc/agent_link.h"
#include "service/rpc/audit_service.h"
#include "service/rpc/driver_room.h"
#include "service/rpc/driver_service.h"
#include "service/rpc/fleet_service.h"
#include "service/rpc/rollout_service.h"

namespace baton::rpc {

// All that batond serves. Must outlive the servers that it starts.
class Services {
 public:
  // All of `room` must outlive this.
  explicit Services(DriverRoom& room)
      : rollouts_(room.loop, room.streams),
        fleet_(room.loop, room.streams),
        drivers_(room),
        audit_(room.loop),
        agents_(room.loop, room.streams) {}

  Services(const Services&) = delete;
  Services& operator=(const Services&) = delete;

  // Starts a server with every service of ours, grpc.health.v1 and reflection.
  //
  // `address`  as gRPC takes it, not encrypted; empty: in-process channels only
  // `port`     is given the port that was bound; 0 when the server could not
  //            listen, 1 on a unix socket
  std::unique_ptr<grpc::Server> Serve(const std::string& address, int& port);

 private:
  RolloutService rollouts_;
  FleetService fleet_;
  DriverService drivers_;
  AuditService audit_;
  AgentLink agents_;
};

}  // namespace baton::rpc

#endif  // SERVICE_RPC_SERVICES_H_
