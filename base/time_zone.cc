#include "base/time_zone.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace baton {
namespace {

// The library would also take paths, and names of its own with a colon.
bool IsName(absl::string_view name) {
  return !name.empty() && absl::ascii_isalpha(name.front()) &&
         name != "localtime" && !absl::StrContains(name, "//") &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_isalnum(c) || c == '/' || c == '_' || c == '-' ||
                  c == '+';
         });
}

}  // namespace

std::optional<absl::TimeZone> FindTimeZone(absl::string_view name) {
  absl::TimeZone zone;
  if (IsName(name) && absl::LoadTimeZone(std::string(name), &zone)) return zone;
  return std::nullopt;
}

}  // namespace baton
