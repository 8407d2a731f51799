#include "driver-shim/rpc/shim_service.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"
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

void Nothing(const port::StepReport&) {}

}  // namespace

absl::StatusOr<port::StepReport> ShimService::Take(const Orders& orders) {
  if (run_.orders.size() > 1) {
    if (const port::StepReport* known = port::Recall(run_, orders)) {
      port::StepReport report = *known;
      // Whoever asks again for what failed has it tried again.
      if (!report.status.ok()) run_ = {};
      adapter_.Keep(run_);
      return report;
    }
  }
  port::OrderedRun before = std::exchange(run_, {.orders = orders, .told = 1});
  adapter_.Keep(run_);
  if (absl::Status taken = TakeRest(); !taken.ok()) {
    // Nothing was tried: what others were told or not is as it was.
    run_ = std::move(before);
    adapter_.Keep(run_);
    return taken;
  }
  return run_.reports.front();
}

template <typename Response>
void ShimService::AddAhead(Response& response) const {
  if constexpr (requires { response.add_ahead(); }) {
    for (size_t at = run_.told; at < run_.reports.size(); ++at) {
      *response.add_ahead() = TakenOf(run_.orders[at].step, run_.reports[at]);
    }
  }
}

absl::Status ShimService::TakeRest() {
  while (run_.reports.size() < run_.orders.size()) {
    absl::StatusOr<port::StepReport> report =
        adapter_.Take(run_.orders[run_.reports.size()]);
    worker_.Show();
    // One that was not tried says so again when it is asked for.
    if (!report.ok()) {
      return run_.reports.empty() ? report.status() : absl::OkStatus();
    }
    run_.reports.push_back(*std::move(report));
    if (!run_.reports.back().status.ok()) break;
  }
  return absl::OkStatus();
}

void ShimService::GoOn() {
  run_ = adapter_.Kept();
  const bool failed = !run_.reports.empty() && !run_.reports.back().status.ok();
  if (failed || run_.reports.size() == run_.orders.size()) return;
  // Nobody stands still meanwhile, and the agent may have given it up.
  if (run_.orders[run_.reports.size()].step == port::AdapterStep::kPrepare) {
    run_ = {};
    return;
  }
  LogWarning(absl::StrCat("goes on with step ", run_.reports.size() + 1, " of ",
                          run_.orders.size(), " that were ordered"));
  const absl::Status taken = TakeRest();
  if (!taken.ok()) LogWarning(taken.message());
}

template <typename Response>
grpc::ServerUnaryReactor* ShimService::Post(
    grpc::CallbackServerContext* context, absl::StatusOr<Orders> orders,
    Response& response, Fill fill) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  if (!orders.ok()) {
    reactor->Finish(ToGrpc(orders.status()));
    return reactor;
  }
  const bool posted =
      worker_.TryPost([this, reactor, orders = *std::move(orders), &response,
                       fill = std::move(fill)] {
        const absl::StatusOr<port::StepReport> report = Take(orders);
        if (report.ok()) {
          *response.mutable_result() = ResultOf(*report);
          if (orders.size() > 1) AddAhead(response);
          fill(*report);
        }
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
  return Post(context, OrdersOf(AdapterStep::kPrepare, *request), *response,
              &Nothing);
}

grpc::ServerUnaryReactor* ShimService::Pause(
    grpc::CallbackServerContext* context, const v1::PauseRequest* request,
    v1::PauseResponse* response) {
  return Post(context, OrdersOf(AdapterStep::kPause, *request), *response,
              [response](const port::StepReport& report) {
                for (const port::CensusEntry& entry : report.census) {
                  *response->add_census() = ToProto(entry);
                }
              });
}

grpc::ServerUnaryReactor* ShimService::Save(
    grpc::CallbackServerContext* context, const v1::SaveRequest* request,
    v1::SaveResponse* response) {
  return Post(context, OrdersOf(AdapterStep::kSave, *request), *response,
              [response](const port::StepReport& report) {
                *response->mutable_saved() = ToProto(report.saved);
              });
}

grpc::ServerUnaryReactor* ShimService::Cancel(
    grpc::CallbackServerContext* context, const v1::CancelRequest* request,
    v1::CancelResponse* response) {
  return Post(context, OrdersOf(AdapterStep::kCancel, *request), *response,
              [response](const port::StepReport& report) {
                AddVgpus(report, *response);
              });
}

grpc::ServerUnaryReactor* ShimService::Unload(
    grpc::CallbackServerContext* context, const v1::UnloadRequest* request,
    v1::UnloadResponse* response) {
  return Post(context, OrdersOf(AdapterStep::kUnload, *request), *response,
              &Nothing);
}

grpc::ServerUnaryReactor* ShimService::Restore(
    grpc::CallbackServerContext* context, const v1::RestoreRequest* request,
    v1::RestoreResponse* response) {
  return Post(context, OrdersOf(AdapterStep::kRestore, *request), *response,
              &Nothing);
}

grpc::ServerUnaryReactor* ShimService::Verify(
    grpc::CallbackServerContext* context, const v1::VerifyRequest* request,
    v1::VerifyResponse* response) {
  return Post(context, OrdersOf(AdapterStep::kVerify, *request), *response,
              [response](const port::StepReport& report) {
                AddVgpus(report, *response);
              });
}

grpc::ServerUnaryReactor* ShimService::Resume(
    grpc::CallbackServerContext* context, const v1::ResumeRequest* request,
    v1::ResumeResponse* response) {
  return Post(context, OrdersOf(AdapterStep::kResume, *request), *response,
              [response](const port::StepReport& report) {
                AddVgpus(report, *response);
              });
}

grpc::ServerUnaryReactor* ShimService::Confirm(
    grpc::CallbackServerContext* context, const v1::ConfirmRequest* request,
    v1::ConfirmResponse* response) {
  return Post(context, OrdersOf(AdapterStep::kConfirm, *request), *response,
              [response](const port::StepReport& report) {
                AddVgpus(report, *response);
              });
}

grpc::ServerUnaryReactor* ShimService::Commit(
    grpc::CallbackServerContext* context, const v1::CommitRequest* request,
    v1::CommitResponse* response) {
  return Post(context, OrdersOf(AdapterStep::kCommit, *request), *response,
              &Nothing);
}

}  // namespace baton::rpc
