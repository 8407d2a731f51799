#ifndef SERVICE_DATA_DISK_H_
#define SERVICE_DATA_DISK_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "service/runtime/ports.h"

namespace baton {

// The file system of the data directory. Any thread.
class DataDisk final : public runtime::Disk {
 public:
  explicit DataDisk(std::string directory) : directory_(std::move(directory)) {}

  absl::StatusOr<uint64_t> FreeBytes() const override;

 private:
  const std::string directory_;
};

}  // namespace baton

#endif  // SERVICE_DATA_DISK_H_
