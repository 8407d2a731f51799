#ifndef CLI_WATCH_H_
#define CLI_WATCH_H_

#include <string>

#include "absl/status/statusor.h"
#include "cli/exit_code.h"
#include "cli/session.h"

namespace baton::cli {

// What a watch does when the rollout is held and no host is in flight.
enum class OnHold { kGoOn, kExit };

struct WatchOptions {
  std::string rollout = "";  // resource name
  OnHold on_hold = OnHold::kGoOn;
};

// Follows a rollout until it ends, is held (if so asked), Ctrl-C, or --timeout:
// a live view in a terminal, a line a change in a pipe, an object a message
// with -o json. A service that goes away is waited for with backoff; one that
// was never there is an error at once. Blocks.
//
// Returns the exit code that the end comes to.
// Errors: the service's; SERVICE_AWAY, NO_ANSWER_IN_TIME after --timeout
absl::StatusOr<ExitCode> WatchRollout(const WatchOptions& options,
                                      Session& session);

}  // namespace baton::cli

#endif  // CLI_WATCH_H_
