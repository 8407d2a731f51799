#ifndef SERVICE_RPC_ROLLOUT_SERVICE_H_
#define SERVICE_RPC_ROLLOUT_SERVICE_H_

#include "baton/v1/rollout.grpc.pb.h"
#include "service/rpc/open_streams.h"
#include "service/runtime/fleet_loop.h"

namespace baton::rpc {

// Rolls drivers out. What each call does is said in rollout.proto. Any thread;
// never blocks.
class RolloutService final : public v1::RolloutService::CallbackService {
 public:
  // Both must outlive every call.
  RolloutService(runtime::FleetLoop& loop, OpenStreams& streams)
      : loop_(loop), streams_(streams) {}

  grpc::ServerUnaryReactor* CreateRollout(
      grpc::CallbackServerContext* context,
      const v1::CreateRolloutRequest* request,
      v1::CreateRolloutResponse* response) override;
  grpc::ServerUnaryReactor* GetRollout(
      grpc::CallbackServerContext* context,
      const v1::GetRolloutRequest* request,
      v1::GetRolloutResponse* response) override;
  grpc::ServerUnaryReactor* ListRollouts(
      grpc::CallbackServerContext* context,
      const v1::ListRolloutsRequest* request,
      v1::ListRolloutsResponse* response) override;
  grpc::ServerUnaryReactor* PlanRollout(
      grpc::CallbackServerContext* context,
      const v1::PlanRolloutRequest* request,
      v1::PlanRolloutResponse* response) override;
  grpc::ServerUnaryReactor* StartRollout(
      grpc::CallbackServerContext* context,
      const v1::StartRolloutRequest* request,
      v1::StartRolloutResponse* response) override;
  grpc::ServerUnaryReactor* HoldRollout(
      grpc::CallbackServerContext* context,
      const v1::HoldRolloutRequest* request,
      v1::HoldRolloutResponse* response) override;
  grpc::ServerUnaryReactor* ResumeRollout(
      grpc::CallbackServerContext* context,
      const v1::ResumeRolloutRequest* request,
      v1::ResumeRolloutResponse* response) override;
  grpc::ServerUnaryReactor* AbortRollout(
      grpc::CallbackServerContext* context,
      const v1::AbortRolloutRequest* request,
      v1::AbortRolloutResponse* response) override;
  grpc::ServerUnaryReactor* PauseRollout(
      grpc::CallbackServerContext* context,
      const v1::PauseRolloutRequest* request,
      v1::PauseRolloutResponse* response) override;
  grpc::ServerUnaryReactor* ApproveRollout(
      grpc::CallbackServerContext* context,
      const v1::ApproveRolloutRequest* request,
      v1::ApproveRolloutResponse* response) override;
  grpc::ServerUnaryReactor* SkipUpdate(
      grpc::CallbackServerContext* context,
      const v1::SkipUpdateRequest* request,
      v1::SkipUpdateResponse* response) override;
  grpc::ServerUnaryReactor* RetryUpdate(
      grpc::CallbackServerContext* context,
      const v1::RetryUpdateRequest* request,
      v1::RetryUpdateResponse* response) override;
  grpc::ServerUnaryReactor* GetCapsule(
      grpc::CallbackServerContext* context,
      const v1::GetCapsuleRequest* request,
      v1::GetCapsuleResponse* response) override;
  grpc::ServerUnaryReactor* RollBackRollout(
      grpc::CallbackServerContext* context,
      const v1::RollBackRolloutRequest* request,
      v1::RollBackRolloutResponse* response) override;
  grpc::ServerUnaryReactor* DeleteRollout(
      grpc::CallbackServerContext* context,
      const v1::DeleteRolloutRequest* request,
      v1::DeleteRolloutResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchRolloutResponse>* WatchRollout(
      grpc::CallbackServerContext* context,
      const v1::WatchRolloutRequest* request) override;
  grpc::ServerUnaryReactor* ListUpdates(
      grpc::CallbackServerContext* context,
      const v1::ListUpdatesRequest* request,
      v1::ListUpdatesResponse* response) override;
  grpc::ServerUnaryReactor* GetUpdate(grpc::CallbackServerContext* context,
                                      const v1::GetUpdateRequest* request,
                                      v1::GetUpdateResponse* response) override;
  grpc::ServerUnaryReactor* ExplainRollout(
      grpc::CallbackServerContext* context,
      const v1::ExplainRolloutRequest* request,
      v1::ExplainRolloutResponse* response) override;

 private:
  runtime::FleetLoop& loop_;
  OpenStreams& streams_;
};

}  // namespace baton::rpc

#endif  // SERVICE_RPC_ROLLOUT_SERVICE_H_
