#include "service/rpc/services.h"

#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/health_check_service_interface.h"

namespace baton::rpc {
namespace {

// More than gRPC's usual 4 MiB, so that a field that is far too long is refused
// by us, with a reason.
constexpr int kReceiveBytesMax = 8 << 20;

// A peer that does not answer a ping for this long is gone; its streams end.
constexpr int kPingEveryMs = 20'000;
constexpr int kPingAnswerMs = 10'000;
// Peers that ping more often than this are cut off.
constexpr int kPeerPingsEveryMs = 5'000;

void SetLimits(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kReceiveBytesMax);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kPingEveryMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kPingAnswerMs);
  builder.AddChannelArgument(
      GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kPeerPingsEveryMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // Two services on one port would share its callers at random.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

}  // namespace

std::unique_ptr<grpc::Server> Services::Serve(const std::string& address,
                                              int& port) {
  // Both must come before the builder, which copies what they set.
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  SetLimits(builder);
  port = 0;
  if (!address.empty()) {
    builder.AddListeningPort(address, grpc::InsecureServerCredentials(), &port);
  }
  for (grpc::Service* service : std::initializer_list<grpc::Service*>{
           &rollouts_, &fleet_, &drivers_, &audit_, &agents_}) {
    builder.RegisterService(service);
  }
  return builder.BuildAndStart();
}

}  // namespace baton::rpc
