#ifndef SERVICE_CORE_CAPSULE_H_
#define SERVICE_CORE_CAPSULE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "service/core/update.h"

namespace baton::core {

// What is kept of an attempt that went wrong, of each update the last one; as
// baton.v1.Capsule. Not part of the fleet: it goes to the store, and is read
// from there when somebody asks.
struct Capsule {
  uint64_t attempt = 0;
  absl::Time time = absl::InfinitePast();
  UpdateState state = UpdateState::kCancelled;
  std::string reason = "";
  std::string message = "";
  std::string from_version = "";
  std::string to_version = "";
  std::vector<StepRecord> steps = {};
  std::vector<VirtualGpuResult> vgpus = {};
  std::optional<SavedState> saved = std::nullopt;
  std::optional<Incident> incident = std::nullopt;  // nullopt: none was sent
  absl::Time expire_time = absl::InfiniteFuture();

  bool operator==(const Capsule&) const = default;
};

}  // namespace baton::core

#endif  // SERVICE_CORE_CAPSULE_H_
