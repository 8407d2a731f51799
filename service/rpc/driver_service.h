#ifndef SERVICE_RPC_DRIVER_SERVICE_H_
#define SERVICE_RPC_DRIVER_SERVICE_H_

#include "baton/v1/driver.grpc.pb.h"
#include "service/rpc/driver_room.h"

namespace baton::rpc {

// Keeps driver packages, by digest; see driver.proto. Any thread; never blocks:
// the room's worker does what blocks on the disk.
class DriverService final : public v1::DriverService::CallbackService {
 public:
  // `room` must outlive every call.
  explicit DriverService(DriverRoom& room) : room_(room) {}

  grpc::ServerReadReactor<v1::UploadDriverRequest>* UploadDriver(
      grpc::CallbackServerContext* context,
      v1::UploadDriverResponse* response) override;
  grpc::ServerUnaryReactor* GetDriver(grpc::CallbackServerContext* context,
                                      const v1::GetDriverRequest* request,
                                      v1::GetDriverResponse* response) override;
  grpc::ServerUnaryReactor* ListDrivers(
      grpc::CallbackServerContext* context,
      const v1::ListDriversRequest* request,
      v1::ListDriversResponse* response) override;
  grpc::ServerUnaryReactor* DeleteDriver(
      grpc::CallbackServerContext* context,
      const v1::DeleteDriverRequest* request,
      v1::DeleteDriverResponse* response) override;
  grpc::ServerWriteReactor<v1::DownloadDriverResponse>* DownloadDriver(
      grpc::CallbackServerContext* context,
      const v1::DownloadDriverRequest* request) override;

 private:
  DriverRoom& room_;
};

}  // namespace baton::rpc

#endif  // SERVICE_RPC_DRIVER_SERVICE_H_
