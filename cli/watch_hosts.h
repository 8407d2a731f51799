#ifndef CLI_WATCH_HOSTS_H_
#define CLI_WATCH_HOSTS_H_

#include <string>

#include "absl/status/statusor.h"
#include "cli/exit_code.h"
#include "cli/session.h"

namespace baton::cli {

// Follows the hosts that match `selector`, empty: all, until Ctrl-C or
// --timeout: a line for each, then one for each that reads otherwise or was
// deleted; with -q names alone; an object a message with -o json. A service
// that goes away is waited for with backoff, and what was deleted meanwhile is
// not told; one that was never there is an error at once. Blocks.
//
// Returns kInterrupted after Ctrl-C.
// Errors: the service's; SERVICE_AWAY; WATCH_TIMED_OUT after --timeout
absl::StatusOr<ExitCode> WatchHosts(const std::string& selector,
                                    Session& session);

}  // namespace baton::cli

#endif  // CLI_WATCH_HOSTS_H_
