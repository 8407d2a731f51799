#include "service/core/compile.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/digest.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "service/core/budget.h"
#include "service/core/selector.h"
#include "service/core/verdict.h"

namespace baton::core {
namespace {

struct Selection {
  std::vector<PlannedHost> hot = {};  // ordered by name
  std::vector<BlockedHost> blocked = {};
};

Selection Select(const Fleet& fleet, const Rollout& rollout,
                 const Selector& selector, const Driver& driver) {
  Selection selection;
  for (const auto& [name, host] : fleet.hosts) {
    if (!selector.Matches(LabelsOf(host))) continue;
    Verdict verdict = VerdictOf(fleet, host, driver, rollout.name);
    if (verdict.hot()) {
      selection.hot.push_back(
          {name, DriverVersionsOf(host), VirtualGpusOf(host)});
    } else {
      selection.blocked.push_back(
          {name, std::move(verdict.reason), std::move(verdict.message)});
    }
  }
  return selection;
}

absl::Status EmptySelectionError(const Rollout& rollout,
                                 const Selection& selection) {
  std::map<std::string, int> counts;
  for (const BlockedHost& host : selection.blocked) ++counts[host.reason];
  return ErrorWithReason(
      absl::StatusCode::kFailedPrecondition, "EMPTY_SELECTION",
      absl::StrCat("selector '", rollout.spec.selector, "' of '", rollout.name,
                   "' leaves no host to update: ", selection.blocked.size(),
                   " blocked", counts.empty() ? "" : " (",
                   absl::StrJoin(counts, ", ", absl::PairFormatter(" ")),
                   counts.empty() ? "" : ")"));
}

// How many of `hosts` hosts the wave asks for.
uint32_t Asked(const WaveSpec& wave, uint32_t hosts) {
  switch (wave.size) {
    case WaveSize::kHosts:
      return wave.number;
    case WaveSize::kPercent:
      return static_cast<uint32_t>((uint64_t{wave.number} * hosts + 99) / 100);
    case WaveSize::kRest:
      return hosts;
    case WaveSize::kUnset:
      return 0;
  }
  return 0;
}

std::vector<PlannedWave> CutIntoWaves(const RolloutSpec& spec,
                                      const std::vector<PlannedHost>& hosts) {
  std::vector<WaveSpec> specs = spec.waves;
  if (specs.empty()) specs.push_back({.size = WaveSize::kRest});
  std::vector<PlannedWave> waves;
  auto next = hosts.begin();
  for (const WaveSpec& wave : specs) {
    const auto left = static_cast<uint32_t>(hosts.end() - next);
    const uint32_t take =
        std::min(left, Asked(wave, static_cast<uint32_t>(hosts.size())));
    waves.push_back({wave.name.empty() ? absl::StrCat("wave-", waves.size() + 1)
                                       : wave.name,
                     wave.bake, std::vector<PlannedHost>(next, next + take)});
    next += take;
  }
  return waves;
}

absl::Status WavesLeaveHostsError(size_t covered, size_t hosts) {
  return ErrorWithReason(
      absl::StatusCode::kInvalidArgument, "WAVES_LEAVE_HOSTS",
      absl::StrCat("field 'waves' covers ", covered, " of ", hosts,
                   " hosts, want all of them: end with a wave of the rest"));
}

// ---- Canonical text.

void Line(std::string& text, absl::string_view name, absl::string_view value) {
  absl::StrAppend(&text, name, " ", value.size(), " ", value, "\n");
}

void Line(std::string& text, absl::string_view name, absl::Duration value) {
  Line(text, name, absl::StrCat(absl::ToInt64Nanoseconds(value), "ns"));
}

void Line(std::string& text, absl::string_view name, uint32_t value) {
  Line(text, name, absl::StrCat(value));
}

void Line(std::string& text, absl::string_view name,
          const std::optional<uint32_t>& value) {
  Line(text, name, value.has_value() ? absl::StrCat(*value) : "none");
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

// ---- Differences.

// Where a plan has a host, for people: "in wave 'x' from 1.0" or "blocked: Y".
std::map<std::string, std::string> PlacesOf(const RolloutPlan& plan) {
  std::map<std::string, std::string> places;
  for (const PlannedWave& wave : plan.waves) {
    for (const PlannedHost& host : wave.hosts) {
      places[host.host] =
          absl::StrCat("in wave '", wave.name, "' from ", host.from_version);
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

absl::StatusOr<RolloutPlan> CompilePlan(const Fleet& fleet,
                                        const Rollout& rollout) {
  const Driver* driver = FindDriver(fleet, rollout.spec.driver);
  if (driver == nullptr) {
    return ErrorWithReason(
        absl::StatusCode::kNotFound, "DRIVER_NOT_FOUND",
        absl::StrCat("driver '", rollout.spec.driver, "' is not known"));
  }
  ASSIGN_OR_RETURN(const Selector selector,
                   Selector::Parse(rollout.spec.selector));
  Selection selection = Select(fleet, rollout, selector, *driver);
  if (selection.hot.empty()) return EmptySelectionError(rollout, selection);

  RolloutPlan plan;
  plan.time = fleet.now;
  plan.hosts = static_cast<uint32_t>(selection.hot.size());
  plan.max_unavailable = MaxUnavailable(rollout.spec.limits, plan.hosts);
  plan.failures_max = FailuresMax(rollout.spec.failure_tolerance, plan.hosts);
  plan.waves = CutIntoWaves(rollout.spec, selection.hot);
  plan.blocked = std::move(selection.blocked);
  size_t covered = 0;
  for (const PlannedWave& wave : plan.waves) covered += wave.hosts.size();
  if (covered < plan.hosts) return WavesLeaveHostsError(covered, plan.hosts);
  plan.digest = PlanDigest(rollout.spec, plan);
  return plan;
}

std::string CanonicalText(const RolloutSpec& spec) {
  std::string text;
  Line(text, "driver", spec.driver);
  Line(text, "selector", spec.selector);
  for (const WaveSpec& wave : spec.waves) {
    Line(text, "wave", wave.name);
    Line(text, "size", static_cast<uint32_t>(wave.size));
    Line(text, "number", wave.number);
    Line(text, "bake", wave.bake);
  }
  Line(text, "max_unavailable", spec.limits.max_unavailable);
  Line(text, "max_unavailable_percent", spec.limits.max_unavailable_percent);
  Line(text, "tolerated_hosts", spec.failure_tolerance.hosts);
  Line(text, "tolerated_percent", spec.failure_tolerance.percent);
  DeadlineLines(text, spec.deadlines);
  return text;
}

std::string PlanDigest(const RolloutSpec& spec, const RolloutPlan& plan) {
  std::string text = CanonicalText(spec);
  for (const PlannedWave& wave : plan.waves) {
    Line(text, "planned_wave", wave.name);
    Line(text, "bake", wave.bake);
    for (const PlannedHost& host : wave.hosts) {
      Line(text, "host", host.host);
      Line(text, "from", host.from_version);
    }
  }
  for (const BlockedHost& host : plan.blocked) {
    Line(text, "blocked", host.host);
    Line(text, "reason", host.reason);
  }
  Line(text, "hosts", plan.hosts);
  Line(text, "max_unavailable", plan.max_unavailable);
  Line(text, "failures_max", plan.failures_max);
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
