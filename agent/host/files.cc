#include "agent/host/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace baton::agent {
namespace {

constexpr size_t kSmallBytesMax = size_t{1} << 20;

// Closes a descriptor at the end of a block.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

absl::Status WriteAll(int fd, absl::string_view bytes,
                      const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t wrote = write(fd, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return DiskError("write", path);
    bytes.remove_prefix(static_cast<size_t>(wrote));
  }
  if (fsync(fd) != 0) return DiskError("sync", path);
  return absl::OkStatus();
}

std::string ParentOf(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

}  // namespace

absl::Status DiskError(absl::string_view doing, const std::string& path) {
  const std::error_code cause(errno, std::generic_category());
  return ErrorWithReason(
      absl::StatusCode::kUnavailable, "DISK_REFUSED",
      absl::StrCat("cannot ", doing, " '", path, "': ", cause.message()));
}

absl::Status MakeDirectories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (!error) return absl::OkStatus();
  errno = error.value();
  return DiskError("make directory", path);
}

absl::Status SyncDirectory(const std::string& path) {
  const Descriptor fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0 || fsync(fd.get()) != 0) return DiskError("sync", path);
  return absl::OkStatus();
}

absl::Status ReplaceFile(const std::string& path, absl::string_view content) {
  const std::string temporary = path + ".new";
  {
    const Descriptor fd(open(temporary.c_str(),
                             O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (fd.get() < 0) return DiskError("write", temporary);
    RETURN_IF_ERROR(WriteAll(fd.get(), content, temporary));
  }
  if (rename(temporary.c_str(), path.c_str()) != 0) {
    return DiskError("replace", path);
  }
  return SyncDirectory(ParentOf(path));
}

absl::StatusOr<std::string> ReadSmallFile(const std::string& path) {
  const Descriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0 && errno == ENOENT) {
    return absl::NotFoundError(absl::StrCat("there is no file '", path, "'"));
  }
  if (fd.get() < 0) return DiskError("read", path);
  std::string content(kSmallBytesMax, '\0');
  const ssize_t got = read(fd.get(), content.data(), content.size());
  if (got < 0) return DiskError("read", path);
  content.resize(static_cast<size_t>(got));
  return content;
}

absl::Status RemoveFile(const std::string& path) {
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return DiskError("remove", path);
  }
  return SyncDirectory(ParentOf(path));
}

}  // namespace baton::agent
