#include "driver-shim/port/named_memory.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25  // of Linux 6.1; the C library's headers are older
#endif

namespace baton::port {
namespace {

constexpr size_t kPageBytes = 4096;

absl::Status Failed(absl::StatusCode code, absl::string_view reason,
                    absl::string_view what, absl::string_view path, int error) {
  return ErrorWithReason(
      code, reason,
      absl::StrCat("cannot ", what, " '", path, "': error number ", error));
}

constexpr size_t kLargePageBytes = size_t{2} << 20;

size_t RoundedUp(size_t number) {
  return (number + kLargePageBytes - 1) / kLargePageBytes * kLargePageBytes;
}

// Has a tmpfs hold the file in large pages, whatever it does by itself. Where
// it cannot, nothing is lost but time.
void MakeLarge(int fd, size_t bytes) {
  struct statfs system = {};
  if (fstatfs(fd, &system) != 0 || system.f_type != TMPFS_MAGIC) return;
  const size_t whole = bytes / kLargePageBytes * kLargePageBytes;
  if (whole == 0) return;
  // Of each the first small page, or there would be nothing to make it of.
  for (size_t at = 0; at < whole; at += kLargePageBytes) {
    if (posix_fallocate(fd, static_cast<off_t>(at), kPageBytes) != 0) return;
  }
  std::byte* const data = MapLarge(fd, whole, MAP_SHARED);
  if (data == nullptr) return;
  madvise(data, whole, MADV_COLLAPSE);
  munmap(data, whole);
}

// Returns 0 or the error's number.
int Reserve(int fd, size_t bytes) {
  // Asked first: to find it out page by page takes all that there is from
  // everybody else.
  struct statfs system = {};
  const bool known = fstatfs(fd, &system) == 0 && system.f_blocks > 0;
  const uint64_t there =
      system.f_bavail * static_cast<uint64_t>(system.f_bsize);
  if (known && bytes > there) return ENOSPC;
  MakeLarge(fd, bytes);
  return posix_fallocate(fd, 0, static_cast<off_t>(bytes));
}

std::byte* MapTouched(int fd, size_t bytes) {
  std::byte* const data = MapLarge(fd, bytes, MAP_SHARED);
  if (data == nullptr) return nullptr;
  // Only a faster first touch: pages that are not there yet come later.
  madvise(data, bytes, MADV_POPULATE_WRITE);
  return data;
}

}  // namespace

std::byte* MapLarge(int fd, size_t bytes, int sharing) {
  // More than is wanted, so that there is a place in it that is aligned.
  const size_t room_bytes = RoundedUp(bytes) + kLargePageBytes;
  void* const room = mmap(nullptr, room_bytes, PROT_NONE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) return nullptr;
  auto* const begin = static_cast<std::byte*>(room);
  const auto number = reinterpret_cast<uintptr_t>(room);
  std::byte* const data = begin + (RoundedUp(number) - number);
  void* const mapped =
      mmap(data, bytes, PROT_READ | PROT_WRITE, sharing | MAP_FIXED, fd, 0);
  if (mapped == MAP_FAILED) {
    munmap(room, room_bytes);
    return nullptr;
  }
  if (data > begin) munmap(begin, static_cast<size_t>(data - begin));
  std::byte* const end =
      data + (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
  munmap(end, static_cast<size_t>(begin + room_bytes - end));
  return data;
}

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
  if (const int error = Reserve(fd, bytes); error != 0) {
    memory->Remove();
    return Failed(absl::StatusCode::kResourceExhausted, "MEMORY_UNAVAILABLE",
                  absl::StrCat("reserve ", bytes, " bytes for"), path, error);
  }
  memory->data_ = MapTouched(fd, bytes);
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
  memory->data_ = MapTouched(fd, static_cast<size_t>(info.st_size));
  if (memory->data_ == nullptr) {
    return Failed(absl::StatusCode::kUnavailable, "FILE_UNREADABLE", "map",
                  absl::StrCat("descriptor ", fd), errno);
  }
  memory->bytes_ = static_cast<size_t>(info.st_size);
  return memory;
}

absl::StatusOr<std::unique_ptr<NamedMemory>> NamedMemory::Open(
    const std::string& path, std::optional<size_t> bytes) {
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 && errno == ENOENT) {
    return Failed(absl::StatusCode::kNotFound, "FILE_MISSING", "open", path,
                  errno);
  }
  if (fd < 0) {
    return Failed(absl::StatusCode::kUnavailable, "FILE_UNREADABLE", "open",
                  path, errno);
  }
  ASSIGN_OR_RETURN(std::unique_ptr<NamedMemory> memory, Attach(fd));
  if (bytes.has_value() && memory->bytes() != *bytes) {
    return Failed(
        absl::StatusCode::kUnavailable, "FILE_UNREADABLE",
        absl::StrCat("use ", memory->bytes(), " bytes, want ", *bytes, ", of"),
        path, EINVAL);
  }
  memory->path_ = path;
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
