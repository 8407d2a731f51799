#ifndef SERVICE_DEPOT_FILE_H_
#define SERVICE_DEPOT_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace baton::depot {

// What the depot asks of a file system. All of it blocks on the disk. Errors
// are UNAVAILABLE with the reason DEPOT_DISK, except where stated otherwise.

// A file that is written from its start on. Closes it when it goes.
class NewFile {
 public:
  NewFile() = default;
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  // Creates the file, which must not exist.
  absl::Status Create(const std::string& path);
  absl::Status Append(absl::string_view bytes);

  // Makes the bytes durable and closes the file. After an error the file's
  // content is unknown and must not be used.
  absl::Status SyncAndClose();

 private:
  std::string path_;
  int fd_ = -1;
};

// Returns up to `bytes_max` bytes of the file from `offset` on; fewer only at
// its end.
//
// Errors: also NOT_FOUND (DEPOT_DISK): there is no such file
absl::StatusOr<std::string> ReadRange(const std::string& path, uint64_t offset,
                                      size_t bytes_max);

// Returns the names in `directory`, in order.
absl::StatusOr<std::vector<std::string>> ListDirectory(
    const std::string& directory);

absl::Status MakeDirectory(const std::string& directory);  // may be there
absl::Status SyncDirectory(const std::string& directory);
absl::Status Rename(const std::string& from, const std::string& to);
absl::Status RemoveFile(const std::string& path);  // may be gone already

}  // namespace baton::depot

#endif  // SERVICE_DEPOT_FILE_H_
