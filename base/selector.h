#ifndef BASE_SELECTOR_H_
#define BASE_SELECTOR_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace baton {

// A label selector in Kubernetes' syntax: requirements joined by ',', each of
//
//   key   !key   key=value   key==value   key!=value
//   key in (a, b)   key notin (a, b)
//
// "*" selects every host. As in Kubernetes, != and notin also select hosts
// without the key.
class Selector {
 public:
  // Errors: INVALID_ARGUMENT, reason BAD_SELECTOR; the message names the
  // position, from 1, and what was expected there. The empty text is refused.
  static absl::StatusOr<Selector> Parse(absl::string_view text);

  bool Matches(const std::map<std::string, std::string>& labels) const;

 private:
  enum class Operator : uint8_t { kExists, kAbsent, kIn, kNotIn };
  struct Requirement {
    std::string key = "";
    Operator op = Operator::kExists;
    std::set<std::string> values = {};
  };
  friend class SelectorParser;

  std::vector<Requirement> requirements_;  // empty: every host
};

// Whether `key` and `value` are a label in Kubernetes' syntax: an optional DNS
// prefix and '/', then at most 63 of [A-Za-z0-9._-] that begin and end with a
// letter or digit; the value the same, or empty.
bool IsLabelKey(absl::string_view key);
bool IsLabelValue(absl::string_view value);

}  // namespace baton

#endif  // BASE_SELECTOR_H_
