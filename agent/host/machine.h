#ifndef AGENT_HOST_MACHINE_H_
#define AGENT_HOST_MACHINE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "agent/ports.h"
#include "base/clock.h"

namespace baton::agent {

// The Linux host. A hook is a command that is called with the moment as its
// argument ("before" or "after") and a JSON object on stdin, {"host":
// "host-1"}; it ends with 0 when it did what it was asked. One that runs past
// its deadline is killed with its process group. It may be called again after a
// restart of the agent.
class LinuxMachine final : public Machine {
 public:
  struct Options {
    std::string host = "";                          // told to hooks
    std::map<std::string, std::string> hooks = {};  // name → absolute path
    std::string meminfo = "/proc/meminfo";          // see proc(5)
  };

  LinuxMachine(Options options, const Clock& clock)
      : options_(std::move(options)), clock_(clock) {}

  absl::Status RunHook(const std::string& name, const std::string& moment,
                       absl::Duration deadline) override;
  std::optional<uint64_t> AvailableMemoryBytes() override;

 private:
  const Options options_;
  const Clock& clock_;
};

}  // namespace baton::agent

#endif  // AGENT_HOST_MACHINE_H_
