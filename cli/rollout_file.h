#ifndef CLI_ROLLOUT_FILE_H_
#define CLI_ROLLOUT_FILE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "baton/v1/rollout.pb.h"

namespace baton::cli {

// Rollout files: a RolloutSpec as people write it, in YAML; docs/OPERATING.md
// lists the keys. Strict: what is not understood is refused, never skipped, and
// so is what the service would refuse whatever its fleet is.

// Largest file, in bytes.
inline constexpr size_t kRolloutFileBytesMax = size_t{1} << 20;

// What a file says.
struct RolloutFile {
  v1::RolloutSpec spec = {};  // only what is there: defaults are the service's
  std::string request_id = "";  // empty: it has none
};

// Returns what the file at `path` says. Blocks on the disk.
//
// Errors, each with file, line, field, got and want, one a line:
//   NOT_FOUND         ROLLOUT_FILE_UNREADABLE
//   INVALID_ARGUMENT  ROLLOUT_FILE_SYNTAX         it is not YAML
//                     ROLLOUT_FILE_UNKNOWN_FIELD  the message lists the known
//                     ROLLOUT_FILE_REPEATED_FIELD
//                     ROLLOUT_FILE_MISSING_FIELD
//                     ROLLOUT_FILE_BAD_VALUE
absl::StatusOr<RolloutFile> LoadRolloutFile(const std::string& path);

// The same for `text`; `file` is what errors call it.
absl::StatusOr<RolloutFile> ParseRolloutFile(const std::string& text,
                                             absl::string_view file);

}  // namespace baton::cli

#endif  // CLI_ROLLOUT_FILE_H_
