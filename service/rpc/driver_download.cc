#include "service/rpc/driver_download.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "proto/status_codec.h"
#include "service/core/errors.h"
#include "service/core/names.h"
#include "service/rpc/field_limits.h"

namespace baton::rpc {
namespace {

constexpr size_t kPieceBytes = size_t{256} << 10;

}  // namespace

DownloadStream* DownloadStream::Open(DriverRoom& room,
                                     const v1::DownloadDriverRequest& request) {
  auto stream =
      std::shared_ptr<DownloadStream>(new DownloadStream(room, request));
  stream->self_ = stream;
  DownloadStream* const reactor = stream.get();
  room.streams.Add(stream);
  if (!reactor->gate_.Enter()) return reactor;
  const absl::Status started = reactor->Start(request);
  if (!started.ok()) reactor->GiveUp(started);
  return reactor;
}

absl::Status DownloadStream::Start(const v1::DownloadDriverRequest& request) {
  RETURN_IF_ERROR(CheckFieldSizes(request, Speaker::kOperator));
  RETURN_IF_ERROR(core::CheckDriverName(name_));
  return room_.loop.Read([self = shared_from_this()](const absl::Status& status,
                                                     const core::Fleet& fleet) {
    const absl::Status begun = self->Begin(status, fleet);
    if (!begun.ok()) self->GiveUp(begun);
  });
}

absl::Status DownloadStream::Begin(const absl::Status& status,
                                   const core::Fleet& fleet) {
  RETURN_IF_ERROR(status);
  const core::Driver* driver = core::FindDriver(fleet, name_);
  if (driver == nullptr) return core::DriverNotFoundError(name_);
  package_ = {.digest = driver->digest, .size_bytes = driver->size_bytes};
  if (next_ > package_.size_bytes) {
    return ErrorWithReason(
        absl::StatusCode::kInvalidArgument, "OFFSET_PAST_END",
        absl::StrCat("offset_bytes: got ", next_, ", want at most ",
                     package_.size_bytes, ", the size of \"", name_, "\""));
  }
  return Continue();
}

absl::Status DownloadStream::Continue() {
  return PostJob(room_, [self = shared_from_this()] {
    self->SendPiece(
        self->room_.depot.Read(self->package_, self->next_, kPieceBytes));
  });
}

void DownloadStream::SendPiece(absl::StatusOr<std::string> bytes) {
  if (!bytes.ok()) {
    // A package that is gone because its driver is, is not damaged.
    const bool deleted = room_.index.DigestOf(name_) != package_.digest;
    return GiveUp(deleted ? core::DriverNotFoundError(name_) : bytes.status());
  }
  if (bytes->empty() || gate_.ending()) return GiveUp(absl::OkStatus());
  response_.set_offset_bytes(next_);
  next_ += bytes->size();
  response_.set_chunk(*std::move(bytes));
  StartWrite(&response_);
}

void DownloadStream::OnWriteDone(bool ok) {
  if (!ok) return GiveUp(absl::CancelledError("the caller is gone"));
  const absl::Status continued = Continue();
  if (!continued.ok()) GiveUp(continued);
}

void DownloadStream::GiveUp(const absl::Status& why) {
  End(why);
  FinishIf(gate_.Leave());
}

void DownloadStream::OnCancel() {
  End(absl::CancelledError("the caller is gone"));
}

void DownloadStream::OnDone() {
  const auto self = std::exchange(self_, nullptr);
  room_.streams.Remove(this);
}

void DownloadStream::FinishIf(const std::optional<absl::Status>& due) {
  if (due.has_value()) Finish(ToGrpc(*due));
}

}  // namespace baton::rpc
