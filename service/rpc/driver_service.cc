#include "service/rpc/driver_service.h"

#include <string>
#include <utility>

#include "base/status_macros.h"
#include "service/core/errors.h"
#include "service/core/names.h"
#include "service/rpc/calls.h"
#include "service/rpc/convert.h"
#include "service/rpc/driver_download.h"
#include "service/rpc/driver_upload.h"
#include "service/rpc/page.h"

namespace baton::rpc {
namespace {

absl::Status FillDriver(const core::Fleet& fleet, const std::string& name,
                        v1::Driver& driver) {
  RETURN_IF_ERROR(core::CheckDriverName(name));
  const core::Driver* found = core::FindDriver(fleet, name);
  if (found == nullptr) return core::DriverNotFoundError(name);
  driver = ToProto(*found);
  return absl::OkStatus();
}

absl::Status FillDrivers(const core::Fleet& fleet,
                         const v1::ListDriversRequest& request,
                         v1::ListDriversResponse& response) {
  constexpr absl::string_view kQuery = "drivers?";
  ASSIGN_OR_RETURN(const Page page, ParsePage(request.page_size(),
                                              request.page_token(), kQuery));
  response.set_next_page_token(ForPage(
      page, fleet.drivers, kQuery, [](const core::Driver&) { return true; },
      [&response](const auto& entry) {
        *response.add_drivers() = ToProto(entry.second);
        return response.drivers().rbegin()->ByteSizeLong();
      }));
  return absl::OkStatus();
}

}  // namespace

grpc::ServerReadReactor<v1::UploadDriverRequest>* DriverService::UploadDriver(
    grpc::CallbackServerContext* context, v1::UploadDriverResponse* response) {
  return UploadStream::Open(room_, *context, *response);
}

grpc::ServerUnaryReactor* DriverService::GetDriver(
    grpc::CallbackServerContext* context, const v1::GetDriverRequest* request,
    v1::GetDriverResponse* response) {
  return Look(context, *request, room_.loop, [=](const core::Fleet& fleet) {
    return FillDriver(fleet, request->name(), *response->mutable_driver());
  });
}

grpc::ServerUnaryReactor* DriverService::ListDrivers(
    grpc::CallbackServerContext* context, const v1::ListDriversRequest* request,
    v1::ListDriversResponse* response) {
  return Look(context, *request, room_.loop, [=](const core::Fleet& fleet) {
    return FillDrivers(fleet, *request, *response);
  });
}

grpc::ServerUnaryReactor* DriverService::DeleteDriver(
    grpc::CallbackServerContext* context,
    const v1::DeleteDriverRequest* request, v1::DeleteDriverResponse*) {
  core::DriverDeleted change = {.name = request->name(),
                                .etag = request->etag(),
                                .request_id = request->request_id()};
  return Change(context, *request, std::move(change), room_.loop,
                [this, name = request->name()](const core::Fleet& fleet) {
                  // It is there when this repeats an earlier call, and somebody
                  // uploaded it again since.
                  if (core::FindDriver(fleet, name) == nullptr) {
                    const std::string digest = room_.index.Erase(name);
                    if (!digest.empty()) ForgetPackage(room_, digest);
                  }
                  return absl::OkStatus();
                });
}

grpc::ServerWriteReactor<v1::DownloadDriverResponse>*
DriverService::DownloadDriver(grpc::CallbackServerContext*,
                              const v1::DownloadDriverRequest* request) {
  return DownloadStream::Open(room_, *request);
}

}  // namespace baton::rpc
