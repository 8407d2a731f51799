#include "proto/status_codec.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/reason.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace baton {
namespace {

constexpr char kDomain[] = "baton.v1";

// A status travels in trailers, twice, of which most clients take 8 KiB in all;
// with more they throw it away, reason and all. In one of its two places a byte
// that is not ASCII takes three.
constexpr size_t kMessageBytesMax = 1536;

// Returns as much of `message` as fits, cut between two characters.
std::string Fitting(absl::string_view message) {
  constexpr absl::string_view kMore = "...";
  if (message.size() <= kMessageBytesMax) return std::string(message);
  size_t end = kMessageBytesMax - kMore.size();
  while (end > 0 && (static_cast<unsigned char>(message[end]) & 0xc0) == 0x80) {
    --end;
  }
  return absl::StrCat(message.substr(0, end), kMore);
}

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
  rpc.set_message(Fitting(status.message()));
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
