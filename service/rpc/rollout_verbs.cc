// What operators ask of a rollout once it is started, and of its hosts.

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "proto/status_codec.h"
#include "service/core/capsule.h"
#include "service/core/stops.h"
#include "service/rpc/calls.h"
#include "service/rpc/convert_rollout.h"
#include "service/rpc/field_limits.h"
#include "service/rpc/rollout_answers.h"
#include "service/rpc/rollout_service.h"

namespace baton::rpc {
namespace {

// Fills `response` with the rollout, and with what a stop means for each of its
// hosts in flight.
template <typename Response>
absl::Status FillStopped(const core::Fleet& fleet, const std::string& name,
                         Response& response) {
  ASSIGN_OR_RETURN(const core::Rollout* rollout, FindRolloutFor(fleet, name));
  *response.mutable_rollout() = ToProto(*rollout, WithPlan::kYes);
  for (const core::HostEffect& effect : core::EffectsOf(*rollout)) {
    *response.add_effects() = ToProto(effect);
  }
  return absl::OkStatus();
}

absl::Status FillAnswer(const core::Fleet& fleet, const std::string& name,
                        v1::PauseRolloutResponse& response) {
  return FillStopped(fleet, name, response);
}

absl::Status FillAnswer(const core::Fleet& fleet, const std::string& name,
                        v1::AbortRolloutResponse& response) {
  return FillStopped(fleet, name, response);
}

absl::Status FillAnswer(const core::Fleet& fleet, const std::string& name,
                        v1::RollBackRolloutResponse& response) {
  RETURN_IF_ERROR(FillStopped(fleet, name, response));
  ASSIGN_OR_RETURN(const core::Rollout* rollout, FindRolloutFor(fleet, name));
  for (const std::string& host : core::HostsToTakeBack(*rollout)) {
    response.add_hosts(host);
  }
  return absl::OkStatus();
}

// Carries `change` out, or says what it would mean.
template <typename Body, typename Request, typename Response>
grpc::ServerUnaryReactor* Stop(grpc::CallbackServerContext* context,
                               const Request* request, Response* response,
                               runtime::FleetLoop& loop) {
  Body change = {.name = request->name(),
                 .reason = request->reason(),
                 .etag = request->etag(),
                 .request_id = request->request_id()};
  const auto answer = [=](const core::Fleet& fleet) {
    return FillAnswer(fleet, request->name(), *response);
  };
  if (!request->validate_only()) {
    return Change(context, *request, std::move(change), loop, answer);
  }
  return Look(context, *request, loop,
              [change = std::move(change), answer](const core::Fleet& fleet) {
                const absl::Status checked = core::Check(change, fleet);
                return checked.ok() ? answer(fleet) : checked;
              });
}

// Asks for a change of the update that `request` names.
template <typename Body, typename Request>
absl::StatusOr<core::EventBody> UpdateChange(const Request& request) {
  ASSIGN_OR_RETURN(UpdateNames names, ParseUpdateName(request.name()));
  return Body{.rollout = std::move(names.rollout),
              .host = std::move(names.host),
              .reason = request.reason(),
              .request_id = request.request_id()};
}

absl::Status FillCapsule(
    const std::string& name,
    const absl::StatusOr<std::optional<core::Capsule>>& found,
    v1::Capsule& capsule) {
  RETURN_IF_ERROR(found.status());
  if (!found->has_value()) {
    return ErrorWithReason(
        absl::StatusCode::kNotFound, "CAPSULE_NOT_FOUND",
        absl::StrCat("nothing is kept of update '", name,
                     "': nothing went wrong, or it has expired"));
  }
  capsule = ToProto(name, **found);
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* RolloutService::HoldRollout(
    grpc::CallbackServerContext* context, const v1::HoldRolloutRequest* request,
    v1::HoldRolloutResponse* response) {
  core::HoldRollout change = {.name = request->name(),
                              .reason = request->reason(),
                              .etag = request->etag(),
                              .request_id = request->request_id()};
  return Change(context, *request, std::move(change), loop_,
                RolloutOf(request, response));
}

grpc::ServerUnaryReactor* RolloutService::ResumeRollout(
    grpc::CallbackServerContext* context,
    const v1::ResumeRolloutRequest* request,
    v1::ResumeRolloutResponse* response) {
  core::ResumeRollout change = {.name = request->name(),
                                .accept_failures = request->accept_failures(),
                                .etag = request->etag(),
                                .request_id = request->request_id()};
  return Change(context, *request, std::move(change), loop_,
                RolloutOf(request, response));
}

grpc::ServerUnaryReactor* RolloutService::PauseRollout(
    grpc::CallbackServerContext* context,
    const v1::PauseRolloutRequest* request,
    v1::PauseRolloutResponse* response) {
  return Stop<core::PauseRollout>(context, request, response, loop_);
}

grpc::ServerUnaryReactor* RolloutService::AbortRollout(
    grpc::CallbackServerContext* context,
    const v1::AbortRolloutRequest* request,
    v1::AbortRolloutResponse* response) {
  return Stop<core::AbortRollout>(context, request, response, loop_);
}

grpc::ServerUnaryReactor* RolloutService::RollBackRollout(
    grpc::CallbackServerContext* context,
    const v1::RollBackRolloutRequest* request,
    v1::RollBackRolloutResponse* response) {
  return Stop<core::RollBackRollout>(context, request, response, loop_);
}

grpc::ServerUnaryReactor* RolloutService::ApproveRollout(
    grpc::CallbackServerContext* context,
    const v1::ApproveRolloutRequest* request,
    v1::ApproveRolloutResponse* response) {
  core::ApproveRollout change = {.name = request->name(),
                                 .digest = request->digest(),
                                 .wave = request->wave(),
                                 .remark = request->remark(),
                                 .etag = request->etag(),
                                 .request_id = request->request_id()};
  return Change(context, *request, std::move(change), loop_,
                RolloutOf(request, response));
}

grpc::ServerUnaryReactor* RolloutService::DeleteRollout(
    grpc::CallbackServerContext* context,
    const v1::DeleteRolloutRequest* request, v1::DeleteRolloutResponse*) {
  core::DeleteRollout change = {.name = request->name(),
                                .etag = request->etag(),
                                .request_id = request->request_id()};
  return Change(context, *request, std::move(change), loop_,
                [](const core::Fleet&) { return absl::OkStatus(); });
}

grpc::ServerUnaryReactor* RolloutService::SkipUpdate(
    grpc::CallbackServerContext* context, const v1::SkipUpdateRequest* request,
    v1::SkipUpdateResponse* response) {
  return Change(context, *request, UpdateChange<core::SkipUpdate>(*request),
                loop_, UpdateOf(request, response));
}

grpc::ServerUnaryReactor* RolloutService::RetryUpdate(
    grpc::CallbackServerContext* context, const v1::RetryUpdateRequest* request,
    v1::RetryUpdateResponse* response) {
  return Change(context, *request, UpdateChange<core::RetryUpdate>(*request),
                loop_, UpdateOf(request, response));
}

grpc::ServerUnaryReactor* RolloutService::GetCapsule(
    grpc::CallbackServerContext* context, const v1::GetCapsuleRequest* request,
    v1::GetCapsuleResponse* response) {
  absl::Status posted = CheckFieldSizes(*request, Speaker::kOperator);
  if (!posted.ok()) return Refuse(context, posted);
  absl::StatusOr<UpdateNames> names = ParseUpdateName(request->name());
  if (!names.ok()) return Refuse(context, names.status());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  posted = loop_.ReadCapsule(
      names->rollout, names->host,
      [=](const absl::StatusOr<std::optional<core::Capsule>>& found) {
        reactor->Finish(ToGrpc(
            FillCapsule(request->name(), found, *response->mutable_capsule())));
      });
  if (!posted.ok()) reactor->Finish(ToGrpc(posted));
  return reactor;
}

}  // namespace baton::rpc
