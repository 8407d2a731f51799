#include "agent/fetch.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "agent/link_deadline.h"
#include "base/mutex.h"
#include "base/reason.h"
#include "base/status_macros.h"
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

absl::Status Away(const std::string& driver) {
  return ErrorWithReason(
      absl::StatusCode::kDeadlineExceeded, "SERVICE_AWAY",
      absl::StrCat("the service was away too long to fetch '", driver, "'"));
}

// How often a wait for the service looks whether it shall be given up.
constexpr absl::Duration kLook = absl::Milliseconds(100);

// A service that answers but cannot give anything is not asked all the time.
void Wait(absl::Duration time) {
  Mutex mu;
  CondVar never;
  MutexLock lock(mu);
  never.WaitFor(mu, time);
}

}  // namespace

// One package on its way, over as many streams as it takes.
struct ServiceFetcher::Download {
  const std::string& driver;
  const std::atomic<bool>& stop;
  const Sink& sink;
  const Clock& clock;
  absl::Duration end = absl::ZeroDuration();  // on the monotonic clock
  uint64_t next = 0;                          // byte
  bool broken = false;  // the last stream ended because the service went away

  absl::Duration Left() const { return end - clock.Monotonic(); }
};

absl::Status ServiceFetcher::Fetch(const std::string& driver,
                                   uint64_t offset_bytes,
                                   absl::Duration deadline,
                                   const std::atomic<bool>& stop,
                                   const Sink& sink) {
  Download download = {.driver = driver,
                       .stop = stop,
                       .sink = sink,
                       .clock = clock_,
                       .end = clock_.Monotonic() + deadline,
                       .next = offset_bytes};
  while (true) {
    RETURN_IF_ERROR(AwaitService(download));
    const uint64_t before = download.next;
    absl::Status status = ReadStream(download);
    if (!download.broken) return status;
    if (download.next == before) Wait(std::min(kLook, download.Left()));
  }
}

absl::Status ServiceFetcher::AwaitService(const Download& download) {
  while (!download.stop.load()) {
    if (download.Left() <= absl::ZeroDuration()) return Away(download.driver);
    if (channel_->WaitForConnected(
            GprDeadline(std::min(kLook, download.Left())))) {
      return absl::OkStatus();
    }
  }
  return Stopped(download.driver);
}

absl::Status ServiceFetcher::ReadStream(Download& download) {
  grpc::ClientContext context;
  SetDeadline(download.Left(), context);
  v1::DownloadDriverRequest request;
  request.set_name(download.driver);
  request.set_offset_bytes(download.next);
  const auto reader = stub_->DownloadDriver(&context, request);
  v1::DownloadDriverResponse piece;
  absl::Status ours = absl::OkStatus();
  while (ours.ok() && reader->Read(&piece)) {
    if (download.stop.load()) {
      ours = Stopped(download.driver);
    } else if (piece.offset_bytes() != download.next) {
      ours = OutOfOrder(download.driver, piece.offset_bytes(), download.next);
    } else {
      ours = download.sink(piece.chunk());
      download.next += piece.chunk().size();
    }
  }
  if (!ours.ok()) context.TryCancel();
  const absl::Status theirs = FromGrpc(reader->Finish());
  download.broken = ours.ok() && absl::IsUnavailable(theirs);
  return ours.ok() ? theirs : ours;
}

}  // namespace baton::agent
