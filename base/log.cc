#include "base/log.h"

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

namespace baton {
namespace {

void Write(spdlog::level::level_enum level, absl::string_view message) {
  spdlog::log(level, "{}",
              spdlog::string_view_t(message.data(), message.size()));
}

}  // namespace

absl::Status StartLog(const std::string& process, const std::string& level) {
  const spdlog::level::level_enum parsed = spdlog::level::from_str(level);
  if (parsed == spdlog::level::off && level != "off") {
    return ErrorWithReason(
        absl::StatusCode::kInvalidArgument, "BAD_LOG_LEVEL",
        absl::StrCat("log level '", level,
                     "' is unknown, want debug, info, warning or error"));
  }
  spdlog::set_default_logger(spdlog::stderr_logger_mt(process));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %L %n] %v");
  spdlog::set_level(parsed);
  spdlog::flush_on(spdlog::level::trace);
  return absl::OkStatus();
}

void LogDebug(absl::string_view message) {
  Write(spdlog::level::debug, message);
}
void LogInfo(absl::string_view message) { Write(spdlog::level::info, message); }
void LogWarning(absl::string_view message) {
  Write(spdlog::level::warn, message);
}
void LogError(absl::string_view message) { Write(spdlog::level::err, message); }

}  // namespace baton
