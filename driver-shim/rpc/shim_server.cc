#include "driver-shim/rpc/shim_server.h"

#include <sys/stat.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"

namespace baton::rpc {
namespace {

// No request comes near it.
constexpr int kRequestBytesMax = 1 << 20;

}  // namespace

absl::StatusOr<std::unique_ptr<grpc::Server>> StartShimServer(
    const std::string& listen, ShimService& service) {
  if (!absl::StartsWith(listen, "unix:")) {
    return ErrorWithReason(
        absl::StatusCode::kInvalidArgument, "BAD_LISTEN",
        absl::StrCat("listen address '", listen, "' is not 'unix:PATH'"));
  }
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(kRequestBytesMax);
  builder.AddListeningPort(listen, grpc::InsecureServerCredentials());
  builder.RegisterService(&service);
  const mode_t mask = umask(S_IRWXG | S_IRWXO);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  umask(mask);
  if (server != nullptr) return server;
  return ErrorWithReason(absl::StatusCode::kUnavailable, "LISTEN_FAILED",
                         absl::StrCat("cannot listen on '", listen, "'"));
}

}  // namespace baton::rpc
