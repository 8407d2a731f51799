#ifndef CLI_UPLOAD_H_
#define CLI_UPLOAD_H_

#include <string>

#include "absl/status/statusor.h"
#include "baton/v1/driver.pb.h"
#include "cli/session.h"

namespace baton::cli {

// Checks the package at `path` as the service will, then streams it there. In a
// terminal, says how far it is. Blocks; has no time limit unless --timeout.
//
// Errors: the service's; of the package, as ReadPackage()
absl::StatusOr<v1::Driver> UploadPackage(const std::string& path,
                                         Session& session);

}  // namespace baton::cli

#endif  // CLI_UPLOAD_H_
