#ifndef SERVICE_CORE_ERRORS_H_
#define SERVICE_CORE_ERRORS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace baton::core {

// Errors that more than one unit of the core gives. INVALID_ARGUMENT:
absl::Status BadNameError(absl::string_view name, absl::string_view want);
// `field`  path in the spec, e.g. "waves[1].percent"
absl::Status BadSpecError(absl::string_view field, absl::string_view got,
                          absl::string_view want);

// NOT_FOUND:
absl::Status HostNotFoundError(absl::string_view host);
absl::Status DriverNotFoundError(absl::string_view driver);
absl::Status RolloutNotFoundError(absl::string_view rollout);
// It was there, whatever has its name by now.
absl::Status RolloutDeletedError(absl::string_view rollout);
absl::Status UpdateNotFoundError(absl::string_view update);

// Whether an agent that is refused with `status` would be refused each time it
// says the same: then it need not say it again, and its stream stays.
bool IsFinal(const absl::Status& status);

// ABORTED:
absl::Status EtagMismatchError(absl::string_view name, absl::string_view got,
                               absl::string_view want);

}  // namespace baton::core

#endif  // SERVICE_CORE_ERRORS_H_
