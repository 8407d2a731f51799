#include "service/core/names.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "service/core/errors.h"

namespace baton::core {
namespace {

constexpr size_t kIdBytesMax = 63;

bool IsId(absl::string_view id, absl::string_view punctuation) {
  if (id.empty() || id.size() > kIdBytesMax) return false;
  if (absl::StrContains(punctuation, id.front())) return false;
  return std::all_of(id.begin(), id.end(), [&](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) ||
           absl::StrContains(punctuation, c);
  });
}

}  // namespace

absl::Status CheckHostName(absl::string_view name) {
  absl::string_view id = name;
  if (absl::ConsumePrefix(&id, "hosts/") && IsId(id, ".-")) {
    return absl::OkStatus();
  }
  return BadNameError(name, "'hosts/{host}' with at most 63 of [a-z0-9.-]");
}

absl::Status CheckRolloutName(absl::string_view name) {
  absl::string_view id = name;
  if (absl::ConsumePrefix(&id, "rollouts/") && IsId(id, "-")) {
    return absl::OkStatus();
  }
  return BadNameError(name,
                      "'rollouts/{rollout}' with at most 63 of [a-z0-9-]");
}

absl::Status CheckDriverName(absl::string_view name) {
  absl::string_view rest = name;
  constexpr absl::string_view kVersions = "/versions/";
  const size_t versions = name.find(kVersions);
  if (absl::ConsumePrefix(&rest, "drivers/") &&
      versions != absl::string_view::npos) {
    const absl::string_view driver = rest.substr(0, rest.find('/'));
    const absl::string_view version = name.substr(versions + kVersions.size());
    if (IsId(driver, "-") && IsId(version, ".-") &&
        name == DriverName(driver, version)) {
      return absl::OkStatus();
    }
  }
  return BadNameError(name,
                      "'drivers/{driver}/versions/{version}' with at most 63 "
                      "of [a-z0-9-] and of [a-z0-9.-]");
}

std::string DriverName(absl::string_view driver, absl::string_view version) {
  return absl::StrCat("drivers/", driver, "/versions/", version);
}

std::string WithVersion(absl::string_view name, absl::string_view version) {
  return absl::StrCat(name.substr(0, name.rfind('/') + 1), version);
}

std::string UpdateName(absl::string_view rollout, absl::string_view host) {
  return absl::StrCat(rollout, "/updates/", ShortName(host));
}

absl::string_view ShortName(absl::string_view name) {
  const size_t slash = name.rfind('/');
  return slash == absl::string_view::npos ? name : name.substr(slash + 1);
}

}  // namespace baton::core
