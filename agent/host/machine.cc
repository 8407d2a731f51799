#include "agent/host/machine.h"

#include <fstream>

#include "absl/strings/str_cat.h"
#include "agent/host/command.h"
#include "base/fail_point.h"
#include "base/reason.h"

namespace baton::agent {

absl::Status LinuxMachine::RunHook(const std::string& name,
                                   const std::string& moment,
                                   absl::Duration deadline) {
  const auto found = options_.hooks.find(name);
  if (found == options_.hooks.end()) {
    return ErrorWithReason(
        absl::StatusCode::kFailedPrecondition, "HOOK_UNKNOWN",
        absl::StrCat("hook '", name, "' is not in this agent's --hook flags"));
  }
  // A host's name needs no escaping: see CheckHost().
  const std::string input = absl::StrCat("{\"host\":\"", options_.host, "\"}");
  FAIL_POINT("agent.before_hook");
  absl::Status ran =
      RunCommand({found->second, moment, input, deadline}, clock_).status();
  FAIL_POINT("agent.after_hook");
  if (ran.ok()) return ran;
  const bool slow = absl::IsDeadlineExceeded(ran);
  return ErrorWithReason(
      ran.code(), slow ? "HOOK_TOO_SLOW" : "HOOK_FAILED",
      absl::StrCat("hook '", name, "', ", moment, ": ", ran.message()));
}

std::optional<uint64_t> LinuxMachine::AvailableMemoryBytes() {
  std::ifstream file(options_.meminfo);
  std::string field;
  uint64_t kib = 0;
  while (file >> field) {
    if (field == "MemAvailable:" && file >> kib) return kib << 10;
  }
  return std::nullopt;
}

}  // namespace baton::agent
