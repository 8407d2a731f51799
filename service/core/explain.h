#ifndef SERVICE_CORE_EXPLAIN_H_
#define SERVICE_CORE_EXPLAIN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "service/core/fleet.h"

namespace baton::core {

// Why something does or does not move; as baton.v1.Explanation.

// Numbers as on the wire.
enum class GateVerdict : uint8_t { kPass = 1, kWait = 2, kStop = 3 };

struct Gate {
  std::string name = "";
  GateVerdict verdict = GateVerdict::kPass;
  std::string reason = "";
  std::string message = "";
  std::string value = "";
  std::string limit = "";
  std::string holder = "";
  std::optional<absl::Duration> next_check = std::nullopt;

  bool operator==(const Gate&) const = default;
};

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

// Returns every gate of the host.
//
// Errors: NOT_FOUND (HOST_NOT_FOUND)
absl::StatusOr<Explanation> ExplainHost(const Fleet& fleet,
                                        const std::string& name);

}  // namespace baton::core

#endif  // SERVICE_CORE_EXPLAIN_H_
