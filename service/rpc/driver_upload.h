#ifndef SERVICE_RPC_DRIVER_UPLOAD_H_
#define SERVICE_RPC_DRIVER_UPLOAD_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "baton/v1/driver.pb.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "service/core/fleet.h"
#include "service/depot/depot.h"
#include "service/rpc/driver_room.h"
#include "service/rpc/end_gate.h"
#include "service/rpc/open_streams.h"

namespace baton::rpc {

// One package on its way in. Takes one piece at a time: the next is read once
// the one before is written, so an upload holds at most one piece in memory.
//
// gRPC owns it, and whatever job or event is under way for it; once all let go
// of it, what it left on the disk goes unless a driver has it.
class UploadStream final
    : public grpc::ServerReadReactor<v1::UploadDriverRequest>,
      public OpenStream,
      public std::enable_shared_from_this<UploadStream> {
 public:
  // Returns the reactor of a call. Any thread. `room`, `context` and `response`
  // must outlive the call.
  static UploadStream* Open(DriverRoom& room,
                            const grpc::CallbackServerContext& context,
                            v1::UploadDriverResponse& response);
  ~UploadStream() override;

  void End(const absl::Status& why) override { FinishIf(gate_.End(why)); }
  void OnReadDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  UploadStream(DriverRoom& room, const grpc::CallbackServerContext& context,
               v1::UploadDriverResponse& response)
      : room_(room), context_(context), response_(response) {}

  // Each starts the next thing, on a thread of gRPC or of the depot; an error
  // ends the call.
  absl::Status Take(const v1::UploadDriverRequest& request);
  absl::Status TakeHeader(const v1::UploadDriverHeader& header);
  absl::Status TakeChunk();
  absl::Status TakeEnd();

  // On the depot's thread.
  void Store();
  absl::Status Announce(const absl::StatusOr<v1::DriverManifest>& manifest);
  // On the loop thread.
  void Answer(const absl::Status& status, const core::Fleet& fleet);

  // What was taken is done; reads on, or ends the call if `status` says so.
  void Settle(const absl::Status& status);
  void FinishIf(const std::optional<absl::Status>& due);

  DriverRoom& room_;
  const grpc::CallbackServerContext& context_;
  v1::UploadDriverResponse& response_;
  std::shared_ptr<UploadStream> self_;  // until gRPC is done with it
  EndGate gate_;

  // Touched by one piece at a time.
  v1::UploadDriverRequest request_;
  v1::UploadDriverHeader header_;
  std::string caller_;  // empty before the header
  std::shared_ptr<depot::Upload> upload_;
};

}  // namespace baton::rpc

#endif  // SERVICE_RPC_DRIVER_UPLOAD_H_
