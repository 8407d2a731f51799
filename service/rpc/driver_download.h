#ifndef SERVICE_RPC_DRIVER_DOWNLOAD_H_
#define SERVICE_RPC_DRIVER_DOWNLOAD_H_

#include <cstdint>
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

// One package on its way out, from an offset on. Holds one piece at a time: the
// next is read from the disk once the one before was sent.
//
// gRPC owns it, and whatever job is under way for it.
class DownloadStream final
    : public grpc::ServerWriteReactor<v1::DownloadDriverResponse>,
      public OpenStream,
      public std::enable_shared_from_this<DownloadStream> {
 public:
  // Returns the reactor of a call. Any thread. `room` must outlive the call.
  static DownloadStream* Open(DriverRoom& room,
                              const v1::DownloadDriverRequest& request);

  void End(const absl::Status& why) override { FinishIf(gate_.End(why)); }
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  DownloadStream(DriverRoom& room, const v1::DownloadDriverRequest& request)
      : room_(room), name_(request.name()), next_(request.offset_bytes()) {}

  absl::Status Start(const v1::DownloadDriverRequest& request);
  // On the loop thread.
  absl::Status Begin(const absl::Status& status, const core::Fleet& fleet);

  // Has the next piece read, and sends it. Holds the gate.
  absl::Status Continue();
  void SendPiece(absl::StatusOr<std::string> bytes);

  // Ends with `why`, and gives the hold back.
  void GiveUp(const absl::Status& why);
  void FinishIf(const std::optional<absl::Status>& due);

  DriverRoom& room_;
  const std::string name_;
  std::shared_ptr<DownloadStream> self_;  // until gRPC is done with it
  EndGate gate_;

  // Touched by one piece at a time.
  depot::Package package_;
  uint64_t next_;  // offset of the piece after the one that is sent
  v1::DownloadDriverResponse response_;
};

}  // namespace baton::rpc

#endif  // SERVICE_RPC_DRIVER_DOWNLOAD_H_
