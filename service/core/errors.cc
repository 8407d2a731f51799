#include "service/core/errors.h"

#include "absl/strings/str_cat.h"
#include "base/reason.h"

namespace baton::core {
namespace {

absl::Status NotFound(absl::string_view reason, absl::string_view kind,
                      absl::string_view name) {
  return ErrorWithReason(absl::StatusCode::kNotFound, reason,
                         absl::StrCat(kind, " '", name, "' is not known"));
}

}  // namespace

absl::Status BadNameError(absl::string_view name, absl::string_view want) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_NAME",
                         absl::StrCat("name '", name, "' is not ", want));
}

absl::Status BadSpecError(absl::string_view field, absl::string_view got,
                          absl::string_view want) {
  return ErrorWithReason(
      absl::StatusCode::kInvalidArgument, "BAD_SPEC",
      absl::StrCat("field '", field, "' is ", got, ", want ", want));
}

absl::Status HostNotFoundError(absl::string_view host) {
  return NotFound("HOST_NOT_FOUND", "host", host);
}

absl::Status DriverNotFoundError(absl::string_view driver) {
  return NotFound("DRIVER_NOT_FOUND", "driver", driver);
}

absl::Status RolloutNotFoundError(absl::string_view rollout) {
  return NotFound("ROLLOUT_NOT_FOUND", "rollout", rollout);
}

absl::Status RolloutDeletedError(absl::string_view rollout) {
  return ErrorWithReason(
      absl::StatusCode::kNotFound, "ROLLOUT_DELETED",
      absl::StrCat("rollout '", rollout, "' was deleted meanwhile"));
}

absl::Status UpdateNotFoundError(absl::string_view update) {
  return NotFound("UPDATE_NOT_FOUND", "update", update);
}

bool IsFinal(const absl::Status& status) {
  // That is to be said with a hello.
  if (Reason(status) == "ATTEMPT_UNKNOWN") return false;
  return Reason(status) == "STALE_ATTEMPT" ||
         status.code() == absl::StatusCode::kFailedPrecondition ||
         status.code() == absl::StatusCode::kNotFound;
}

absl::Status EtagMismatchError(absl::string_view name, absl::string_view got,
                               absl::string_view want) {
  return ErrorWithReason(
      absl::StatusCode::kAborted, "ETAG_MISMATCH",
      absl::StrCat("'", name, "' was changed: got etag '", got, "', it is '",
                   want, "'; read it again, then retry"));
}

}  // namespace baton::core
