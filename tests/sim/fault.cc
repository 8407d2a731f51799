#include "tests/sim/fault.h"

#include <cstdlib>

namespace baton::sim {

absl::string_view Name(StepFault fault) {
  switch (fault) {
    case StepFault::kNone:
      return "none";
    case StepFault::kFails:
      return "fails";
    case StepFault::kHangs:
      return "hangs";
    case StepFault::kBreaks:
      return "breaks";
    case StepFault::kLosesVgpu:
      return "loses a vGPU";
    case StepFault::kAnswerLost:
      return "answer lost";
    case StepFault::kNobodyThere:
      return "nobody there";
    case StepFault::kAgentDiesBefore:
      return "agent dies before";
    case StepFault::kAgentDiesAfter:
      return "agent dies after";
    case StepFault::kReboots:
      return "host reboots";
    case StepFault::kJournalFails:
      return "journal fails";
  }
  std::abort();
}

}  // namespace baton::sim
