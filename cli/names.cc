#include "cli/names.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace baton::cli {
namespace {

constexpr size_t kIdBytesMax = 63;

absl::Status BadNameError(absl::string_view kind, absl::string_view got,
                          absl::string_view want) {
  return ErrorWithReason(
      absl::StatusCode::kInvalidArgument, "BAD_NAME",
      absl::StrCat("\"", got, "\" is not the name of a ", kind, ": want ", want,
                   ", each part at most 63 of [a-z0-9-], of hosts and versions "
                   "also '.'"));
}

absl::StatusOr<std::string> NameIn(absl::string_view collection,
                                   absl::string_view kind,
                                   absl::string_view punctuation,
                                   absl::string_view text) {
  const std::string prefix = absl::StrCat(collection, "/");
  const absl::string_view id = absl::StripPrefix(text, prefix);
  if (!IsId(id, punctuation)) {
    return BadNameError(kind, text,
                        absl::StrCat("\"NAME\" or \"", prefix, "NAME\""));
  }
  return absl::StrCat(prefix, id);
}

}  // namespace

bool IsId(absl::string_view id, absl::string_view punctuation) {
  if (id.empty() || id.size() > kIdBytesMax) return false;
  if (absl::StrContains(punctuation, id.front())) return false;
  return std::all_of(id.begin(), id.end(), [&](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) ||
           absl::StrContains(punctuation, c);
  });
}

absl::StatusOr<std::string> HostName(absl::string_view text) {
  return NameIn("hosts", "host", ".-", text);
}

absl::StatusOr<std::string> RolloutName(absl::string_view text) {
  return NameIn("rollouts", "rollout", "-", text);
}

absl::StatusOr<std::string> UpdateName(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '/');
  if (parts.size() == 2 && IsId(parts[0], "-") && IsId(parts[1], ".-")) {
    return absl::StrCat("rollouts/", parts[0], "/updates/", parts[1]);
  }
  if (parts.size() == 4 && parts[0] == "rollouts" && parts[2] == "updates" &&
      IsId(parts[1], "-") && IsId(parts[3], ".-")) {
    return std::string(text);
  }
  return BadNameError("host's update", text,
                      "\"ROLLOUT/HOST\" or \"rollouts/ROLLOUT/updates/HOST\"");
}

absl::StatusOr<std::string> DriverName(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '/');
  if (parts.size() == 2 && IsId(parts[0], "-") && IsId(parts[1], ".-")) {
    return DriverName(parts[0], parts[1]);
  }
  if (parts.size() == 4 && parts[0] == "drivers" && parts[2] == "versions" &&
      IsId(parts[1], "-") && IsId(parts[3], ".-")) {
    return std::string(text);
  }
  return BadNameError(
      "driver version", text,
      "\"DRIVER/VERSION\" or \"drivers/DRIVER/versions/VERSION\"");
}

std::string DriverName(absl::string_view driver, absl::string_view version) {
  return absl::StrCat("drivers/", driver, "/versions/", version);
}

std::string ShortName(absl::string_view name) {
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '/');
  if (parts.size() == 2 && (parts[0] == "hosts" || parts[0] == "rollouts")) {
    return std::string(parts[1]);
  }
  if (parts.size() == 4 && parts[0] == "drivers" && parts[2] == "versions") {
    return absl::StrCat(parts[1], "/", parts[3]);
  }
  if (parts.size() == 4 && parts[0] == "rollouts" && parts[2] == "updates") {
    return std::string(parts[3]);
  }
  return std::string(name);
}

}  // namespace baton::cli
