#ifndef DRIVER_SHIM_PORT_NAMED_MEMORY_H_
#define DRIVER_SHIM_PORT_NAMED_MEMORY_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace baton::port {

// Maps `bytes` of what `fd` is open on, readable and writable, where its large
// pages can be mapped as such. Returns null when that is not to be had.
// `sharing`  MAP_SHARED or MAP_PRIVATE
std::byte* MapLarge(int fd, size_t bytes, int sharing);

// Memory of a fixed size with a name in a file system, best a tmpfs: it
// outlives every process that maps it. Reserved and touched when it is made,
// since memory that is taken anew is slow (and may not be there); in large
// pages where the system gives them. Any thread.
class NamedMemory {
 public:
  // Makes the file at `path`, zeroed; an older one is replaced.
  // `bytes`  a multiple of the page size, not 0
  //
  // Errors:
  //   RESOURCE_EXHAUSTED  so much is not to be had; reason MEMORY_UNAVAILABLE
  //   UNAVAILABLE         the file cannot be made; reason FILE_UNWRITABLE
  static absl::StatusOr<std::unique_ptr<NamedMemory>> Create(
      const std::string& path, size_t bytes);

  // Maps the file at `path`, which must have `bytes` bytes; nullopt: as many as
  // it has.
  //
  // Errors:
  //   NOT_FOUND    there is none; reason FILE_MISSING
  //   UNAVAILABLE  it cannot be mapped, or has another size; FILE_UNREADABLE
  static absl::StatusOr<std::unique_ptr<NamedMemory>> Open(
      const std::string& path, std::optional<size_t> bytes);

  // Maps what `fd` is open on, all of it, shared. Takes the descriptor over.
  //
  // Errors: UNAVAILABLE, reason FILE_UNREADABLE
  static absl::StatusOr<std::unique_ptr<NamedMemory>> Attach(int fd);

  ~NamedMemory();
  NamedMemory(const NamedMemory&) = delete;
  NamedMemory& operator=(const NamedMemory&) = delete;

  // Takes the name away. What is mapped stays. Idempotent.
  void Remove();

  int fd() const { return fd_; }
  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  NamedMemory(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::string path_;
  const int fd_;
  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_NAMED_MEMORY_H_
