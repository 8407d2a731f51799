#ifndef SERVICE_CORE_PLAN_H_
#define SERVICE_CORE_PLAN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "service/core/event.h"
#include "service/core/fleet.h"

namespace baton::core {

// What should be happening. Pure: equal fleets give equal answers, so all of it
// may be asked again after a restart, or twice in a row.

// An answer of Decide() has at most so many events, so that a turn stays short.
inline constexpr size_t kDecisionsMax = 64;

// Returns what the service should do now by itself. Each event stands on its
// own: apply them in order, then ask again, until nothing is left. An event
// that is refused was overtaken by the one before it. Walks neither hosts nor
// updates: it looks at what fleet.h derives of them.
std::vector<EventBody> Decide(const Fleet& fleet);

// Returns the earliest time at which Decide() may answer differently though
// nothing happened; InfiniteFuture when only an event can change its mind.
absl::Time NextDeadline(const Fleet& fleet);

// What an order asks for. Numbers as on the wire.
enum class OrderKind : uint8_t { kStart = 1, kCancel = 2 };

// One thing an agent should be doing; as baton.v1.Order.
struct Order {
  std::string host = "";
  uint64_t epoch = 0;
  std::string rollout = "";
  uint64_t attempt = 0;
  OrderKind kind = OrderKind::kStart;
  std::string driver = "";         // set for kStart, as all below
  std::string driver_digest = "";  // of the package
  uint64_t driver_size_bytes = 0;
  StepDeadlines deadlines = {};
  HooksSpec hooks = {};
  bool without_way_back = false;
  // Until when it may be begun; set when it is sent.
  absl::Time not_after = absl::InfiniteFuture();

  bool operator==(const Order&) const = default;
};

// Returns what the host should be doing: START for the update that holds its
// slot, CANCEL once somebody asked for that; nullopt when it should do nothing.
// Derived from what is durable, so it is safe to send again at any time.
std::optional<Order> OrderFor(const Fleet& fleet, const std::string& host);

}  // namespace baton::core

#endif  // SERVICE_CORE_PLAN_H_
