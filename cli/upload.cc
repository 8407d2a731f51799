#include "cli/upload.h"

#include <filesystem>
#include <fstream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "base/reason.h"
#include "baton/v1/driver.grpc.pb.h"
#include "cli/names.h"
#include "package/driver_package.h"

namespace baton::cli {
namespace {

constexpr size_t kChunkBytes = size_t{512} << 10;  // the API allows 1 MiB

absl::Status UnreadableError(const std::string& path) {
  return ErrorWithReason(absl::StatusCode::kUnavailable, "FILE_UNREADABLE",
                         absl::StrCat("cannot read \"", path, "\""));
}

absl::StatusOr<v1::UploadDriverHeader> HeaderOf(const std::string& path,
                                                const Session& session) {
  ASSIGN_OR_RETURN(const v1::DriverManifest manifest, ReadPackage(path));
  v1::UploadDriverHeader header;
  header.set_name(DriverName(manifest.driver(), manifest.version()));
  ASSIGN_OR_RETURN(*header.mutable_digest(), Sha256OfFile(path));
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error) return UnreadableError(path);
  header.set_size_bytes(size);
  header.set_request_id(session.NewRequestId());
  return header;
}

void SayProgress(uint64_t sent, uint64_t size, Session& session) {
  if (session.surroundings().sink != Sink::kTerminal ||
      session.settings().quiet || size == 0) {
    return;
  }
  session.err() << "\rpushing: " << sent * 100 / size << " %"
                << (sent == size ? "\n" : "") << std::flush;
}

using Writer = grpc::ClientWriter<v1::UploadDriverRequest>;

// Sends the file's bytes. Returns false when the stream ended early: then
// Finish() says why.
absl::StatusOr<bool> SendBytes(const std::string& path, uint64_t size,
                               Session& session, Writer& writer) {
  std::ifstream in(path, std::ios::binary);
  v1::UploadDriverRequest request;
  for (uint64_t sent = 0; sent < size;) {
    std::string& chunk = *request.mutable_chunk();
    chunk.resize(kChunkBytes);
    in.read(chunk.data(), static_cast<std::streamsize>(chunk.size()));
    chunk.resize(static_cast<size_t>(in.gcount()));
    if (chunk.empty()) return UnreadableError(path);
    if (!writer.Write(request)) return false;
    sent += chunk.size();
    SayProgress(sent, size, session);
  }
  return true;
}

}  // namespace

absl::StatusOr<v1::Driver> UploadPackage(const std::string& path,
                                         Session& session) {
  v1::UploadDriverRequest request;
  ASSIGN_OR_RETURN(*request.mutable_header(), HeaderOf(path, session));
  grpc::ClientContext context;
  session.Prepare(context, absl::InfiniteDuration());
  v1::UploadDriverResponse response;
  const auto stub = session.Stub<v1::DriverService>();
  const auto writer = stub->UploadDriver(&context, &response);
  absl::StatusOr<bool> sent = writer->Write(request);
  if (*sent) {
    sent = SendBytes(path, request.header().size_bytes(), session, *writer);
  }
  if (!sent.ok()) context.TryCancel();
  writer->WritesDone();
  const grpc::Status status = writer->Finish();
  RETURN_IF_ERROR(sent.status());
  RETURN_IF_ERROR(Understand(status, session.settings().server));
  return response.driver();
}

}  // namespace baton::cli
