#ifndef TESTS_SIM_VERBS_H_
#define TESTS_SIM_VERBS_H_

#include <string>

#include "absl/time/time.h"
#include "service/core/event.h"
#include "service/core/fleet.h"
#include "tests/support/seeded_random.h"

namespace baton::sim {

// What an operator who asks for anything at any time looks at.
struct VerbContext {
  const core::Fleet& fleet;
  support::SeededRandom& random;
  int hosts = 0;
  absl::Time now = absl::UnixEpoch();
};

struct DrawnCall {
  std::string name = "";
  std::string actor = "";
  core::EventBody body = core::Tick{};
  int repairs = 0;  // number of the host that its caller has set right; 0: none
};

// Draws a call, sensible or not, from the table of all verbs.
DrawnCall DrawCall(const VerbContext& context);

// Returns a policy of two waves, with whatever else a policy can say drawn from
// `random`. Its windows are around `now`.
core::RolloutSpec DrawSpec(support::SeededRandom& random, int hosts,
                           absl::Time now);

}  // namespace baton::sim

#endif  // TESTS_SIM_VERBS_H_
