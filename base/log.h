#ifndef BASE_LOG_H_
#define BASE_LOG_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace baton {

// Where a process says what it does: one line each on stderr, with time,
// level and the process's name. Any thread. Blocks on stderr alone.

// Names the process in each line, and sets the lowest level that is written:
// "debug", "info", "warning" or "error". Call it once, first in main().
//
// Errors: INVALID_ARGUMENT, reason BAD_LOG_LEVEL
absl::Status StartLog(const std::string& process, const std::string& level);

void LogDebug(absl::string_view message);
void LogInfo(absl::string_view message);
void LogWarning(absl::string_view message);
void LogError(absl::string_view message);

}  // namespace baton

#endif  // BASE_LOG_H_
