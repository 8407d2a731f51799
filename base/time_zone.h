#ifndef BASE_TIME_ZONE_H_
#define BASE_TIME_ZONE_H_

#include <optional>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace baton {

// Returns the zone that the IANA database of this machine calls `name`, e.g.
// "Europe/Berlin" or "UTC"; nullopt when there is none. Other names that C
// libraries know, such as "localtime" or paths, are none. Any thread. Reads a
// file the first time that a zone is asked for.
std::optional<absl::TimeZone> FindTimeZone(absl::string_view name);

}  // namespace baton

#endif  // BASE_TIME_ZONE_H_
