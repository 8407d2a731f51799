#ifndef DRIVER_SHIM_RPC_SHIM_SERVICE_H_
#define DRIVER_SHIM_RPC_SHIM_SERVICE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "baton/v1/shim.grpc.pb.h"
#include "driver-shim/port/adapter_port.h"
#include "driver-shim/rpc/shim_worker.h"

namespace baton::rpc {

// ShimService over one adapter. gRPC's threads convert and post; the adapter's
// worker carries out and answers. A caller that gives up does not stop a step.
class ShimService final : public v1::ShimService::CallbackService {
 public:
  // What it says of itself.
  struct Self {
    std::string version = "";
    std::string instance = "";  // which vGPUs it has, see Inspect
  };

  // Both outlive this object, and every call to it.
  ShimService(port::AdapterPort& adapter, ShimWorker& worker, Self self)
      : adapter_(adapter), worker_(worker), self_(std::move(self)) {}

  // Goes on with what the adapter was ordered when its process was killed, but
  // for a Prepare. On the worker, before any order.
  void GoOn();

  grpc::ServerUnaryReactor* Inspect(grpc::CallbackServerContext* context,
                                    const v1::InspectRequest* request,
                                    v1::InspectResponse* response) override;
  grpc::ServerUnaryReactor* Prepare(grpc::CallbackServerContext* context,
                                    const v1::PrepareRequest* request,
                                    v1::PrepareResponse* response) override;
  grpc::ServerUnaryReactor* Pause(grpc::CallbackServerContext* context,
                                  const v1::PauseRequest* request,
                                  v1::PauseResponse* response) override;
  grpc::ServerUnaryReactor* Save(grpc::CallbackServerContext* context,
                                 const v1::SaveRequest* request,
                                 v1::SaveResponse* response) override;
  grpc::ServerUnaryReactor* Cancel(grpc::CallbackServerContext* context,
                                   const v1::CancelRequest* request,
                                   v1::CancelResponse* response) override;
  grpc::ServerUnaryReactor* Unload(grpc::CallbackServerContext* context,
                                   const v1::UnloadRequest* request,
                                   v1::UnloadResponse* response) override;
  grpc::ServerUnaryReactor* Restore(grpc::CallbackServerContext* context,
                                    const v1::RestoreRequest* request,
                                    v1::RestoreResponse* response) override;
  grpc::ServerUnaryReactor* Verify(grpc::CallbackServerContext* context,
                                   const v1::VerifyRequest* request,
                                   v1::VerifyResponse* response) override;
  grpc::ServerUnaryReactor* Resume(grpc::CallbackServerContext* context,
                                   const v1::ResumeRequest* request,
                                   v1::ResumeResponse* response) override;
  grpc::ServerUnaryReactor* Confirm(grpc::CallbackServerContext* context,
                                    const v1::ConfirmRequest* request,
                                    v1::ConfirmResponse* response) override;
  grpc::ServerUnaryReactor* Commit(grpc::CallbackServerContext* context,
                                   const v1::CommitRequest* request,
                                   v1::CommitResponse* response) override;

 private:
  using Fill = std::function<void(const port::StepReport& report)>;

  // A step, and what is taken in its wake.
  using Orders = std::vector<port::StepOrder>;

  // Has the steps carried out, and the response written, of which `fill` adds
  // what others have not, on the worker.
  template <typename Response>
  grpc::ServerUnaryReactor* Post(grpc::CallbackServerContext* context,
                                 absl::StatusOr<Orders> orders,
                                 Response& response, Fill fill);

  // Takes the first step, and those in its wake, unless it was taken ahead.
  // Returns what the first did. On the worker.
  absl::StatusOr<port::StepReport> Take(const Orders& orders);
  // Takes those steps of `run_` that were not taken yet. Errors, as those of
  // AdapterPort::Take(), when not even the first was. On the worker.
  absl::Status TakeRest();
  // Says in the answer to the one in whose wake they were taken what all did.
  // They are told no sooner than by calls of their own: the answer may be lost.
  // On the worker.
  template <typename Response>
  void AddAhead(Response& response) const;

  port::AdapterPort& adapter_;
  ShimWorker& worker_;
  // Until something else is ordered. The worker's.
  port::OrderedRun run_;
  const Self self_;
};

}  // namespace baton::rpc

#endif  // DRIVER_SHIM_RPC_SHIM_SERVICE_H_
