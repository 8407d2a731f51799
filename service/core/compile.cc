#include "service/core/compile.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "service/core/budget.h"
#include "service/core/canonical.h"
#include "service/core/coverage.h"
#include "service/core/errors.h"
#include "service/core/names.h"
#include "service/core/predict.h"
#include "service/core/selector.h"
#include "service/core/verdict.h"

namespace baton::core {
namespace {

// A host that can be updated.
struct Candidate {
  const Host* host = nullptr;
  PlannedHost planned = {};
  absl::Duration duration = absl::ZeroDuration();
};

struct Selection {
  std::vector<Candidate> hot = {};        // in the order of waves
  std::vector<BlockedHost> blocked = {};  // ordered by name
};

// Judges one host that is selected.
void Judge(const Fleet& fleet, const Rollout& rollout, const Driver& driver,
           const Host& host, Selection& selection) {
  const Prediction prediction = Predict(fleet.history, host, driver.name);
  Verdict verdict = VerdictOf(fleet, host, driver, rollout);
  const bool takes_back = !rollout.spec.rollback_of.empty();
  // It waits for whoever is away; who is another rollout's stays that one's.
  const bool waits =
      IsPassing(verdict.reason) && verdict.reason != "HELD_BY_ROLLOUT";
  if (takes_back && waits) verdict = {};
  if (verdict.hot() && !takes_back) {
    verdict = MemoryVerdict(host, prediction.saved_bytes, rollout.spec.require);
  }
  if (!verdict.hot()) {
    selection.blocked.push_back(
        {host.name, std::move(verdict.reason), std::move(verdict.message)});
    return;
  }
  std::string runs = DriverOfAll(host);
  if (runs == WithVersion(driver.name, DriverVersionsOf(host))) runs.clear();
  Candidate& candidate = selection.hot.emplace_back();
  candidate.host = &host;
  candidate.planned = {host.name,
                       DriverVersionsOf(host),
                       VirtualGpusOf(host),
                       takes_back ? driver.name : "",
                       prediction.blackout,
                       !rollout.spec.require.rollback_path &&
                           !HasWayBack(fleet, host, driver.manifest),
                       runs};
  candidate.duration = prediction.duration;
}

absl::StatusOr<Selection> SelectByLabels(const Fleet& fleet,
                                         const Rollout& rollout) {
  const Driver* driver = FindDriver(fleet, rollout.spec.driver);
  if (driver == nullptr) return DriverNotFoundError(rollout.spec.driver);
  ASSIGN_OR_RETURN(const Selector selector,
                   Selector::Parse(rollout.spec.selector));
  Selection selection;
  for (const auto& [name, host] : fleet.hosts) {
    if (!selector.Matches(LabelsOf(host))) continue;
    Judge(fleet, rollout, *driver, host, selection);
  }
  return selection;
}

// Whether every adapter of `host` runs `driver`.
bool Runs(const Host& host, const std::string& driver) {
  for (const Adapter& adapter : host.inventory.adapters) {
    if (DriverName(adapter.driver, adapter.driver_version) != driver) {
      return false;
    }
  }
  return true;
}

// Judges one host that `original` brought to its driver.
void JudgeToTakeBack(const Fleet& fleet, const Rollout& rollout,
                     const Rollout& original, const std::string& name,
                     Selection& selection) {
  const Host* host = FindHost(fleet, name);
  if (host == nullptr) return;  // it was deleted
  const std::string old_driver =
      DriverBefore(original.updates.at(name), original.spec.driver);
  const Driver* driver = FindDriver(fleet, old_driver);
  if (driver == nullptr) {
    selection.blocked.push_back(
        {name, "DRIVER_NOT_FOUND",
         absl::StrCat("driver '", old_driver, "' is not known")});
  } else if (!Runs(*host, original.spec.driver) && !Runs(*host, old_driver)) {
    selection.blocked.push_back(
        {name, "NOT_AT_VERSION",
         absl::StrCat("it runs ", DriverVersionsOf(*host), ", not what '",
                      original.name, "' brought")});
  } else {
    Judge(fleet, rollout, *driver, *host, selection);
  }
}

absl::StatusOr<Selection> SelectToTakeBack(const Fleet& fleet,
                                           const Rollout& rollout) {
  const Rollout* original = FindRollout(fleet, rollout.spec.rollback_of);
  if (original == nullptr) {
    return RolloutNotFoundError(rollout.spec.rollback_of);
  }
  Selection selection;
  for (const auto& [host, update] : original->updates) {
    if (update.state != UpdateState::kDone) continue;
    JudgeToTakeBack(fleet, rollout, *original, host, selection);
  }
  return selection;
}

absl::Status EmptySelectionError(const Rollout& rollout,
                                 const Selection& selection) {
  std::map<std::string, int> counts;
  for (const BlockedHost& host : selection.blocked) ++counts[host.reason];
  const std::string why =
      counts.empty()
          ? "matches no host"
          : absl::StrCat("leaves no host to update: ", selection.blocked.size(),
                         " blocked (",
                         absl::StrJoin(counts, ", ", absl::PairFormatter(" ")),
                         "), first '", selection.blocked[0].host,
                         "': ", selection.blocked[0].message);
  return ErrorWithReason(absl::StatusCode::kFailedPrecondition,
                         "EMPTY_SELECTION",
                         absl::StrCat("selector '", rollout.spec.selector,
                                      "' of '", rollout.name, "' ", why));
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

// Cuts hosts, known by their places in `hot`, into waves.
class Cutter {
 public:
  // `plan`  whose order the hosts keep; null: of their names, and by coverage
  Cutter(const std::vector<WaveSpec>& waves, const std::vector<Candidate>& hot,
         const RolloutPlan* plan)
      : hot_(hot) {
    for (size_t i = 0; i < hot.size(); ++i) left_.push_back(i);
    if (plan != nullptr) {
      Reorder(*plan);
    } else if (std::any_of(waves.begin(), waves.end(),
                           [](const auto& wave) { return wave.coverage; })) {
      coverage_.emplace(HostsOf(hot));
    }
  }

  // Takes the next wave's hosts.
  std::vector<size_t> Take(const WaveSpec& wave) {
    const auto most = std::min<size_t>(
        left_.size(), Asked(wave, static_cast<uint32_t>(hot_.size())));
    if (wave.coverage && coverage_.has_value()) {
      const std::vector<size_t> picked = coverage_->Pick(left_, most);
      std::vector<bool> is_picked(hot_.size());
      for (const size_t host : picked) is_picked[host] = true;
      left_.erase(std::remove_if(left_.begin(), left_.end(),
                                 [&](size_t host) { return is_picked[host]; }),
                  left_.end());
      left_.insert(left_.begin(), picked.begin(), picked.end());
    }
    const auto end = left_.begin() + static_cast<ptrdiff_t>(most);
    std::vector<size_t> taken(left_.begin(), end);
    left_.erase(left_.begin(), end);
    if (coverage_.has_value()) {
      for (const size_t host : taken) coverage_->Meet(host);
    }
    return taken;
  }

  // Only where one of the waves asks for coverage.
  Coverage Sum() const { return coverage_->Sum(); }
  size_t left() const { return left_.size(); }

 private:
  static std::vector<const Host*> HostsOf(const std::vector<Candidate>& hot) {
    std::vector<const Host*> hosts;
    hosts.reserve(hot.size());
    for (const Candidate& candidate : hot) hosts.push_back(candidate.host);
    return hosts;
  }

  void Reorder(const RolloutPlan& plan) {
    std::map<std::string, size_t> places;
    for (const PlannedWave& wave : plan.waves) {
      for (const PlannedHost& host : wave.hosts) {
        places.emplace(host.host, places.size());
      }
    }
    std::vector<std::pair<size_t, size_t>> order;
    for (const size_t host : left_) {
      const auto found = places.find(hot_[host].planned.host);
      order.push_back(
          {found == places.end() ? places.size() : found->second, host});
    }
    std::sort(order.begin(), order.end());
    for (size_t i = 0; i < order.size(); ++i) left_[i] = order[i].second;
  }

  const std::vector<Candidate>& hot_;
  std::optional<CoverageMap> coverage_;
  std::vector<size_t> left_;
};

// What the plan says of a wave of these hosts, beside its coverage.
PlannedWave WaveOf(const WaveSpec& spec, size_t index,
                   std::vector<PlannedHost> hosts) {
  PlannedWave wave;
  wave.name = spec.name.empty() ? absl::StrCat("wave-", index + 1) : spec.name;
  wave.bake = spec.bake;
  wave.approvals = spec.approvals;
  if (spec.failure_tolerance.has_value()) {
    wave.failures_max = FailuresMax(*spec.failure_tolerance,
                                    static_cast<uint32_t>(hosts.size()));
  }
  wave.hosts = std::move(hosts);
  return wave;
}

absl::Status WavesLeaveHostsError(size_t covered, size_t hosts) {
  return ErrorWithReason(
      absl::StatusCode::kInvalidArgument, "WAVES_LEAVE_HOSTS",
      absl::StrCat("field 'waves' covers ", covered, " of ", hosts,
                   " hosts, want all of them: end with a wave of the rest"));
}

// Fills the plan's waves, and the estimates of a new one.
absl::Status Cut(const RolloutSpec& spec, std::vector<Candidate> hot,
                 const RolloutPlan* before, RolloutPlan& plan) {
  std::vector<WaveSpec> specs = spec.waves;
  if (specs.empty()) specs.push_back({.size = WaveSize::kRest});
  std::vector<std::vector<absl::Duration>> durations;
  Cutter cutter(specs, hot, before);
  for (size_t i = 0; i < specs.size(); ++i) {
    std::vector<PlannedHost> hosts;
    std::vector<absl::Duration>& times = durations.emplace_back();
    const std::vector<size_t> taken = cutter.Take(specs[i]);
    hosts.reserve(taken.size());
    for (const size_t host : taken) {
      hosts.push_back(std::move(hot[host].planned));
      times.push_back(hot[host].duration);
    }
    PlannedWave& wave =
        plan.waves.emplace_back(WaveOf(specs[i], i, std::move(hosts)));
    // Somebody else must know that there is none. What takes hosts back waits
    // for nobody: its original had that word.
    const bool one_way =
        std::any_of(wave.hosts.begin(), wave.hosts.end(),
                    [](const auto& host) { return host.without_way_back; });
    if (one_way && spec.rollback_of.empty()) {
      wave.approvals = std::max<uint32_t>(wave.approvals, 1);
    }
    if (!specs[i].coverage) continue;
    wave.coverage =
        before == nullptr ? cutter.Sum() : before->waves[i].coverage;
  }
  if (cutter.left() > 0) {
    return WavesLeaveHostsError(hot.size() - cutter.left(), hot.size());
  }
  // What holds of a plan is no prediction.
  if (before == nullptr) Estimate(spec, durations, plan.time, plan);
  return absl::OkStatus();
}

absl::StatusOr<RolloutPlan> Compile(const Fleet& fleet, const Rollout& rollout,
                                    const RolloutPlan* before) {
  const RolloutSpec& spec = rollout.spec;
  ASSIGN_OR_RETURN(Selection selection, spec.rollback_of.empty()
                                            ? SelectByLabels(fleet, rollout)
                                            : SelectToTakeBack(fleet, rollout));
  if (selection.hot.empty()) return EmptySelectionError(rollout, selection);
  RolloutPlan plan;
  plan.time = fleet.now;
  plan.hosts = static_cast<uint32_t>(selection.hot.size());
  plan.max_unavailable = MaxUnavailable(spec.limits, plan.hosts);
  plan.failures_max = FailuresMax(spec.failure_tolerance, plan.hosts);
  plan.blocked = std::move(selection.blocked);
  RETURN_IF_ERROR(Cut(spec, std::move(selection.hot), before, plan));
  plan.digest = PlanDigest(spec, plan);
  return plan;
}

}  // namespace

absl::StatusOr<RolloutPlan> CompilePlan(const Fleet& fleet,
                                        const Rollout& rollout) {
  return Compile(fleet, rollout, nullptr);
}

absl::StatusOr<RolloutPlan> CompileAgain(const Fleet& fleet,
                                         const Rollout& rollout) {
  return Compile(fleet, rollout, &*rollout.plan);
}

}  // namespace baton::core
