#ifndef CLI_EXIT_CODE_H_
#define CLI_EXIT_CODE_H_

#include <string>

#include "absl/status/status.h"
#include "baton/v1/rollout.pb.h"

namespace baton::cli {

// What a script learns from `baton`. Released numbers never change.
enum class ExitCode {
  kOk = 0,
  kRefused = 1,         // the call was refused, for no reason listed below
  kUsage = 2,           // command line or input file is wrong; nothing was sent
  kNotFound = 3,        // no such object
  kWrongState = 4,      // right request, wrong state; or somebody was faster
  kServiceAway = 5,     // the service does not answer
  kTooLate = 6,         // no answer within --timeout; the outcome is unknown
  kRolloutFailed = 10,  // watch: FAILED, ABORTED or ROLLED_BACK
  kRolloutHeld = 11,    // watch --exit-on-hold: HELD
  kInterrupted = 130,   // Ctrl-C while watching; the rollout goes on
};

// Returns the exit code of a command that ended with `status`.
ExitCode ExitCodeOf(const absl::Status& status);

// Returns the exit code of a watch whose rollout ended in `state`.
ExitCode ExitCodeOf(v1::RolloutState state);

// Whether a rollout in `state` will never move again.
bool HasEnded(v1::RolloutState state);

// Returns the table of exit codes, for `baton --help`.
std::string ExitCodeTable();

}  // namespace baton::cli

#endif  // CLI_EXIT_CODE_H_
