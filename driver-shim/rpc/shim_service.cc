#include "driver-shim/rpc/shim_service.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "driver-shim/rpc/convert.h"
#include "proto/status_codec.h"

namespace baton::rpc {
namespace {

using port::AdapterStep;

// The order of a request that names an image.
template <typename Request>
absl::StatusOr<port::StepOrder> OrderWithImage(AdapterStep step,
                                               const Request& request) {
  absl::StatusOr<port::StepOrder> order = OrderFrom(step, request.order());
  if (!order.ok()) return order;
  absl::StatusOr<port::DriverImage> image = ImageFrom(request.image());
  if (!image.ok()) return image.status();
  order->image = *std::move(image);
  return order;
}

// What surely comes next while guests stand still.
std::vector<AdapterStep> Following(AdapterStep step) {
  switch (step) {
    case AdapterStep::kPause:
      return {AdapterStep::kSave};
    case AdapterStep::kRestore:
      return {AdapterStep::kVerify, AdapterStep::kResume};
    case AdapterStep::kPrepare:
    case AdapterStep::kSave:
    case AdapterStep::kCancel:
    case AdapterStep::kUnload:
    case AdapterStep::kVerify:
    case AdapterStep::kResume:
    case AdapterStep::kConfirm:
    case AdapterStep::kCommit:
      return {};
  }
  return {};
}

template <typename Response>
void AddVgpus(const port::StepReport& report, Response& response) {
  for (const port::VirtualGpuResult& vgpu : report.vgpus) {
    *response.add_vgpus() = ToProto(vgpu);
  }
}

}  // namespace

absl::StatusOr<port::StepReport> ShimService::Take(
    const port::StepOrder& order) {
  const auto ahead = ahead_.find(order.step);
  if (ahead == ahead_.end() || ahead_attempt_ != order.attempt) {
    ahead_.clear();
    return adapter_.Take(order);
  }
  port::StepReport report = ahead->second;
  // Whoever asks again for what failed has it tried again.
  if (!report.status.ok()) ahead_.erase(ahead);
  return report;
}

void ShimService::RunAheadOf(const port::StepOrder& order,
                             const port::StepReport& report) {
  if (!ahead_.empty()) return;  // a repeat: it was done before
  ahead_attempt_ = order.attempt;
  ahead_[order.step] = report;
  for (const AdapterStep step : Following(order.step)) {
    const port::StepOrder next = {
        .step = step, .attempt = order.attempt, .deadline = order.deadline};
    const absl::StatusOr<port::StepReport> taken = adapter_.Take(next);
    worker_.Show();
    // One that was not tried says so again when it is asked for.
    if (!taken.ok()) return;
    ahead_[step] = *taken;
    if (!taken->status.ok()) return;
  }
}

grpc::ServerUnaryReactor* ShimService::Post(
    grpc::CallbackServerContext* context, absl::StatusOr<port::StepOrder> order,
    Fill fill) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  if (!order.ok()) {
    reactor->Finish(ToGrpc(order.status()));
    return reactor;
  }
  const bool posted = worker_.TryPost(
      [this, reactor, order = *std::move(order), fill = std::move(fill)] {
        const absl::StatusOr<port::StepReport> report = Take(order);
        if (report.ok()) fill(*report);
        worker_.Show();
        const bool succeeded = report.ok() && report->status.ok();
        reactor->Finish(ToGrpc(report.status()));
        if (succeeded && order.run_ahead == port::RunAhead::kYes) {
          RunAheadOf(order, *report);
        }
      });
  if (!posted) {
    reactor->Finish(ToGrpc(ErrorWithReason(
        absl::StatusCode::kResourceExhausted, "TOO_MANY_STEPS",
        absl::StrCat("more than ", ShimWorker::kJobsMax, " steps wait"))));
  }
  return reactor;
}

grpc::ServerUnaryReactor* ShimService::Inspect(
    grpc::CallbackServerContext* context, const v1::InspectRequest*,
    v1::InspectResponse* response) {
  *response = ToProto(worker_.Last(), self_.version);
  response->set_shim_instance(self_.instance);
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* ShimService::Prepare(
    grpc::CallbackServerContext* context, const v1::PrepareRequest* request,
    v1::PrepareResponse* response) {
  return Post(context, OrderWithImage(AdapterStep::kPrepare, *request),
              [response](const port::StepReport& report) {
                *response->mutable_result() = ResultOf(report);
              });
}

grpc::ServerUnaryReactor* ShimService::Pause(
    grpc::CallbackServerContext* context, const v1::PauseRequest* request,
    v1::PauseResponse* response) {
  return Post(context, OrderFrom(AdapterStep::kPause, request->order()),
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
  return Post(context, OrderFrom(AdapterStep::kSave, request->order()),
              [response](const port::StepReport& report) {
                *response->mutable_result() = ResultOf(report);
                *response->mutable_saved() = ToProto(report.saved);
              });
}

grpc::ServerUnaryReactor* ShimService::Cancel(
    grpc::CallbackServerContext* context, const v1::CancelRequest* request,
    v1::CancelResponse* response) {
  return Post(context, OrderFrom(AdapterStep::kCancel, request->order()),
              [response](const port::StepReport& report) {
                *response->mutable_result() = ResultOf(report);
                AddVgpus(report, *response);
              });
}

grpc::ServerUnaryReactor* ShimService::Unload(
    grpc::CallbackServerContext* context, const v1::UnloadRequest* request,
    v1::UnloadResponse* response) {
  return Post(context, OrderFrom(AdapterStep::kUnload, request->order()),
              [response](const port::StepReport& report) {
                *response->mutable_result() = ResultOf(report);
              });
}

grpc::ServerUnaryReactor* ShimService::Restore(
    grpc::CallbackServerContext* context, const v1::RestoreRequest* request,
    v1::RestoreResponse* response) {
  return Post(context, OrderWithImage(AdapterStep::kRestore, *request),
              [response](const port::StepReport& report) {
                *response->mutable_result() = ResultOf(report);
              });
}

grpc::ServerUnaryReactor* ShimService::Verify(
    grpc::CallbackServerContext* context, const v1::VerifyRequest* request,
    v1::VerifyResponse* response) {
  return Post(context, OrderFrom(AdapterStep::kVerify, request->order()),
              [response](const port::StepReport& report) {
                *response->mutable_result() = ResultOf(report);
                AddVgpus(report, *response);
              });
}

grpc::ServerUnaryReactor* ShimService::Resume(
    grpc::CallbackServerContext* context, const v1::ResumeRequest* request,
    v1::ResumeResponse* response) {
  return Post(context, OrderFrom(AdapterStep::kResume, request->order()),
              [response](const port::StepReport& report) {
                *response->mutable_result() = ResultOf(report);
                AddVgpus(report, *response);
              });
}

grpc::ServerUnaryReactor* ShimService::Confirm(
    grpc::CallbackServerContext* context, const v1::ConfirmRequest* request,
    v1::ConfirmResponse* response) {
  return Post(context, OrderFrom(AdapterStep::kConfirm, request->order()),
              [response](const port::StepReport& report) {
                *response->mutable_result() = ResultOf(report);
                AddVgpus(report, *response);
              });
}

grpc::ServerUnaryReactor* ShimService::Commit(
    grpc::CallbackServerContext* context, const v1::CommitRequest* request,
    v1::CommitResponse* response) {
  return Post(context, OrderFrom(AdapterStep::kCommit, request->order()),
              [response](const port::StepReport& report) {
                *response->mutable_result() = ResultOf(report);
              });
}

}  // namespace baton::rpc
