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

 private:
  runtime::FleetLoop& loop_;
  OpenStreams& streams_;
};

}  // namespace baton::rpc

#endif  // SERVICE_RPC_FLEET_SERVICE_H_
