#ifndef SERVICE_CORE_NAMES_H_
#define SERVICE_CORE_NAMES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace baton::core {

// Resource names. The core keys every record by its full resource name, so
// that no name is ever taken apart and put together again on its way through.

// Whether `name` is "hosts/{host}": at most 63 of [a-z0-9.-], not empty, and
// begins with a letter or digit.
//
// Errors: INVALID_ARGUMENT, reason BAD_NAME
absl::Status CheckHostName(absl::string_view name);

// The same for "rollouts/{rollout}": at most 63 of [a-z0-9-].
absl::Status CheckRolloutName(absl::string_view name);

// The same for "drivers/{driver}/versions/{version}": at most 63 of [a-z0-9-]
// and at most 63 of [a-z0-9.-].
absl::Status CheckDriverName(absl::string_view name);

// Returns "drivers/{driver}/versions/{version}".
std::string DriverName(absl::string_view driver, absl::string_view version);

// Returns the name of another version of the driver that `name` is a version
// of.
std::string WithVersion(absl::string_view name, absl::string_view version);

// Returns "{rollout}/updates/{host id}" for "rollouts/…" and "hosts/…".
std::string UpdateName(absl::string_view rollout, absl::string_view host);

// Returns what follows the last '/'.
absl::string_view ShortName(absl::string_view name);

}  // namespace baton::core

#endif  // SERVICE_CORE_NAMES_H_
