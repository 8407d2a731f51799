#ifndef DRIVER_SHIM_PORT_RECORD_FILE_H_
#define DRIVER_SHIM_PORT_RECORD_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "driver-shim/port/named_memory.h"

namespace baton::port {

// One record in named memory, of which there is always a whole one, however its
// writer dies: two places, written in turn, each with a number and a digest. It
// outlives processes, not the machine: nothing waits for a disk. Confined to
// one thread.
class RecordFile {
 public:
  // Of one record.
  static constexpr size_t kBytesMax = (size_t{512} << 10) - 64;

  // Makes the file at `path`, without a record; an older one is replaced.
  //
  // Errors: those of NamedMemory::Create()
  static absl::StatusOr<std::unique_ptr<RecordFile>> Create(
      const std::string& path);

  // Opens the one at `path`.
  //
  // Errors: those of NamedMemory::Open()
  static absl::StatusOr<std::unique_ptr<RecordFile>> Open(
      const std::string& path);

  // Has `fill`, of (std::byte* room, size_t bytes), write the next record and
  // return its size; 0: it does not fit, and the one before stays. Returns
  // whether it was written.
  template <typename Fill>
  bool Write(Fill fill) {
    const size_t bytes = fill(Begin(), kBytesMax);
    if (bytes > 0) End(bytes);
    return bytes > 0;
  }

  // Returns the last record, "" when none was written. Good until Write().
  //
  // Errors: DATA_LOSS  it is damaged; reason RECORD_DAMAGED
  absl::StatusOr<absl::string_view> Read() const;

  // Takes the file's name away.
  void Remove() { memory_->Remove(); }

 private:
  struct Place;

  explicit RecordFile(std::unique_ptr<NamedMemory> memory)
      : memory_(std::move(memory)) {}

  Place& At(size_t number) const;
  std::byte* Begin();
  void End(size_t bytes);

  const std::unique_ptr<NamedMemory> memory_;
  uint64_t written_ = 0;  // the number of the last record
};

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_RECORD_FILE_H_
