#ifndef CLI_NAMES_H_
#define CLI_NAMES_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace baton::cli {

// Whether `id` is 1 to 63 of [a-z0-9] and `punctuation`, and does not begin
// with the latter.
bool IsId(absl::string_view id, absl::string_view punctuation);

// Resource names as people type them: short, or whole. Pure; any thread.
//
// Errors, of all: INVALID_ARGUMENT, reason BAD_NAME

// "host-1" or "hosts/host-1" -> "hosts/host-1".
absl::StatusOr<std::string> HostName(absl::string_view text);

// "r1" or "rollouts/r1" -> "rollouts/r1".
absl::StatusOr<std::string> RolloutName(absl::string_view text);

// "r1/host-1" or "rollouts/r1/updates/host-1" -> the latter.
absl::StatusOr<std::string> UpdateName(absl::string_view text);

// "softgpu/2.0" or "drivers/softgpu/versions/2.0" -> the latter.
absl::StatusOr<std::string> DriverName(absl::string_view text);

// The whole name of a version.
std::string DriverName(absl::string_view driver, absl::string_view version);

// "hosts/host-1" -> "host-1", "rollouts/r1/updates/host-1" -> "host-1",
// "drivers/softgpu/versions/2.0" -> "softgpu/2.0"; anything else as it is.
std::string ShortName(absl::string_view name);

}  // namespace baton::cli

#endif  // CLI_NAMES_H_
