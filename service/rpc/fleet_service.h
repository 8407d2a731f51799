#ifndef SERVICE_RPC_FLEET_SERVICE_H_
#define SERVICE_RPC_FLEET_SERVICE_H_

#include "baton/v1/fleet.grpc.pb.h"
#include "service/rpc/open_streams.h"
#include "service/runtime/fleet_loop.h"

namespace baton::rpc {

// Shows hosts, and takes them out of reach of rollouts. What each call does is
// said in fleet.proto. Any thread; never blocks.
class FleetService final : public v1::FleetService::CallbackService {
 public:
  // Both must outlive every call.
  FleetService(runtime::FleetLoop& loop, OpenStreams& streams)
      : loop_(loop), streams_(streams) {}

  grpc::ServerUnaryReactor* ListHosts(grpc::CallbackServerContext* context,
                                      const v1::ListHostsRequest* request,
                                      v1::ListHostsResponse* response) override;
  grpc::ServerUnaryReactor* GetHost(grpc::CallbackServerContext* context,
                                    const v1::GetHostRequest* request,
                                    v1::GetHostResponse* response) override;
  grpc::ServerUnaryReactor* UpdateHost(
      grpc::CallbackServerContext* context,
      const v1::UpdateHostRequest* request,
      v1::UpdateHostResponse* response) override;
  grpc::ServerUnaryReactor* CordonHost(
      grpc::CallbackServerContext* context,
      const v1::CordonHostRequest* request,
      v1::CordonHostResponse* response) override;
  grpc::ServerUnaryReactor* UncordonHost(
      grpc::CallbackServerContext* context,
      const v1::UncordonHostRequest* request,
      v1::UncordonHostResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchHostsResponse>* WatchHosts(
      grpc::CallbackServerContext* context,
      const v1::WatchHostsRequest* request) override;
  grpc::ServerUnaryReactor* ExplainHost(
      grpc::CallbackServerContext* context,
      const v1::ExplainHostRequest* request,
      v1::ExplainHostResponse* response) override;

  grpc::ServerUnaryReactor* ReleaseHost(
      grpc::CallbackServerContext* context,
      const v1::ReleaseHostRequest* request,
      v1::ReleaseHostResponse* response) override;
  grpc::ServerUnaryReactor* LiftQuarantine(
      grpc::CallbackServerContext* context,
      const v1::LiftQuarantineRequest* request,
      v1::LiftQuarantineResponse* response) override;
  grpc::ServerUnaryReactor* DeleteHost(
      grpc::CallbackServerContext* context,
      const v1::DeleteHostRequest* request,
      v1::DeleteHostResponse* response) override;
  grpc::ServerUnaryReactor* GetFleet(grpc::CallbackServerContext* context,
                                     const v1::GetFleetRequest* request,
                                     v1::GetFleetResponse* response) override;
  grpc::ServerUnaryReactor* FreezeFleet(
      grpc::CallbackServerContext* context,
      const v1::FreezeFleetRequest* request,
      v1::FreezeFleetResponse* response) override;
  grpc::ServerUnaryReactor* UnfreezeFleet(
      grpc::CallbackServerContext* context,
      const v1::UnfreezeFleetRequest* request,
      v1::UnfreezeFleetResponse* response) override;
  grpc::ServerUnaryReactor* EmergencyStop(
      grpc::CallbackServerContext* context,
      const v1::EmergencyStopRequest* request,
      v1::EmergencyStopResponse* response) override;
  grpc::ServerUnaryReactor* LiftEmergencyStop(
      grpc::CallbackServerContext* context,
      const v1::LiftEmergencyStopRequest* request,
      v1::LiftEmergencyStopResponse* response) override;
  grpc::ServerUnaryReactor* ListHistory(
      grpc::CallbackServerContext* context,
      const v1::ListHistoryRequest* request,
      v1::ListHistoryResponse* response) override;

 private:
  runtime::FleetLoop& loop_;
  OpenStreams& streams_;
};

}  // namespace baton::rpc

#endif  // SERVICE_RPC_FLEET_SERVICE_H_
