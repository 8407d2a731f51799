#ifndef CLI_ROLLOUT_FILE_H_
#define CLI_ROLLOUT_FILE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "baton/v1/rollout.pb.h"

namespace baton::cli {

// Rollout files: a RolloutSpec as people write it, in YAML. The keys are the
// fields of RolloutSpec; docs/OPERATING.md lists them. Strict: what is not
// understood is refused, never skipped.

// Largest file, in bytes.
inline constexpr size_t kRolloutFileBytesMax = size_t{1} << 20;

// Returns the spec in the file at `path`. Blocks on the disk.
//
// Errors, each with file, line, field, got and want:
//   NOT_FOUND         ROLLOUT_FILE_UNREADABLE
//   INVALID_ARGUMENT  ROLLOUT_FILE_SYNTAX         it is not YAML
//                     ROLLOUT_FILE_UNKNOWN_FIELD  the message lists the known
//                     ROLLOUT_FILE_REPEATED_FIELD
//                     ROLLOUT_FILE_MISSING_FIELD
//                     ROLLOUT_FILE_BAD_VALUE
absl::StatusOr<v1::RolloutSpec> LoadRolloutFile(const std::string& path);

// The same for `text`; `file` is what errors call it.
absl::StatusOr<v1::RolloutSpec> ParseRolloutFile(const std::string& text,
                                                 absl::string_view file);

}  // namespace baton::cli

#endif  // CLI_ROLLOUT_FILE_H_
