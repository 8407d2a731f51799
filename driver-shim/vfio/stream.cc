#include "driver-shim/vfio/stream.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/port/stream_digest.h"
#include "driver-shim/vfio/fd.h"

namespace baton::vfio {
namespace {

// Drivers copy under a lock of theirs: no more at once than this.
constexpr size_t kPieceBytes = size_t{1} << 20;

absl::Status Failed(absl::StatusCode code, absl::string_view reason,
                    absl::string_view what) {
  return ErrorWithReason(
      code, reason,
      absl::StrCat(what, ": ", std::generic_category().message(errno)));
}

absl::Status Unwritable(const std::string& path) {
  return Failed(absl::StatusCode::kUnavailable, "STREAM_UNWRITABLE",
                absl::StrCat("cannot write stream '", path, "'"));
}

// Waits until `fd` can be read or written. What cannot be polled is ready.
absl::Status Await(int fd, short events, const Budget& budget) {
  pollfd one = {.fd = fd, .events = events, .revents = 0};
  int got = 0;
  do {
    got = poll(&one, 1, budget.LeftMilliseconds());
  } while (got < 0 && errno == EINTR);
  // What is always ready never lets it come to a wait.
  if (got == 0 || budget.Left() == absl::ZeroDuration()) {
    return budget.Exceeded("a stream");
  }
  return absl::OkStatus();
}

// A pipe takes a whole piece or has whoever writes wait, whatever poll() says.
void NeverWait(int fd) {
  struct stat info = {};
  if (fstat(fd, &info) != 0 || !S_ISFIFO(info.st_mode)) return;
  const int flags = fcntl(fd, F_GETFL);
  if (flags >= 0) fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

bool Again(ssize_t got) {
  return got < 0 && (errno == EAGAIN || errno == EINTR);
}

absl::Status WriteAll(int fd, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t put = write(fd, data, size);
    if (put < 0 && errno != EINTR) return absl::UnavailableError("");
    if (put <= 0) continue;
    data += put;
    size -= static_cast<size_t>(put);
  }
  return absl::OkStatus();
}

// `sink` -1: nowhere.
absl::StatusOr<Stream> Drain(int source, int sink, const std::string& path,
                             const Budget& budget) {
  NeverWait(source);
  Stream stream = {.path = path};
  port::StreamDigest digest;
  std::vector<char> piece(kPieceBytes);
  while (true) {
    RETURN_IF_ERROR(Await(source, POLLIN, budget));
    const ssize_t got = read(source, piece.data(), piece.size());
    if (Again(got)) continue;
    if (got < 0) {
      return Failed(absl::StatusCode::kUnavailable, "STREAM_UNREADABLE",
                    "cannot read the saved state");
    }
    if (got == 0) break;
    const auto size = static_cast<size_t>(got);
    digest.Update(piece.data(), size);
    stream.bytes += size;
    if (sink >= 0 && !WriteAll(sink, piece.data(), size).ok()) {
      return Unwritable(path);
    }
  }
  stream.digest = digest.Finish();
  return stream;
}

}  // namespace

absl::StatusOr<Stream> KeepStream(int source, const std::string& path,
                                  const Budget& budget) {
  unlink(path.c_str());
  const Fd file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
                     S_IRUSR | S_IWUSR));
  if (!file.ok()) return Unwritable(path);
  ASSIGN_OR_RETURN(Stream stream, Drain(source, file.get(), path, budget));
  if (fsync(file.get()) != 0) return Unwritable(path);
  return stream;
}

absl::StatusOr<Stream> DigestStream(int source, const Budget& budget) {
  return Drain(source, -1, "", budget);
}

absl::Status CheckStream(const Stream& stream) {
  const Fd file(open(stream.path.c_str(), O_RDONLY | O_CLOEXEC));
  Stream found = {.path = stream.path};
  if (file.ok()) {
    port::StreamDigest digest;
    std::vector<char> piece(kPieceBytes);
    ssize_t got = 0;
    while ((got = read(file.get(), piece.data(), piece.size())) > 0) {
      digest.Update(piece.data(), static_cast<size_t>(got));
      found.bytes += static_cast<uint64_t>(got);
    }
    found.digest = digest.Finish();
  }
  if (found == stream) return absl::OkStatus();
  return ErrorWithReason(
      absl::StatusCode::kDataLoss, "STREAM_DAMAGED",
      absl::StrCat("stream '", stream.path, "' has ", found.bytes,
                   " bytes with digest ", found.digest.ToString(), ", want ",
                   stream.bytes, " with ", stream.digest.ToString()));
}

absl::Status PourStream(const Stream& stream, int sink, const Budget& budget) {
  NeverWait(sink);
  const Fd file(open(stream.path.c_str(), O_RDONLY | O_CLOEXEC));
  std::vector<char> piece(kPieceBytes);
  while (true) {
    const ssize_t got =
        file.ok() ? read(file.get(), piece.data(), piece.size()) : -1;
    if (got == 0) return absl::OkStatus();
    if (got < 0) {
      return Failed(absl::StatusCode::kUnavailable, "STREAM_UNREADABLE",
                    absl::StrCat("cannot read '", stream.path, "'"));
    }
    size_t done = 0;
    while (done < static_cast<size_t>(got)) {
      RETURN_IF_ERROR(Await(sink, POLLOUT, budget));
      const ssize_t put =
          write(sink, piece.data() + done, static_cast<size_t>(got) - done);
      if (Again(put)) continue;
      if (put < 0) {
        return Failed(absl::StatusCode::kFailedPrecondition, "STREAM_REFUSED",
                      "its driver refuses the saved state");
      }
      done += static_cast<size_t>(put);
    }
  }
}

}  // namespace baton::vfio
