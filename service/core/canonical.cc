#include "service/core/canonical.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/digest.h"

namespace baton::core {
namespace {

void Line(std::string& text, absl::string_view name, absl::string_view value) {
  absl::StrAppend(&text, name, " ", value.size(), " ", value, "\n");
}

void Line(std::string& text, absl::string_view name, absl::Duration value) {
  Line(text, name, absl::StrCat(absl::ToInt64Nanoseconds(value), "ns"));
}

void Line(std::string& text, absl::string_view name, uint64_t value) {
  Line(text, name, absl::StrCat(value));
}

void Line(std::string& text, absl::string_view name,
          const std::optional<uint32_t>& value) {
  Line(text, name, value.has_value() ? absl::StrCat(*value) : "none");
}

void ToleranceLines(std::string& text, const FailureTolerance& tolerance) {
  Line(text, "tolerated_hosts", tolerance.hosts);
  Line(text, "tolerated_percent", tolerance.percent);
}

void WaveLines(std::string& text, const WaveSpec& wave) {
  Line(text, "wave", wave.name);
  Line(text, "size", static_cast<uint64_t>(wave.size));
  Line(text, "number", uint64_t{wave.number});
  Line(text, "bake", wave.bake);
  Line(text, "coverage", uint64_t{wave.coverage});
  Line(text, "approvals", uint64_t{wave.approvals});
  Line(text, "hold_after", uint64_t{wave.hold_after});
  Line(text, "own_tolerance", uint64_t{wave.failure_tolerance.has_value()});
  ToleranceLines(text, wave.failure_tolerance.value_or(FailureTolerance{}));
}

void LimitLines(std::string& text, const LimitsSpec& limits) {
  Line(text, "max_unavailable", limits.max_unavailable);
  Line(text, "max_unavailable_percent", limits.max_unavailable_percent);
  for (const DomainLimit& domain : limits.domains) {
    Line(text, "domain", domain.label);
    Line(text, "max_unavailable", uint64_t{domain.max_unavailable});
  }
}

void WindowLines(std::string& text, const WindowSpec& window) {
  std::string days;
  for (const absl::Weekday day : window.days) {
    absl::StrAppend(&days, static_cast<int>(day), ",");
  }
  Line(text, "days", days);
  Line(text, "from", window.from);
  Line(text, "to", window.to);
  Line(text, "time_zone", window.time_zone);
  Line(text, "cutoff", static_cast<uint64_t>(window.cutoff));
}

void DeadlineLines(std::string& text, const StepDeadlines& deadlines) {
  Line(text, "prepare", deadlines.prepare);
  Line(text, "gate", deadlines.gate);
  Line(text, "pause", deadlines.pause);
  Line(text, "save", deadlines.save);
  Line(text, "unload", deadlines.unload);
  Line(text, "restore", deadlines.restore);
  Line(text, "verify", deadlines.verify);
  Line(text, "resume", deadlines.resume);
  Line(text, "confirm", deadlines.confirm);
}

void PlannedLines(std::string& text, const PlannedWave& wave) {
  Line(text, "planned_wave", wave.name);
  Line(text, "bake", wave.bake);
  Line(text, "approvals", uint64_t{wave.approvals});
  Line(text, "wave_failures_max", wave.failures_max);
  for (const PlannedHost& host : wave.hosts) {
    Line(text, "host", host.host.str());
    Line(text, "from", host.from_version.str());
    if (!host.from_driver.empty()) {
      Line(text, "from_driver", host.from_driver.str());
    }
    Line(text, "to", host.to_driver.str());
    if (host.without_way_back) Line(text, "without_way_back", uint64_t{1});
  }
  if (!wave.coverage.has_value()) return;
  Line(text, "combinations", uint64_t{wave.coverage->combinations});
  Line(text, "met", uint64_t{wave.coverage->met});
  for (const std::string& missed : wave.coverage->missed) {
    Line(text, "missed", missed);
  }
}

// ---- Differences.

// Where a plan has a host, for people: "in wave 'x' from 1.0" or "blocked: Y".
std::map<std::string, std::string> PlacesOf(const RolloutPlan& plan) {
  std::map<std::string, std::string> places;
  for (const PlannedWave& wave : plan.waves) {
    for (const PlannedHost& host : wave.hosts) {
      places[host.host] = absl::StrCat(
          "in wave '", wave.name, "' from ",
          (host.from_driver.empty() ? host.from_version : host.from_driver)
              .str(),
          host.without_way_back ? " without a way back" : "");
    }
  }
  for (const BlockedHost& host : plan.blocked) {
    places[host.host] = absl::StrCat("blocked: ", host.reason);
  }
  return places;
}

std::string PlaceIn(const std::map<std::string, std::string>& places,
                    const std::string& host) {
  const auto found = places.find(host);
  return found == places.end() ? "not selected" : found->second;
}

}  // namespace

std::string CanonicalText(const RolloutSpec& spec) {
  std::string text;
  Line(text, "driver", spec.driver);
  Line(text, "selector", spec.selector);
  for (const WaveSpec& wave : spec.waves) WaveLines(text, wave);
  LimitLines(text, spec.limits);
  ToleranceLines(text, spec.failure_tolerance);
  DeadlineLines(text, spec.deadlines);
  Line(text, "on_exceeded", static_cast<uint64_t>(spec.on_exceeded));
  Line(text, "per_vgpu_max", spec.blackout.per_vgpu_max);
  Line(text, "p99_max",
       spec.blackout.p99_max.value_or(spec.blackout.per_vgpu_max));
  Line(text, "attempts", uint64_t{spec.retry.attempts});
  Line(text, "backoff", spec.retry.backoff);
  for (const WindowSpec& window : spec.windows) WindowLines(text, window);
  Line(text, "before", spec.hooks.before);
  Line(text, "after", spec.hooks.after);
  Line(text, "rollback_path", uint64_t{spec.require.rollback_path});
  Line(text, "spare_memory_bytes", spec.require.spare_memory_bytes);
  Line(text, "deadline", spec.deadline);
  Line(text, "rollback_of", spec.rollback_of);
  return text;
}

std::string PlanDigest(const RolloutSpec& spec, const RolloutPlan& plan) {
  std::string text = CanonicalText(spec);
  for (const PlannedWave& wave : plan.waves) PlannedLines(text, wave);
  for (const BlockedHost& host : plan.blocked) {
    Line(text, "blocked", host.host);
    Line(text, "reason", host.reason);
  }
  Line(text, "hosts", uint64_t{plan.hosts});
  Line(text, "max_unavailable", uint64_t{plan.max_unavailable});
  Line(text, "failures_max", uint64_t{plan.failures_max});
  return Sha256Of(text);
}

std::string PlanDifference(const RolloutPlan& before,
                           const RolloutPlan& after) {
  constexpr size_t kSpelledMax = 10;
  const std::map<std::string, std::string> was = PlacesOf(before);
  const std::map<std::string, std::string> is = PlacesOf(after);
  std::set<std::string> hosts;
  for (const auto& [host, place] : was) hosts.insert(host);
  for (const auto& [host, place] : is) hosts.insert(host);
  std::vector<std::string> differences;
  for (const std::string& host : hosts) {
    const std::string old_place = PlaceIn(was, host);
    const std::string new_place = PlaceIn(is, host);
    if (old_place == new_place) continue;
    differences.push_back(
        absl::StrCat("'", host, "' is ", new_place, ", was ", old_place));
  }
  const size_t more =
      differences.size() - std::min(differences.size(), kSpelledMax);
  differences.resize(differences.size() - more);
  if (more > 0) differences.push_back(absl::StrCat("and ", more, " more"));
  return absl::StrJoin(differences, "; ");
}

}  // namespace baton::core
