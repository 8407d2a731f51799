#include "cli/connect.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "grpc/support/time.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "proto/status_codec.h"

namespace baton::cli {
namespace {

constexpr size_t kUserBytesMax = 63;

bool IsHostPort(absl::string_view server) {
  const size_t colon = server.rfind(':');
  int port = 0;
  return colon != absl::string_view::npos && colon > 0 &&
         absl::SimpleAtoi(server.substr(colon + 1), &port) && port > 0 &&
         port < 65536;
}

}  // namespace

std::shared_ptr<grpc::Channel> Dial(const std::string& server) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kAnswerBytesMax);
  // A proxy meant for the web must not see calls to the fleet.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // A service that was restarted is found within seconds, not minutes.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  // Whatever it is called, it bounds a try to connect: a service that is busy
  // is not away.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5000);
  // A machine that lost power says no goodbye. Servers allow a ping every five
  // minutes.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 6 * 60 * 1000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20 * 1000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  return grpc::CreateCustomChannel(server, grpc::InsecureChannelCredentials(),
                                   arguments);
}

absl::Status CheckServer(const std::string& server) {
  const bool unix_path = absl::StartsWith(server, "unix:") && server.size() > 5;
  if (unix_path || IsHostPort(server)) return absl::OkStatus();
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_SERVER",
                         absl::StrCat("got the server \"", server,
                                      "\", want unix:/path or host:port"));
}

absl::Status CheckUser(const std::string& user) {
  const bool visible = std::all_of(user.begin(), user.end(), [](char c) {
    return absl::ascii_isgraph(static_cast<unsigned char>(c));
  });
  if (visible && !user.empty() && user.size() <= kUserBytesMax) {
    return absl::OkStatus();
  }
  return ErrorWithReason(
      absl::StatusCode::kInvalidArgument, "BAD_USER",
      absl::StrCat("got the user \"", user, "\", want 1 to ", kUserBytesMax,
                   " visible ASCII characters"));
}

void Prepare(const std::string& user, absl::Duration timeout,
             grpc::ClientContext& context) {
  context.AddMetadata("baton-user", user);
  if (timeout == absl::InfiniteDuration()) return;
  // A span, not a date: no clock is asked.
  context.set_deadline(
      gpr_time_from_nanos(absl::ToInt64Nanoseconds(timeout), GPR_TIMESPAN));
}

absl::Status Understand(const grpc::Status& status, const std::string& server) {
  absl::Status ours = FromGrpc(status);
  if (ours.ok() || !Reason(ours).empty()) return ours;
  if (absl::IsUnavailable(ours)) {
    return ErrorWithReason(
        ours.code(), "SERVICE_AWAY",
        absl::StrCat("the service at \"", server,
                     "\" does not answer: ", ours.message()));
  }
  if (absl::IsDeadlineExceeded(ours)) {
    return ErrorWithReason(ours.code(), "NO_ANSWER_IN_TIME",
                           absl::StrCat("no answer from \"", server,
                                        "\" in time; whether it was done is "
                                        "unknown"));
  }
  return ours;
}

}  // namespace baton::cli
