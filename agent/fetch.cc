#include "agent/fetch.h"

#include "absl/strings/str_cat.h"
#include "agent/link_deadline.h"
#include "base/reason.h"
#include "grpcpp/client_context.h"
#include "proto/status_codec.h"

namespace baton::agent {
namespace {

absl::Status Stopped(const std::string& driver) {
  return ErrorWithReason(
      absl::StatusCode::kCancelled, "STAGING_STOPPED",
      absl::StrCat("the download of '", driver, "' was given up"));
}

absl::Status OutOfOrder(const std::string& driver, uint64_t got,
                        uint64_t want) {
  return ErrorWithReason(absl::StatusCode::kDataLoss, "PACKAGE_DIGEST_MISMATCH",
                         absl::StrCat("a piece of '", driver, "' is from byte ",
                                      got, ", want ", want));
}

}  // namespace

absl::Status ServiceFetcher::Fetch(const std::string& driver,
                                   uint64_t offset_bytes,
                                   absl::Duration deadline,
                                   const std::atomic<bool>& stop,
                                   const Sink& sink) {
  grpc::ClientContext context;
  SetDeadline(deadline, context);
  v1::DownloadDriverRequest request;
  request.set_name(driver);
  request.set_offset_bytes(offset_bytes);
  const auto reader = stub_->DownloadDriver(&context, request);
  v1::DownloadDriverResponse piece;
  absl::Status ours = absl::OkStatus();
  uint64_t next = offset_bytes;
  while (ours.ok() && reader->Read(&piece)) {
    if (stop.load()) {
      ours = Stopped(driver);
    } else if (piece.offset_bytes() != next) {
      ours = OutOfOrder(driver, piece.offset_bytes(), next);
    } else {
      ours = sink(piece.chunk());
      next += piece.chunk().size();
    }
  }
  if (!ours.ok()) context.TryCancel();
  const grpc::Status theirs = reader->Finish();
  return ours.ok() ? FromGrpc(theirs) : ours;
}

}  // namespace baton::agent
