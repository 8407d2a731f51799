#ifndef AGENT_HOST_COMMAND_H_
#define AGENT_HOST_COMMAND_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"

namespace baton::agent {

// One run of a command of the operator's.
struct Command {
  std::string path = "";
  std::string argument = "";
  std::string input = "";  // at most 4 KiB; its stdin
  absl::Duration deadline = absl::Seconds(30);
};

// Most that is taken of a command's output, in bytes.
inline constexpr size_t kCommandOutputBytesMax = size_t{64} << 10;

// Returns what the command wrote on stdout, once it has ended with 0. It leads
// a process group of its own, all of which is killed at the deadline; its
// stderr is the caller's. Blocks; any thread.
//
// Errors:
//   FAILED_PRECONDITION  COMMAND_FAILED: it cannot be started, ended with
//                        another code or by a signal, or wrote too much
//   DEADLINE_EXCEEDED    COMMAND_TOO_SLOW: it was killed; what it had done by
//                        then is unknown
absl::StatusOr<std::string> RunCommand(const Command& command,
                                       const Clock& clock);

}  // namespace baton::agent

#endif  // AGENT_HOST_COMMAND_H_
