#include "proto/status_codec.h"

#include <string>

#include "base/reason.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace baton {
namespace {

constexpr char kDomain[] = "baton.v1";

// Returns the reason in `details`, or "" when there is none of ours.
std::string ReasonIn(const std::string& details) {
  google::rpc::Status rpc;
  if (details.empty() || !rpc.ParseFromString(details)) return "";
  for (const google::protobuf::Any& detail : rpc.details()) {
    google::rpc::ErrorInfo info;
    if (detail.UnpackTo(&info) && info.domain() == kDomain) {
      return info.reason();
    }
  }
  return "";
}

}  // namespace

grpc::Status ToGrpc(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  google::rpc::Status rpc;
  rpc.set_code(static_cast<int>(status.code()));
  rpc.set_message(std::string(status.message()));
  if (const std::string reason = Reason(status); !reason.empty()) {
    google::rpc::ErrorInfo info;
    info.set_reason(reason);
    info.set_domain(kDomain);
    rpc.add_details()->PackFrom(info);
  }
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                      rpc.message(), rpc.SerializeAsString());
}

absl::Status FromGrpc(const grpc::Status& status) {
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  const std::string reason = ReasonIn(status.error_details());
  if (code == absl::StatusCode::kOk || reason.empty()) {
    return absl::Status(code, status.error_message());
  }
  return ErrorWithReason(code, reason, status.error_message());
}

}  // namespace baton
