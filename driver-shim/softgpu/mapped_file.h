#ifndef DRIVER_SHIM_SOFTGPU_MAPPED_FILE_H_
#define DRIVER_SHIM_SOFTGPU_MAPPED_FILE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace baton::softgpu {

// A file mapped shared, for reading and writing, for as long as it lives: how
// the parties of this board see its BARs. Any thread.
class MappedFile {
 public:
  // Makes the file, of zeroes, readable by its owner alone.
  //
  // Errors: UNAVAILABLE, reason DEVICE_FILE
  static absl::StatusOr<std::unique_ptr<MappedFile>> Create(
      const std::string& path, uint64_t bytes);

  // Maps `bytes` bytes of a file there is, from `offset`, a multiple of 4096.
  // `bytes` 0: to its end.
  //
  // Errors:
  //   NOT_FOUND    there is no such file
  //   DATA_LOSS    it is shorter than that; reason DEVICE_FILE_SHORT
  //   UNAVAILABLE  it cannot be mapped; reason DEVICE_FILE
  static absl::StatusOr<std::unique_ptr<MappedFile>> Open(
      const std::string& path, uint64_t offset, uint64_t bytes);

  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  uint8_t* data() const { return data_; }
  uint64_t bytes() const { return bytes_; }

  template <typename T>
  T* As() const {
    return reinterpret_cast<T*>(data_);
  }

  // Makes [offset, offset + bytes) zero and gives its memory back. Both are
  // multiples of 4096. Errors: UNAVAILABLE, reason DEVICE_FILE
  absl::Status Scrub(uint64_t offset, uint64_t bytes);

 private:
  MappedFile(int fd, uint8_t* data, uint64_t bytes)
      : fd_(fd), data_(data), bytes_(bytes) {}

  const int fd_;
  uint8_t* const data_;
  const uint64_t bytes_;
};

}  // namespace baton::softgpu

#endif  // DRIVER_SHIM_SOFTGPU_MAPPED_FILE_H_
