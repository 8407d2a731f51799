#include "service/rpc/fleet_service.h"

#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "service/core/errors.h"
#include "service/core/explain.h"
#include "service/core/names.h"
#include "service/core/selector.h"
#include "service/rpc/calls.h"
#include "service/rpc/convert.h"
#include "service/rpc/field_limits.h"
#include "service/rpc/page.h"
#include "service/rpc/watch_stream.h"

namespace baton::rpc {
namespace {

absl::StatusOr<core::Selector> ParseFilter(const std::string& filter) {
  return core::Selector::Parse(filter.empty() ? "*" : filter);
}

absl::Status FillHost(const core::Fleet& fleet, const std::string& name,
                      v1::Host& host) {
  RETURN_IF_ERROR(core::CheckHostName(name));
  const core::Host* found = core::FindHost(fleet, name);
  if (found == nullptr) return core::HostNotFoundError(name);
  host = ToProto(*found);
  return absl::OkStatus();
}

absl::Status FillHosts(const core::Fleet& fleet,
                       const v1::ListHostsRequest& request,
                       v1::ListHostsResponse& response) {
  const std::string query = absl::StrCat("hosts?", request.filter());
  ASSIGN_OR_RETURN(const Page page,
                   ParsePage(request.page_size(), request.page_token(), query));
  ASSIGN_OR_RETURN(const core::Selector filter, ParseFilter(request.filter()));
  response.set_next_page_token(ForPage(
      page, fleet.hosts, query,
      [&filter](const core::Host& host) {
        return filter.Matches(core::LabelsOf(host));
      },
      [&response](const auto& entry) {
        *response.add_hosts() = ToProto(entry.second);
        return response.hosts().rbegin()->ByteSizeLong();
      }));
  return absl::OkStatus();
}

// The hosts that match a filter. Keys are names of hosts.
class HostView final : public WatchView<v1::WatchHostsResponse> {
 public:
  explicit HostView(core::Selector filter) : filter_(std::move(filter)) {}

  absl::Status Begin(const core::Fleet& fleet,
                     std::set<std::string>& keys) override {
    for (const auto& [name, host] : fleet.hosts) keys.insert(name);
    return absl::OkStatus();
  }

  void Collect(const core::Changes& changes,
               std::set<std::string>& keys) const override {
    keys.insert(changes.hosts.begin(), changes.hosts.end());
    keys.insert(changes.seen_hosts.begin(), changes.seen_hosts.end());
  }

  absl::StatusOr<Filled> Fill(const core::Fleet& fleet,
                              std::set<std::string>& keys,
                              v1::WatchHostsResponse& response) override {
    response.set_revision(fleet.revision);
    size_t bytes = 0;
    while (!keys.empty() && bytes < kWatchBytesMax) {
      const std::string name = std::move(keys.extract(keys.begin()).value());
      const core::Host* host = core::FindHost(fleet, name);
      if (host != nullptr && IsShown(*host)) {
        *response.add_hosts() = ToProto(*host);
        bytes += response.hosts().rbegin()->ByteSizeLong();
      } else if (host == nullptr && shown_.erase(name) > 0) {
        response.add_deleted(name);
        bytes += name.size();
      }
    }
    const bool first = std::exchange(first_, false);
    const bool some = response.hosts_size() + response.deleted_size() > 0;
    return first || some ? Filled::kMessage : Filled::kNothing;
  }

 private:
  // A host that matches no longer is shown once more, so that whoever watches
  // learns of it.
  bool IsShown(const core::Host& host) {
    if (filter_.Matches(core::LabelsOf(host))) {
      shown_.insert(host.name);
      return true;
    }
    return shown_.erase(host.name) > 0;
  }

  const core::Selector filter_;
  std::set<std::string> shown_;
  bool first_ = true;
};

absl::StatusOr<WatchStream<v1::WatchHostsResponse>::View> MakeView(
    const v1::WatchHostsRequest& request) {
  RETURN_IF_ERROR(CheckFieldSizes(request, Speaker::kOperator));
  ASSIGN_OR_RETURN(core::Selector filter, ParseFilter(request.filter()));
  return std::make_unique<HostView>(std::move(filter));
}

}  // namespace

grpc::ServerUnaryReactor* FleetService::ListHosts(
    grpc::CallbackServerContext* context, const v1::ListHostsRequest* request,
    v1::ListHostsResponse* response) {
  return Look(context, *request, loop_, [=](const core::Fleet& fleet) {
    return FillHosts(fleet, *request, *response);
  });
}

grpc::ServerUnaryReactor* FleetService::GetHost(
    grpc::CallbackServerContext* context, const v1::GetHostRequest* request,
    v1::GetHostResponse* response) {
  return Look(context, *request, loop_, [=](const core::Fleet& fleet) {
    return FillHost(fleet, request->name(), *response->mutable_host());
  });
}

grpc::ServerUnaryReactor* FleetService::UpdateHost(
    grpc::CallbackServerContext* context, const v1::UpdateHostRequest* request,
    v1::UpdateHostResponse* response) {
  core::UpdateHostLabels change = {
      .host = request->name(),
      .labels = FromProto(request->operator_labels()),
      .etag = request->etag(),
      .request_id = request->request_id()};
  return Change(context, *request, std::move(change), loop_,
                [=](const core::Fleet& fleet) {
                  return FillHost(fleet, request->name(),
                                  *response->mutable_host());
                });
}

grpc::ServerUnaryReactor* FleetService::CordonHost(
    grpc::CallbackServerContext* context, const v1::CordonHostRequest* request,
    v1::CordonHostResponse* response) {
  core::CordonHost change = {.host = request->name(),
                             .reason = request->reason(),
                             .etag = request->etag(),
                             .request_id = request->request_id()};
  return Change(context, *request, std::move(change), loop_,
                [=](const core::Fleet& fleet) {
                  return FillHost(fleet, request->name(),
                                  *response->mutable_host());
                });
}

grpc::ServerUnaryReactor* FleetService::UncordonHost(
    grpc::CallbackServerContext* context,
    const v1::UncordonHostRequest* request,
    v1::UncordonHostResponse* response) {
  core::UncordonHost change = {.host = request->name(),
                               .etag = request->etag(),
                               .request_id = request->request_id()};
  return Change(context, *request, std::move(change), loop_,
                [=](const core::Fleet& fleet) {
                  return FillHost(fleet, request->name(),
                                  *response->mutable_host());
                });
}

grpc::ServerWriteReactor<v1::WatchHostsResponse>* FleetService::WatchHosts(
    grpc::CallbackServerContext*, const v1::WatchHostsRequest* request) {
  return WatchStream<v1::WatchHostsResponse>::Open(MakeView(*request), loop_,
                                                   streams_);
}

grpc::ServerUnaryReactor* FleetService::ExplainHost(
    grpc::CallbackServerContext* context, const v1::ExplainHostRequest* request,
    v1::ExplainHostResponse* response) {
  return Look(context, *request, loop_,
              [=](const core::Fleet& fleet) -> absl::Status {
                RETURN_IF_ERROR(core::CheckHostName(request->name()));
                ASSIGN_OR_RETURN(const core::Explanation explanation,
                                 core::ExplainHost(fleet, request->name()));
                *response->mutable_explanation() = ToProto(explanation);
                return absl::OkStatus();
              });
}

}  // namespace baton::rpc
