#ifndef SERVICE_CORE_EXPLAIN_H_
#define SERVICE_CORE_EXPLAIN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "service/core/fleet.h"
#include "service/core/gates.h"

namespace baton::core {

// Why something does or does not move; as baton.v1.Explanation.

struct Explanation {
  std::string summary = "";
  std::vector<Gate> gates = {};  // in the order in which they are asked

  bool operator==(const Explanation&) const = default;
};

// Returns every gate of the rollout. One that has not SUCCEEDED and to which
// nothing is happening has at least one gate that does not PASS.
//
// Errors: NOT_FOUND (ROLLOUT_NOT_FOUND)
absl::StatusOr<Explanation> ExplainRollout(const Fleet& fleet,
                                           const std::string& name);

// Returns every gate of one wave of a plan, by its name.
//
// Errors: NOT_FOUND (ROLLOUT_NOT_FOUND, WAVE_NOT_FOUND)
absl::StatusOr<Explanation> ExplainWave(const Fleet& fleet,
                                        const std::string& name,
                                        const std::string& wave);

// Returns every gate of the host.
//
// Errors: NOT_FOUND (HOST_NOT_FOUND)
absl::StatusOr<Explanation> ExplainHost(const Fleet& fleet,
                                        const std::string& name);

}  // namespace baton::core

#endif  // SERVICE_CORE_EXPLAIN_H_
