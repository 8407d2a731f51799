#ifndef AGENT_CORE_CONSEQUENCE_H_
#define AGENT_CORE_CONSEQUENCE_H_

#include <cstdint>

#include "agent/core/apply.h"
#include "agent/core/phase.h"
#include "agent/core/update.h"

namespace baton::agent::core {

// What a failed step leads to: the last column of ARCHITECTURE's table.
enum class Consequence : uint8_t {
  kRetry,           // the same step again, after a while
  kAsk,             // the shim went on: ask it how far, and go on from there
  kCancel,          // undo at the shim, the old driver goes on
  kLeave,           // nothing was touched: cancelled without the shim's word
  kBackSameBlocks,  // the old driver is given the very same blocks
  kBackReverse,     // engines ran: a second hot update, in the other direction
  kGoOnDoomed,      // finish for the guests' sake, then quarantine
  kCancelDoomed,    // let the guests go on with the new driver, then quarantine
  kQuarantine,      // a person must look
};

// Decides what `outcome`, a failure of `step`, leads to.
//
// `update`  as it was when the step was started; `update.failures` counts this
//           failure already
Consequence ConsequenceOf(const Update& update, Step step,
                          const Outcome& outcome);

// Where an update stands that a restarted agent finds, and whether it can go
// on from there at all.
struct Standing {
  Way way = Way::kForward;
  Phase phase = Phase::kUnknown;
  bool quarantine = false;
};

// Decides it from what the journal remembers (`update`) and the shim says
// (`seen`, an Inspect that succeeded): the journal knows the way, the shim how
// far.
Standing StandingOf(const Update& update, const Outcome& seen);

}  // namespace baton::agent::core

#endif  // AGENT_CORE_CONSEQUENCE_H_
