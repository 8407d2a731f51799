#include "service/server.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/fail_point.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "grpcpp/health_check_service_interface.h"
#include "service/core/fleet.h"
#include "service/store/sqlite_store.h"

namespace baton {
namespace {

// How long callers may take to get the answers of what they asked before.
constexpr absl::Duration kGrace = absl::Seconds(2);

// Jobs for the disk that may wait. Each holds at most 1 MiB.
constexpr size_t kDepotJobsMax = 256;

// A host is lost after this many heartbeats that did not come, but not before
// the agents of a busy machine had a chance to be scheduled.
constexpr int kHeartbeatsMissed = 5;
constexpr absl::Duration kLostAfterMin = absl::Seconds(3);

absl::Status Unavailable(absl::string_view reason, absl::string_view message) {
  return ErrorWithReason(absl::StatusCode::kUnavailable, reason, message);
}

// Whether somebody answers on the unix socket at `path`. gRPC would take the
// name away from whoever it is.
bool IsAnswered(const std::string& path) {
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, path.data(),
              std::min(path.size(), sizeof(name.sun_path) - 1));
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  const bool answered = ::connect(fd, reinterpret_cast<const sockaddr*>(&name),
                                  sizeof(name)) == 0;
  ::close(fd);
  return answered;
}

// Replaces the file at `path` in one step, so that nobody reads half of it.
absl::Status WriteAddressFile(const std::string& path,
                              const std::string& address) {
  const std::string next = path + ".next";
  std::FILE* file = std::fopen(next.c_str(), "we");
  const bool written =
      file != nullptr && std::fputs(address.c_str(), file) >= 0;
  const bool closed = file != nullptr && std::fclose(file) == 0;
  if (written && closed && std::rename(next.c_str(), path.c_str()) == 0) {
    return absl::OkStatus();
  }
  return Unavailable("ADDRESS_FILE_NOT_WRITTEN",
                     absl::StrCat("cannot write \"", path, "\": ",
                                  std::generic_category().message(errno)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(
    const ServiceOptions& options, OnFailure on_failure) {
  auto server = std::unique_ptr<Server>(new Server());
  RETURN_IF_ERROR(server->OpenData(options));
  ASSIGN_OR_RETURN(core::Fleet fleet, server->store_->Load());
  // Before the loop, whose first commit needs room: a package that filled the
  // disk and is in no commit must not keep the service from starting.
  RETURN_IF_ERROR(server->OpenDepot(options, fleet));
  RETURN_IF_ERROR(server->OpenLoop(options, std::move(fleet)));
  server->room_.reset(new rpc::DriverRoom{*server->loop_, server->streams_,
                                          *server->depot_, *server->worker_,
                                          server->index_});
  server->services_ = std::make_unique<rpc::Services>(*server->room_);
  server->loop_thread_ =
      std::thread([loop = server->loop_.get(), failed = std::move(on_failure)] {
        const absl::Status ended = loop->Run();
        if (!ended.ok()) failed(ended);
      });
  if (!options.metrics_listen.empty()) {
    ASSIGN_OR_RETURN(
        server->metrics_,
        metrics::Endpoint::Listen(options.metrics_listen, *server->loop_));
  }
  FAIL_POINT("service.before_listen");
  RETURN_IF_ERROR(server->Listen(options));
  FAIL_POINT("service.after_listen");
  return server;
}

absl::Status Server::OpenData(const ServiceOptions& options) {
  ASSIGN_OR_RETURN(lock_, DataLock::Take(options.data));
  disk_ = std::make_unique<DataDisk>(options.data);
  ASSIGN_OR_RETURN(
      store_, store::OpenSqliteStore({.path = options.data + "/baton.db"}));
  return absl::OkStatus();
}

absl::Status Server::OpenDepot(const ServiceOptions& options,
                               const core::Fleet& fleet) {
  ASSIGN_OR_RETURN(
      depot_,
      depot::Depot::Open(options.data + "/packages",
                         {.free_bytes = [this] { return disk_->FreeBytes(); },
                          .reserve_bytes = options.disk_reserve_bytes}));
  std::vector<depot::Package> packages;
  for (const auto& [name, driver] : fleet.drivers) {
    packages.push_back(
        {.digest = driver.digest, .size_bytes = driver.size_bytes});
    index_.Set(name, driver.digest);
  }
  RETURN_IF_ERROR(depot_->Reconcile(packages));
  worker_ = std::make_unique<depot::Worker>(kDepotJobsMax);
  return absl::OkStatus();
}

absl::Status Server::OpenLoop(const ServiceOptions& options,
                              core::Fleet fleet) {
  const runtime::FleetLoop::Options loop_options = {
      .heartbeat = options.heartbeat,
      .lost_after =
          std::max(kLostAfterMin, kHeartbeatsMissed * options.heartbeat),
      .disk_reserve_bytes = options.disk_reserve_bytes};
  ASSIGN_OR_RETURN(loop_, runtime::FleetLoop::Create(
                              loop_options, {RealClock(), *store_, disk_.get()},
                              std::move(fleet)));
  return absl::OkStatus();
}

absl::Status Server::Listen(const ServiceOptions& options) {
  absl::string_view path = options.listen;
  const bool is_unix = absl::ConsumePrefix(&path, "unix:");
  if (is_unix && IsAnswered(std::string(path))) {
    return ErrorWithReason(
        absl::StatusCode::kFailedPrecondition, "LISTEN_ADDRESS_IN_USE",
        absl::StrCat("somebody answers on \"", options.listen, "\" already"));
  }
  int port = 0;
  grpc_ = services_->Serve(options.listen, port);
  if (grpc_ == nullptr || port == 0) {
    return Unavailable(
        "CANNOT_LISTEN",
        absl::StrCat("cannot listen on \"", options.listen,
                     "\": it is taken, or its directory is missing"));
  }
  const absl::string_view host =
      absl::string_view(options.listen).substr(0, options.listen.rfind(':'));
  address_ = is_unix ? options.listen : absl::StrCat(host, ":", port);
  if (options.address_file.empty()) return absl::OkStatus();
  return WriteAddressFile(options.address_file, address_);
}

Server::~Server() {
  metrics_ = nullptr;
  if (grpc_ != nullptr) {
    grpc_->GetHealthCheckService()->Shutdown();
    streams_.EndAll(Unavailable("SERVICE_STOPPING", "the service stops"));
    grpc_->Shutdown(absl::ToChronoTime(RealClock().Now() + kGrace));
    grpc_->Wait();
  }
  // The loop still runs, so whatever a job starts there comes to its end.
  if (worker_ != nullptr) worker_->Drain();
  if (loop_thread_.joinable()) {
    loop_->Stop();
    loop_thread_.join();
  }
  // Uploads that the loop let go of clean up after themselves.
  worker_ = nullptr;
  grpc_ = nullptr;
}

}  // namespace baton
