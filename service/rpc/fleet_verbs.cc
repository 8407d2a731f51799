// What operators ask of one host, and of the whole fleet.

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "service/core/errors.h"
#include "service/core/names.h"
#include "service/rpc/calls.h"
#include "service/rpc/convert.h"
#include "service/rpc/convert_fleet.h"
#include "service/rpc/fleet_service.h"
#include "service/rpc/page.h"

namespace baton::rpc {
namespace {

// Returns the change of the host that `request` names, for a reason.
template <typename Body, typename Request>
Body HostChange(const Request& request) {
  return {.host = request.name(),
          .reason = request.reason(),
          .etag = request.etag(),
          .request_id = request.request_id()};
}

// Returns what fills `response` with the host that `request` names.
template <typename Request, typename Response>
Respond HostOf(const Request* request, Response* response) {
  return [=](const core::Fleet& fleet) -> absl::Status {
    const core::Host* found = core::FindHost(fleet, request->name());
    if (found == nullptr) return core::HostNotFoundError(request->name());
    *response->mutable_host() = ToProto(*found);
    return absl::OkStatus();
  };
}

// Returns what fills `response` with what holds for the fleet.
template <typename Response>
Respond FleetOf(Response* response) {
  return [=](const core::Fleet& fleet) {
    *response->mutable_fleet() = FleetToProto(fleet);
    return absl::OkStatus();
  };
}

// A key of the history as one string, for page tokens, and back.
constexpr char kBetween = '\n';

std::string TextOf(const core::HistoryKey& key) {
  return absl::StrJoin({key.from_driver, key.to_driver, key.model, key.profile},
                       std::string(1, kBetween));
}

core::HistoryKey KeyOf(const std::string& text) {
  std::vector<std::string> parts = absl::StrSplit(text, kBetween);
  parts.resize(4);
  return {parts[0], parts[1], parts[2], parts[3]};
}

absl::Status FillHistory(const core::Fleet& fleet,
                         const v1::ListHistoryRequest& request,
                         v1::ListHistoryResponse& response) {
  constexpr absl::string_view kQuery = "history?";
  ASSIGN_OR_RETURN(const Page page, ParsePage(request.page_size(),
                                              request.page_token(), kQuery));
  auto it = page.after.empty() ? fleet.history.begin()
                               : fleet.history.upper_bound(KeyOf(page.after));
  std::string last;
  for (; it != fleet.history.end(); ++it) {
    if (static_cast<size_t>(response.entries_size()) == page.size) {
      response.set_next_page_token(MakePageToken(last, kQuery));
      break;
    }
    *response.add_entries() = ToProto(it->first, it->second);
    last = TextOf(it->first);
  }
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* FleetService::ReleaseHost(
    grpc::CallbackServerContext* context, const v1::ReleaseHostRequest* request,
    v1::ReleaseHostResponse* response) {
  return Change(context, *request, HostChange<core::ReleaseHost>(*request),
                loop_, HostOf(request, response));
}

grpc::ServerUnaryReactor* FleetService::LiftQuarantine(
    grpc::CallbackServerContext* context,
    const v1::LiftQuarantineRequest* request,
    v1::LiftQuarantineResponse* response) {
  return Change(context, *request, HostChange<core::LiftQuarantine>(*request),
                loop_, HostOf(request, response));
}

grpc::ServerUnaryReactor* FleetService::DeleteHost(
    grpc::CallbackServerContext* context, const v1::DeleteHostRequest* request,
    v1::DeleteHostResponse*) {
  return Change(context, *request, HostChange<core::DeleteHost>(*request),
                loop_, [](const core::Fleet&) { return absl::OkStatus(); });
}

grpc::ServerUnaryReactor* FleetService::GetFleet(
    grpc::CallbackServerContext* context, const v1::GetFleetRequest* request,
    v1::GetFleetResponse* response) {
  return Look(context, *request, loop_, FleetOf(response));
}

grpc::ServerUnaryReactor* FleetService::FreezeFleet(
    grpc::CallbackServerContext* context, const v1::FreezeFleetRequest* request,
    v1::FreezeFleetResponse* response) {
  // Absent: the past, which the core refuses.
  core::FreezeFleet change = {.reason = request->reason(),
                              .request_id = request->request_id()};
  if (request->has_end_time()) change.end = FromProto(request->end_time());
  return Change(context, *request, std::move(change), loop_, FleetOf(response));
}

grpc::ServerUnaryReactor* FleetService::UnfreezeFleet(
    grpc::CallbackServerContext* context,
    const v1::UnfreezeFleetRequest* request,
    v1::UnfreezeFleetResponse* response) {
  core::UnfreezeFleet change = {.reason = request->reason(),
                                .request_id = request->request_id()};
  return Change(context, *request, std::move(change), loop_, FleetOf(response));
}

grpc::ServerUnaryReactor* FleetService::EmergencyStop(
    grpc::CallbackServerContext* context,
    const v1::EmergencyStopRequest* request,
    v1::EmergencyStopResponse* response) {
  core::EmergencyStop change = {.reason = request->reason(),
                                .request_id = request->request_id()};
  return Change(context, *request, std::move(change), loop_, FleetOf(response));
}

grpc::ServerUnaryReactor* FleetService::LiftEmergencyStop(
    grpc::CallbackServerContext* context,
    const v1::LiftEmergencyStopRequest* request,
    v1::LiftEmergencyStopResponse* response) {
  core::LiftEmergencyStop change = {.reason = request->reason(),
                                    .request_id = request->request_id()};
  return Change(context, *request, std::move(change), loop_, FleetOf(response));
}

grpc::ServerUnaryReactor* FleetService::ListHistory(
    grpc::CallbackServerContext* context, const v1::ListHistoryRequest* request,
    v1::ListHistoryResponse* response) {
  return Look(context, *request, loop_, [=](const core::Fleet& fleet) {
    return FillHistory(fleet, *request, *response);
  });
}

}  // namespace baton::rpc
