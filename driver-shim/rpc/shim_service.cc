#include "driver-shim/rpc/shim_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/rpc/convert.h"
#include "proto/status_codec.h"

namespace baton::rpc {
namespace {

using port::AdapterStep;

// What a request orders.
template <typename Request>
absl::StatusOr<std::vector<port::StepOrder>> OrdersOf(AdapterStep step,
                                                      const Request& request) {
  ASSIGN_OR_RETURN(port::StepOrder first, OrderFrom(step, request.order()));
  if constexpr (requires { request.image(); }) {
    ASSIGN_OR_RETURN(first.image, ImageFrom(request.image()));
  }
  ASSIGN_OR_RETURN(std::vector<port::StepOrder> orders,
                   AheadFrom(step, request.order()));
  orders.insert(orders.begin(), std::move(first));
  return orders;
}

template <typename Response>
void AddVgpus(const port::StepReport& report, Response& response) {
  for (const port::VirtualGpuResult& vgpu : report.vgpus) {
    *response.add_vgpus() = ToProto(vgpu);
  }
}

}  // namespace

std::optional<port::StepReport> ShimService::Recall(
    const port::StepOrder& order) {
  const auto is = [&](size_t at) {
    return at < taken_.size() && taken_[at].order.step == order.step &&
           taken_[at].order.attempt == order.attempt &&
           taken_[at].order.image == order.image;
  };
  // The next one, or a repeat of the one before.
  if (is(told_)) ++told_;
  if (told_ == 0 || !is(told_ - 1)) return std::nullopt;
  return taken_[told_ - 1].report;
}

absl::StatusOr<port::StepReport> ShimService::Take(const Orders& orders) {
  if (taken_.size() > 1) {
    std::optional<port::StepReport> report = Recall(orders.front());
    // Whoever asks again for what failed has it tried again.
    if (!report.has_value() || !report->status.ok()) taken_.clear();
    if (report.has_value()) return *std::move(report);
  }
  taken_.clear();
  told_ = 1;
  for (const port::StepOrder& order : orders) {
    absl::StatusOr<port::StepReport> report = adapter_.Take(order);
    worker_.Show();
    // One that was not tried says so again when it is asked for.
    if (!report.ok() && taken_.empty()) return report.status();
    if (!report.ok()) break;
    taken_.push_back({order, *std::move(report)});
    if (!taken_.back().report.status.ok()) break;
  }
  return taken_.front().report;
}

grpc::ServerUnaryReactor* ShimService::Post(
    grpc::CallbackServerContext* context, absl::StatusOr<Orders> orders,
    Fill fill) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  if (!orders.ok()) {
    reactor->Finish(ToGrpc(orders.status()));
    return reactor;
  }
  const bool posted = worker_.TryPost(
      [this, reactor, orders = *std::move(orders), fill = std::move(fill)] {
        const absl::StatusOr<port::StepReport> report = Take(orders);
        if (report.ok()) fill(*report);
        reactor->Finish(ToGrpc(report.status()));
      });
  if (!posted) {
    reactor->Finish(ToGrpc(ErrorWithReason(
        absl::StatusCode::kResourceExhausted, "TOO_MANY_STEPS",
        absl::StrCat("more than ", ShimWorker::kJobsMax, " steps wait"))));
  }
  return reactor;
}

grpc::ServerUnaryReactor* ShimService::Inspect(
    grpc::CallbackServerContext* context, const v1::InspectRequest* request,
    v1::InspectResponse* response) {
  const port::AdapterReport last = worker_.Last();
  *response = ToProto(last, self_.version);
  response->set_shim_instance(self_.instance);
  if (request->incident() && last.incident != nullptr) {
    response->set_incident_attempt(last.incident->attempt);
    *response->mutable_incident() = ToProto(*last.incident);
  }
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* ShimService::Prepare(
    grpc::CallbackServerContext* context, const v1::PrepareRequest* request,
    v1::PrepareResponse* response) {
  return Post(context, OrdersOf(AdapterStep::kPrepare, *request),
              [response](const port::StepReport& report) {
                *response->mutable_result() = ResultOf(report);
              });
}

grpc::ServerUnaryReactor* ShimService::Pause(
    grpc::CallbackServerContext* context, const v1::PauseRequest* request,
    v1::PauseResponse* response) {
  return Post(context, OrdersOf(AdapterStep::kPause, *request),
              [response](const port::StepReport& report) {
                *response->mutable_result() = ResultOf(report);
                for (const port::CensusEntry& entry : report.census) {
                  *response->add_census() = ToProto(entry);
                }
              });
}

grpc::ServerUnaryReactor* ShimService::Save(
    grpc::CallbackServerContext* context, const v1::SaveRequest* request,
    v1::SaveResponse* response) {
  return Post(context, OrdersOf(AdapterStep::kSave, *request),
              [response](const port::StepReport& report) {
                *response->mutable_result() = ResultOf(report);
                *response->mutable_saved() = ToProto(report.saved);
              });
}

grpc::ServerUnaryReactor* ShimService::Cancel(
    grpc::CallbackServerContext* context, const v1::CancelRequest* request,
    v1::CancelResponse* response) {
  return Post(context, OrdersOf(AdapterStep::kCancel, *request),
              [response](const port::StepReport& report) {
                *response->mutable_result() = ResultOf(report);
                AddVgpus(report, *response);
              });
}

grpc::ServerUnaryReactor* ShimService::Unload(
    grpc::CallbackServerContext* context, const v1::UnloadRequest* request,
    v1::UnloadResponse* response) {
  return Post(context, OrdersOf(AdapterStep::kUnload, *request),
              [response](const port::StepReport& report) {
                *response->mutable_result() = ResultOf(report);
              });
}

grpc::ServerUnaryReactor* ShimService::Restore(
    grpc::CallbackServerContext* context, const v1::RestoreRequest* request,
    v1::RestoreResponse* response) {
  return Post(context, OrdersOf(AdapterStep::kRestore, *request),
              [response](const port::StepReport& report) {
                *response->mutable_result() = ResultOf(report);
              });
}

grpc::ServerUnaryReactor* ShimService::Verify(
    grpc::CallbackServerContext* context, const v1::VerifyRequest* request,
    v1::VerifyResponse* response) {
  return Post(context, OrdersOf(AdapterStep::kVerify, *request),
              [response](const port::StepReport& report) {
                *response->mutable_result() = ResultOf(report);
                AddVgpus(report, *response);
              });
}

grpc::ServerUnaryReactor* ShimService::Resume(
    grpc::CallbackServerContext* context, const v1::ResumeRequest* request,
    v1::ResumeResponse* response) {
  return Post(context, OrdersOf(AdapterStep::kResume, *request),
              [response](const port::StepReport& report) {
                *response->mutable_result() = ResultOf(report);
                AddVgpus(report, *response);
              });
}

grpc::ServerUnaryReactor* ShimService::Confirm(
    grpc::CallbackServerContext* context, const v1::ConfirmRequest* request,
    v1::ConfirmResponse* response) {
  return Post(context, OrdersOf(AdapterStep::kConfirm, *request),
              [response](const port::StepReport& report) {
                *response->mutable_result() = ResultOf(report);
                AddVgpus(report, *response);
              });
}

grpc::ServerUnaryReactor* ShimService::Commit(
    grpc::CallbackServerContext* context, const v1::CommitRequest* request,
    v1::CommitResponse* response) {
  return Post(context, OrdersOf(AdapterStep::kCommit, *request),
              [response](const port::StepReport& report) {
                *response->mutable_result() = ResultOf(report);
              });
}

}  // namespace baton::rpc
