#ifndef SERVICE_CORE_WINDOW_H_
#define SERVICE_CORE_WINDOW_H_

#include <optional>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "service/core/rollout.h"

namespace baton::core {

// When hosts may start. A window is open from the instant at which it opens up
// to, but not at, the one at which it closes. Windows that overlap or touch are
// one. No windows at all: always open.
//
// Where clocks are set forward, a local time that does not exist is the instant
// at which they were set; where they are set back, one that exists twice is the
// first of the two. Each window must have a zone and times that CheckSpec()
// takes.

// Returns the minute of the day that "HH:MM" means, 0 to 1439; nullopt for
// anything else.
std::optional<int> MinuteOf(absl::string_view text);

// Whether one of `windows` is open at `time`.
bool IsOpen(const std::vector<WindowSpec>& windows, absl::Time time);

// Returns the earliest instant after `time` at which IsOpen() changes;
// InfiniteFuture when none comes within the next 400 days.
absl::Time NextChange(const std::vector<WindowSpec>& windows, absl::Time time);

// Whether hosts in flight are to cancel: none of `windows` is open, and the one
// that closed last says so. Where several closed at once, one is enough.
bool CancelsInFlight(const std::vector<WindowSpec>& windows, absl::Time time);

}  // namespace baton::core

#endif  // SERVICE_CORE_WINDOW_H_
