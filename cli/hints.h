#ifndef CLI_HINTS_H_
#define CLI_HINTS_H_

#include <string>

#include "absl/status/status.h"

namespace baton::cli {

// What a hint can speak of.
struct HintContext {
  std::string command = "baton";  // how to call this program again
  std::string subject = "";       // resource name that was asked for, or empty
};

// Returns what to do next after `status`, one line; empty when there is nothing
// better to say than the error itself. Pure.
std::string HintFor(const absl::Status& status, const HintContext& context);

// Returns "error: message [REASON]" and, if there is one, a line "hint: …".
std::string ErrorText(const absl::Status& status, const HintContext& context);

}  // namespace baton::cli

#endif  // CLI_HINTS_H_
