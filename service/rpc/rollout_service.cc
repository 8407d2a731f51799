#include "service/rpc/rollout_service.h"

#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "service/core/errors.h"
#include "service/core/explain.h"
#include "service/core/names.h"
#include "service/rpc/calls.h"
#include "service/rpc/convert.h"
#include "service/rpc/convert_rollout.h"
#include "service/rpc/convert_spec.h"
#include "service/rpc/field_limits.h"
#include "service/rpc/page.h"
#include "service/rpc/rollout_answers.h"
#include "service/rpc/rollout_view.h"

namespace baton::rpc {
namespace {

absl::StatusOr<core::EventBody> CreateRolloutOf(
    const v1::CreateRolloutRequest& request) {
  ASSIGN_OR_RETURN(core::RolloutSpec spec, FromProto(request.spec()));
  return core::CreateRollout{.name = request.name(),
                             .spec = std::move(spec),
                             .request_id = request.request_id()};
}

absl::Status FillRollouts(const core::Fleet& fleet,
                          const v1::ListRolloutsRequest& request,
                          v1::ListRolloutsResponse& response) {
  constexpr absl::string_view kQuery = "rollouts?";
  ASSIGN_OR_RETURN(const Page page, ParsePage(request.page_size(),
                                              request.page_token(), kQuery));
  response.set_next_page_token(ForPage(
      page, fleet.rollouts, kQuery, [](const core::Rollout&) { return true; },
      [&response](const auto& entry) {
        *response.add_rollouts() = ToProto(entry.second, WithPlan::kNo);
        return response.rollouts().rbegin()->ByteSizeLong();
      }));
  return absl::OkStatus();
}

absl::Status FillUpdates(const core::Fleet& fleet,
                         const v1::ListUpdatesRequest& request,
                         v1::ListUpdatesResponse& response) {
  ASSIGN_OR_RETURN(const core::Rollout* rollout,
                   FindRolloutFor(fleet, request.parent()));
  const std::string query = absl::StrCat("updates?", rollout->name);
  ASSIGN_OR_RETURN(const Page page,
                   ParsePage(request.page_size(), request.page_token(), query));
  response.set_next_page_token(ForPage(
      page, rollout->updates, query, [](const core::Update&) { return true; },
      [&response, rollout](const auto& entry) {
        *response.add_updates() = ToProto(*rollout, entry.first, entry.second);
        return response.updates().rbegin()->ByteSizeLong();
      }));
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* RolloutService::CreateRollout(
    grpc::CallbackServerContext* context,
    const v1::CreateRolloutRequest* request,
    v1::CreateRolloutResponse* response) {
  return Change(context, *request, CreateRolloutOf(*request), loop_,
                RolloutOf(request, response));
}

grpc::ServerUnaryReactor* RolloutService::GetRollout(
    grpc::CallbackServerContext* context, const v1::GetRolloutRequest* request,
    v1::GetRolloutResponse* response) {
  return Look(context, *request, loop_, RolloutOf(request, response));
}

grpc::ServerUnaryReactor* RolloutService::ListRollouts(
    grpc::CallbackServerContext* context,
    const v1::ListRolloutsRequest* request,
    v1::ListRolloutsResponse* response) {
  return Look(context, *request, loop_, [=](const core::Fleet& fleet) {
    return FillRollouts(fleet, *request, *response);
  });
}

grpc::ServerUnaryReactor* RolloutService::PlanRollout(
    grpc::CallbackServerContext* context, const v1::PlanRolloutRequest* request,
    v1::PlanRolloutResponse* response) {
  core::PlanRollout change = {.name = request->name(),
                              .etag = request->etag(),
                              .request_id = request->request_id()};
  return Change(context, *request, std::move(change), loop_,
                RolloutOf(request, response));
}

grpc::ServerUnaryReactor* RolloutService::StartRollout(
    grpc::CallbackServerContext* context,
    const v1::StartRolloutRequest* request,
    v1::StartRolloutResponse* response) {
  core::StartRollout change = {.name = request->name(),
                               .digest = request->digest(),
                               .etag = request->etag(),
                               .request_id = request->request_id()};
  return Change(context, *request, std::move(change), loop_,
                RolloutOf(request, response));
}

grpc::ServerWriteReactor<v1::WatchRolloutResponse>*
RolloutService::WatchRollout(grpc::CallbackServerContext*,
                             const v1::WatchRolloutRequest* request) {
  return WatchStream<v1::WatchRolloutResponse>::Open(MakeRolloutView(*request),
                                                     loop_, streams_);
}

grpc::ServerUnaryReactor* RolloutService::ListUpdates(
    grpc::CallbackServerContext* context, const v1::ListUpdatesRequest* request,
    v1::ListUpdatesResponse* response) {
  return Look(context, *request, loop_, [=](const core::Fleet& fleet) {
    return FillUpdates(fleet, *request, *response);
  });
}

grpc::ServerUnaryReactor* RolloutService::GetUpdate(
    grpc::CallbackServerContext* context, const v1::GetUpdateRequest* request,
    v1::GetUpdateResponse* response) {
  return Look(context, *request, loop_, [=](const core::Fleet& fleet) {
    return FillUpdate(fleet, request->name(), *response->mutable_update());
  });
}

grpc::ServerUnaryReactor* RolloutService::ExplainRollout(
    grpc::CallbackServerContext* context,
    const v1::ExplainRolloutRequest* request,
    v1::ExplainRolloutResponse* response) {
  return Look(
      context, *request, loop_, [=](const core::Fleet& fleet) -> absl::Status {
        RETURN_IF_ERROR(core::CheckRolloutName(request->name()));
        const std::string& wave = request->wave();
        ASSIGN_OR_RETURN(const core::Explanation explanation,
                         wave.empty()
                             ? core::ExplainRollout(fleet, request->name())
                             : core::ExplainWave(fleet, request->name(), wave));
        *response->mutable_explanation() = ToProto(explanation);
        return absl::OkStatus();
      });
}

}  // namespace baton::rpc
