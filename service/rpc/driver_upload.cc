#include "service/rpc/driver_upload.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "proto/status_codec.h"
#include "service/core/event.h"
#include "service/core/names.h"
#include "service/rpc/caller.h"
#include "service/rpc/convert.h"
#include "service/rpc/field_limits.h"

namespace baton::rpc {
namespace {

absl::Status HeaderMissingError() {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument,
                         "UPLOAD_HEADER_MISSING",
                         "the first message of an upload must be its header");
}

}  // namespace

UploadStream* UploadStream::Open(DriverRoom& room,
                                 const grpc::CallbackServerContext& context,
                                 v1::UploadDriverResponse& response) {
  auto stream =
      std::shared_ptr<UploadStream>(new UploadStream(room, context, response));
  stream->self_ = stream;
  UploadStream* const reactor = stream.get();
  if (reactor->gate_.Enter()) reactor->Settle(absl::OkStatus());
  room.streams.Add(stream);
  return reactor;
}

UploadStream::~UploadStream() {
  if (upload_ == nullptr) return;
  room_.worker.PostCleanup(
      [upload = std::move(upload_)]() mutable { upload = nullptr; });
  ForgetPackage(room_, header_.digest());
}

void UploadStream::OnReadDone(bool ok) {
  if (!gate_.Enter()) return;
  const absl::Status taken = ok ? Take(request_) : TakeEnd();
  if (!taken.ok()) Settle(taken);
}

absl::Status UploadStream::Take(const v1::UploadDriverRequest& request) {
  RETURN_IF_ERROR(CheckFieldSizes(request, Speaker::kOperator));
  switch (request.part_case()) {
    case v1::UploadDriverRequest::kHeader:
      return TakeHeader(request.header());
    case v1::UploadDriverRequest::kChunk:
      return TakeChunk();
    case v1::UploadDriverRequest::PART_NOT_SET:
      break;
  }
  return HeaderMissingError();
}

absl::Status UploadStream::TakeHeader(const v1::UploadDriverHeader& header) {
  if (!caller_.empty()) {
    return ErrorWithReason(
        absl::StatusCode::kInvalidArgument, "UPLOAD_HEADER_REPEATED",
        absl::StrCat("upload of \"", header_.name(), "\" has a second header"));
  }
  RETURN_IF_ERROR(core::CheckDriverName(header.name()));
  // Said early, to spare the caller the upload; Apply() says it for good.
  const std::string digest = room_.index.DigestOf(header.name());
  if (!digest.empty() && digest != header.digest()) {
    return ErrorWithReason(
        absl::StatusCode::kAlreadyExists, "DRIVER_EXISTS",
        absl::StrCat("driver \"", header.name(), "\" exists with digest \"",
                     digest, "\", got \"", header.digest(), "\""));
  }
  header_ = header;
  ASSIGN_OR_RETURN(caller_, CallerOf(context_));
  return PostJob(room_, [self = shared_from_this()] {
    auto upload = self->room_.depot.StartUpload(
        self->header_.name(), {.digest = self->header_.digest(),
                               .size_bytes = self->header_.size_bytes()});
    const absl::Status started = upload.status();
    if (started.ok()) self->upload_ = *std::move(upload);
    self->Settle(started);
  });
}

absl::Status UploadStream::TakeChunk() {
  if (caller_.empty()) return HeaderMissingError();
  return PostJob(room_, [self = shared_from_this()] {
    self->Settle(self->upload_->Append(self->request_.chunk()));
  });
}

absl::Status UploadStream::TakeEnd() {
  if (context_.IsCancelled()) {
    return absl::CancelledError("the caller is gone");
  }
  if (caller_.empty()) return HeaderMissingError();
  return PostJob(room_, [self = shared_from_this()] { self->Store(); });
}

void UploadStream::Store() {
  const absl::Status announced = Announce(upload_->Finish());
  if (!announced.ok()) Settle(announced);
}

absl::Status UploadStream::Announce(
    const absl::StatusOr<v1::DriverManifest>& manifest) {
  RETURN_IF_ERROR(manifest.status());
  core::DriverStored stored = {.driver = {.name = header_.name(),
                                          .digest = header_.digest(),
                                          .size_bytes = header_.size_bytes(),
                                          .manifest = FromProto(*manifest)},
                               .request_id = header_.request_id()};
  return room_.loop.Post(caller_, std::move(stored),
                         [self = shared_from_this()](const absl::Status& status,
                                                     const core::Fleet& fleet) {
                           self->Answer(status, fleet);
                         });
}

void UploadStream::Answer(const absl::Status& status,
                          const core::Fleet& fleet) {
  if (!status.ok()) return Settle(status);
  const core::Driver* driver = core::FindDriver(fleet, header_.name());
  if (driver != nullptr) {
    room_.index.Set(driver->name, driver->digest);
    *response_.mutable_driver() = ToProto(*driver);
  }
  End(absl::OkStatus());
  FinishIf(gate_.Leave());
}

void UploadStream::Settle(const absl::Status& status) {
  if (!status.ok()) End(status);
  if (!gate_.ending()) StartRead(&request_);
  FinishIf(gate_.Leave());
}

void UploadStream::OnCancel() {
  End(absl::CancelledError("the caller is gone"));
}

void UploadStream::OnDone() {
  const auto self = std::exchange(self_, nullptr);
  room_.streams.Remove(this);
}

void UploadStream::FinishIf(const std::optional<absl::Status>& due) {
  if (due.has_value()) Finish(ToGrpc(*due));
}

}  // namespace baton::rpc
