#ifndef AGENT_HOST_GATE_H_
#define AGENT_HOST_GATE_H_

#include <optional>
#include <string>
#include <utility>

#include "agent/ports.h"
#include "base/clock.h"

namespace baton::agent {

// For hosts where nothing places vGPUs by itself.
class NoGate final : public Gate {
 public:
  absl::Status Close(absl::Duration) override { return absl::OkStatus(); }
  absl::Status Reopen(absl::Duration) override { return absl::OkStatus(); }
};

// A gate behind a command of the operator's. It is called with one argument and
// a JSON object on stdin, answers with a JSON object on stdout, and ends with 0
// when it did what it was asked; anything else is a failure. Members that are
// not named here are to be ignored on both sides.
//
//   argument  stdin                            stdout
//   status    {"host": "host-1"}               {"state": "open" | "closed"}
//   pause     {"host": "host-1"}               {"was": "open" | "closed"}
//   resume    {"host": "host-1", "was":"open"} {}
//
// "pause" closes the gate whatever it was, "resume" opens it; repeats of both
// are harmless. A command that runs past its deadline is killed with its
// process group.
//
// How the gate was is remembered in a file, durably and before it is closed. A
// gate that was closed already is not opened afterwards.
class ExecGate final : public Gate {
 public:
  struct Options {
    std::string command = "";      // absolute path
    std::string host = "";         // told to the command
    std::string memory_path = "";  // where the earlier state is remembered
  };

  ExecGate(Options options, const Clock& clock)
      : options_(std::move(options)), clock_(clock) {}

  // Errors: those of RunCommand(), FAILED_PRECONDITION (GATE_ANSWER) when the
  // answer is not as above, UNAVAILABLE (DISK_REFUSED)
  absl::Status Close(absl::Duration deadline) override;
  absl::Status Reopen(absl::Duration deadline) override;

 private:
  // Whether the gate was open; none when nothing is remembered.
  absl::StatusOr<std::optional<bool>> Recall() const;
  absl::Status Remember(bool was_open) const;
  absl::StatusOr<bool> SaysOpen(const std::string& argument,
                                const std::string& field,
                                absl::Duration deadline) const;

  const Options options_;
  const Clock& clock_;
};

}  // namespace baton::agent

#endif  // AGENT_HOST_GATE_H_
