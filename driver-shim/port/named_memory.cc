#include "driver-shim/port/named_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/reason.h"

namespace baton::port {
namespace {

absl::Status Failed(absl::StatusCode code, absl::string_view reason,
                    absl::string_view what, absl::string_view path, int error) {
  return ErrorWithReason(
      code, reason,
      absl::StrCat("cannot ", what, " '", path, "': error number ", error));
}

std::byte* MapShared(int fd, size_t bytes) {
  void* const data =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) return nullptr;
  // Only a faster first touch: pages that are not there yet come later.
  madvise(data, bytes, MADV_POPULATE_WRITE);
  return static_cast<std::byte*>(data);
}

}  // namespace

absl::StatusOr<std::unique_ptr<NamedMemory>> NamedMemory::Create(
    const std::string& path, size_t bytes) {
  unlink(path.c_str());
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
                      S_IRUSR | S_IWUSR);
  if (fd < 0) {
    return Failed(absl::StatusCode::kUnavailable, "FILE_UNWRITABLE", "create",
                  path, errno);
  }
  std::unique_ptr<NamedMemory> memory(new NamedMemory(path, fd));
  if (const int error = posix_fallocate(fd, 0, static_cast<off_t>(bytes));
      error != 0) {
    memory->Remove();
    return Failed(absl::StatusCode::kResourceExhausted, "MEMORY_UNAVAILABLE",
                  absl::StrCat("reserve ", bytes, " bytes for"), path, error);
  }
  memory->data_ = MapShared(fd, bytes);
  memory->bytes_ = bytes;
  if (memory->data_ == nullptr) {
    memory->Remove();
    return Failed(absl::StatusCode::kResourceExhausted, "MEMORY_UNAVAILABLE",
                  "map", path, errno);
  }
  return memory;
}

absl::StatusOr<std::unique_ptr<NamedMemory>> NamedMemory::Attach(int fd) {
  std::unique_ptr<NamedMemory> memory(new NamedMemory("", fd));
  struct stat info = {};
  if (fstat(fd, &info) != 0 || info.st_size <= 0) {
    return Failed(absl::StatusCode::kUnavailable, "FILE_UNREADABLE", "read",
                  absl::StrCat("descriptor ", fd), errno);
  }
  memory->data_ = MapShared(fd, static_cast<size_t>(info.st_size));
  if (memory->data_ == nullptr) {
    return Failed(absl::StatusCode::kUnavailable, "FILE_UNREADABLE", "map",
                  absl::StrCat("descriptor ", fd), errno);
  }
  memory->bytes_ = static_cast<size_t>(info.st_size);
  return memory;
}

NamedMemory::~NamedMemory() {
  if (data_ != nullptr) munmap(data_, bytes_);
  close(fd_);
}

void NamedMemory::Remove() {
  if (!path_.empty()) unlink(path_.c_str());
  path_.clear();
}

}  // namespace baton::port
