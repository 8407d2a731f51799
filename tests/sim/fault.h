#ifndef TESTS_SIM_FAULT_H_
#define TESTS_SIM_FAULT_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace baton::sim {

// What may go wrong with one step of an update: the shim's table, and the death
// of those who carry it out.
enum class StepFault : uint8_t {
  kNone,
  kFails,        // carried out, and failed
  kHangs,        // no answer within its deadline
  kBreaks,       // and the driver is of no use any more
  kLosesVgpu,    // the driver forgets one
  kAnswerLost,   // carried out, but the agent does not learn it
  kNobodyThere,  // not carried out, and the agent does not learn that either
  kAgentDiesBefore,
  kAgentDiesAfter,
  kReboots,  // the host does, after the step
  kJournalFails,
};
inline constexpr StepFault kLastStepFault = StepFault::kJournalFails;

// Returns lower-case words, e.g. "answer lost".
absl::string_view Name(StepFault fault);

}  // namespace baton::sim

#endif  // TESTS_SIM_FAULT_H_
