#ifndef AGENT_HOST_FILES_H_
#define AGENT_HOST_FILES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace baton::agent {

// Durable changes of small files and directories. All block on the disk; any
// thread. Errors are UNAVAILABLE (DISK_REFUSED) and name path and cause, unless
// said otherwise.

// UNAVAILABLE (DISK_REFUSED) from errno.
absl::Status DiskError(absl::string_view doing, const std::string& path);

// Makes `path` and its parents where they are missing.
absl::Status MakeDirectories(const std::string& path);

// Makes renames and links in directory `path` last.
absl::Status SyncDirectory(const std::string& path);

// Replaces the file at `path`, whole or not at all, and makes it last.
absl::Status ReplaceFile(const std::string& path, absl::string_view content);

// Returns a file of at most 1 MiB. Errors: NOT_FOUND too.
absl::StatusOr<std::string> ReadSmallFile(const std::string& path);

// Removes a file, if there is one, and makes that last.
absl::Status RemoveFile(const std::string& path);

}  // namespace baton::agent

#endif  // AGENT_HOST_FILES_H_
