#include "service/depot/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/reason.h"

namespace baton::depot {
namespace {

// What went wrong with `verb` on `path`, out of errno.
absl::Status DiskError(absl::string_view verb, const std::string& path,
                       int error) {
  const auto code = error == ENOENT ? absl::StatusCode::kNotFound
                                    : absl::StatusCode::kUnavailable;
  return ErrorWithReason(code, "DEPOT_DISK",
                         absl::StrCat("cannot ", verb, " \"", path, "\": ",
                                      std::generic_category().message(error)));
}

// Closes its descriptor when it goes.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

}  // namespace

NewFile::~NewFile() {
  if (fd_ >= 0) ::close(fd_);
}

absl::Status NewFile::Create(const std::string& path) {
  path_ = path;
  fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (fd_ < 0) return DiskError("create", path_, errno);
  return absl::OkStatus();
}

absl::Status NewFile::Append(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return DiskError("write", path_, errno);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status NewFile::SyncAndClose() {
  const int failed = ::fsync(fd_) == 0 ? 0 : errno;
  ::close(std::exchange(fd_, -1));
  // Never tried again: the pages are clean by now, and the data may be gone.
  if (failed != 0) return DiskError("sync", path_, failed);
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadRange(const std::string& path, uint64_t offset,
                                      size_t bytes_max) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.get() < 0) return DiskError("open", path, errno);
  std::string bytes(bytes_max, '\0');
  size_t got = 0;
  while (got < bytes_max) {
    const ssize_t n = ::pread(fd.get(), bytes.data() + got, bytes_max - got,
                              static_cast<off_t>(offset + got));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return DiskError("read", path, errno);
    if (n == 0) break;
    got += static_cast<size_t>(n);
  }
  bytes.resize(got);
  return bytes;
}

absl::StatusOr<std::vector<std::string>> ListDirectory(
    const std::string& directory) {
  std::error_code error;
  std::vector<std::string> names;
  std::filesystem::directory_iterator entry(directory, error);
  for (; !error && entry != std::filesystem::directory_iterator();
       entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error) return DiskError("list", directory, error.value());
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status MakeDirectory(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return DiskError("create", directory, error.value());
  return absl::OkStatus();
}

absl::Status SyncDirectory(const std::string& directory) {
  const Descriptor fd(
      ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0) return DiskError("open", directory, errno);
  if (::fsync(fd.get()) != 0) return DiskError("sync", directory, errno);
  return absl::OkStatus();
}

absl::Status Rename(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) != 0) {
    return DiskError("rename", from, errno);
  }
  return absl::OkStatus();
}

absl::Status RemoveFile(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return DiskError("remove", path, errno);
  }
  return absl::OkStatus();
}

}  // namespace baton::depot
