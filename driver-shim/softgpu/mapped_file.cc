#include "driver-shim/softgpu/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/reason.h"

namespace baton::softgpu {
namespace {

absl::Status FileError(absl::string_view path, absl::string_view call) {
  const int error = errno;
  const std::string message =
      absl::StrCat("device file '", path, "' cannot be used, ", call, ": ",
                   std::generic_category().message(error));
  return ErrorWithReason(error == ENOENT ? absl::StatusCode::kNotFound
                                         : absl::StatusCode::kUnavailable,
                         "DEVICE_FILE", message);
}

}  // namespace

absl::StatusOr<std::unique_ptr<MappedFile>> MappedFile::Create(
    const std::string& path, uint64_t bytes) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
                      S_IRUSR | S_IWUSR);
  if (fd < 0) return FileError(path, "open");
  if (ftruncate(fd, static_cast<off_t>(bytes)) != 0) {
    absl::Status failed = FileError(path, "ftruncate");
    close(fd);
    return failed;
  }
  close(fd);
  return Open(path, 0, bytes);
}

absl::StatusOr<std::unique_ptr<MappedFile>> MappedFile::Open(
    const std::string& path, uint64_t offset, uint64_t bytes) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return FileError(path, "open");
  struct stat info = {};
  if (fstat(fd, &info) != 0) {
    absl::Status failed = FileError(path, "fstat");
    close(fd);
    return failed;
  }
  const uint64_t there = static_cast<uint64_t>(info.st_size);
  const uint64_t wanted =
      bytes != 0 ? bytes : (there > offset ? there - offset : 0);
  if (wanted == 0 || offset > there || wanted > there - offset) {
    close(fd);
    return ErrorWithReason(
        absl::StatusCode::kDataLoss, "DEVICE_FILE_SHORT",
        absl::StrCat("device file '", path, "' has ", there,
                     " bytes, want at least ", offset, " + ", wanted));
  }
  void* data = mmap(nullptr, wanted, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
                    static_cast<off_t>(offset));
  if (data == MAP_FAILED) {
    absl::Status failed = FileError(path, "mmap");
    close(fd);
    return failed;
  }
  return std::unique_ptr<MappedFile>(
      new MappedFile(fd, static_cast<uint8_t*>(data), wanted));
}

MappedFile::~MappedFile() {
  munmap(data_, bytes_);
  close(fd_);
}

absl::Status MappedFile::Scrub(uint64_t offset, uint64_t bytes) {
  if (bytes == 0) return absl::OkStatus();
  if (fallocate(fd_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                static_cast<off_t>(offset), static_cast<off_t>(bytes)) != 0) {
    return FileError("vram", "fallocate");
  }
  return absl::OkStatus();
}

}  // namespace baton::softgpu
