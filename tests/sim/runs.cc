#include "tests/sim/runs.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/digest.h"
#include "tests/support/stage.h"

namespace baton::sim {
namespace {

using agent::core::Step;

constexpr absl::Duration kStorm = absl::Minutes(1);
constexpr char kRollout[] = "rollouts/r0";
constexpr int kCommitsMax = 12;  // of the service, at which it may die
constexpr int kHostsMax = 3;     // in an enumeration

// What can be planned, before it is said on which host.
struct Kind {
  Step step = Step::kPrepare;
  StepFault fault = StepFault::kNone;
};

bool Makes(Step step, StepFault fault) {
  const bool at_shim = step != Step::kCloseGate && step != Step::kSwitch &&
                       step != Step::kReopenGate;
  switch (fault) {
    case StepFault::kFails:
      return step != Step::kReopenGate || at_shim;
    case StepFault::kHangs:
      return step == Step::kSave || step == Step::kRestore;
    case StepFault::kBreaks:
      return at_shim && step != Step::kPrepare && step != Step::kCommit;
    case StepFault::kLosesVgpu:
      return step == Step::kVerify;
    case StepFault::kAnswerLost:
      return at_shim && step != Step::kPrepare;
    case StepFault::kAgentDiesBefore:
    case StepFault::kAgentDiesAfter:
      return at_shim;
    case StepFault::kReboots:
      return step == Step::kPrepare || step == Step::kPause ||
             step == Step::kConfirm || step == Step::kCommit;
    case StepFault::kJournalFails:
      return step == Step::kPause || step == Step::kConfirm;
    case StepFault::kNone:
    case StepFault::kNobodyThere:
      return false;
  }
  return false;
}

std::vector<Kind> HostKinds() {
  std::vector<Kind> kinds;
  for (int i = 0; i < static_cast<int>(agent::core::kLastStep); ++i) {
    const auto step = static_cast<Step>(i);
    if (step == Step::kCancel) continue;  // follows from another fault
    for (int j = 1; j <= static_cast<int>(kLastStepFault); ++j) {
      const auto fault = static_cast<StepFault>(j);
      if (Makes(step, fault)) kinds.push_back({step, fault});
    }
  }
  return kinds;
}

Verdict VerdictOf(Simulation& simulation) {
  if (simulation.violation.ok()) simulation.CheckAuditChain();
  return {simulation.violation, simulation.updates(),
          std::move(simulation.trace)};
}

void AddCombinations(const std::vector<Planned>& faults, size_t from, int left,
                     std::vector<Planned>& chosen,
                     std::vector<std::vector<Planned>>& all) {
  all.push_back(chosen);
  if (left == 0) return;
  int hosts = 0;
  for (const Planned& planned : chosen) hosts = std::max(hosts, planned.host);
  for (size_t i = from; i < faults.size(); ++i) {
    Planned next = faults[i];
    const int most = next.host == 0 ? 0 : std::min(hosts + 1, kHostsMax);
    for (int host = std::min(next.host, 1); host <= most; ++host) {
      next.host = host;
      chosen.push_back(next);
      AddCombinations(faults, i + 1, left - 1, chosen, all);
      chosen.pop_back();
    }
  }
}

}  // namespace

ImageFiles::ImageFiles() {
  char name[] = "/tmp/baton-sim-XXXXXX";
  CHECK(mkdtemp(name) != nullptr);
  folder_ = name;
  for (const char* version : {"1.0", "2.0"}) {
    const std::string path = absl::StrCat(folder_, "/", version);
    std::ofstream(path) << version;
    agent::core::Image& image =
        std::string(version) == "1.0" ? images_.old_image : images_.new_image;
    image = {path, Sha256Of(version), "softgpu", version};
  }
}

ImageFiles::~ImageFiles() {
  std::remove(images_.old_image.path.c_str());
  std::remove(images_.new_image.path.c_str());
  rmdir(folder_.c_str());
}

Verdict RunSeed(uint64_t seed, int hosts, const SimImages& images,
                Tracing tracing) {
  Simulation::Options options;
  options.hosts = hosts;
  options.seed = seed;
  options.images = images;
  options.trace = tracing == Tracing::kOn;
  // Seeds differ in what goes wrong most.
  options.weather.lost = 10 + 40 * (seed % 3);
  options.weather.doubled = 15;
  options.weather.late = 20;
  options.weather.step_fault = 60 + 200 * (seed % 4);
  options.weather.service_dies = 60 + 200 * (seed % 5);
  // Every third fleet has its store put back now and then.
  options.weather.backup = seed % 3 == 2 ? 3 : 0;
  options.weather.host_fault = absl::Seconds(60 + 30 * (seed % 7)) / hosts;
  options.weather.call =
      absl::Milliseconds(400 + 300 * static_cast<int>(seed % 3));
  Simulation simulation(options);
  // So that there is something to do from the first second.
  (void)simulation.CallNow(core::CreateRollout{
      kRollout, DrawSpec(simulation.random(), hosts, simulation.fleet().now)});
  (void)simulation.CallNow(core::PlanRollout{kRollout});
  const core::Rollout* rollout =
      core::FindRollout(simulation.fleet(), kRollout);
  if (rollout != nullptr && rollout->plan.has_value()) {
    (void)simulation.CallNow(
        core::StartRollout{kRollout, rollout->plan->digest});
  }
  simulation.Run(kStorm);
  simulation.Heal();
  simulation.Settle();
  if (simulation.violation.ok()) simulation.EndAll();
  return VerdictOf(simulation);
}

Verdict RunPlanned(const std::vector<Planned>& planned, int hosts,
                   const SimImages& images, Tracing tracing) {
  Simulation::Options options;
  options.hosts = hosts;
  options.images = images;
  options.planned = planned;
  options.trace = tracing == Tracing::kOn;
  Simulation simulation(options);
  core::RolloutSpec spec = support::MakeSpec();
  spec.limits.max_unavailable = 2;
  spec.failure_tolerance.hosts = 2;
  // Whoever finds the service dead asks again.
  for (int i = 0; i < 20; ++i) {
    const core::Rollout* rollout =
        core::FindRollout(simulation.fleet(), kRollout);
    if (rollout == nullptr) {
      (void)simulation.CallNow(core::CreateRollout{kRollout, spec});
    } else if (!rollout->plan.has_value()) {
      (void)simulation.CallNow(core::PlanRollout{kRollout});
    } else if (rollout->state == core::RolloutState::kPlanned) {
      (void)simulation.CallNow(
          core::StartRollout{kRollout, rollout->plan->digest});
    } else {
      break;
    }
    if (planned.empty()) continue;
    simulation.Run(absl::Seconds(1));
  }
  simulation.Settle();
  const core::Rollout* rollout =
      core::FindRollout(simulation.fleet(), kRollout);
  if (planned.empty() && simulation.violation.ok() &&
      (rollout == nullptr ||
       rollout->state != core::RolloutState::kSucceeded)) {
    simulation.Note(absl::InternalError("L4: a healthy rollout did not end"));
  }
  return VerdictOf(simulation);
}

std::vector<Planned> AllFaults() {
  std::vector<Planned> faults;
  for (const Kind& kind : HostKinds()) {
    faults.push_back({.host = 1, .step = kind.step, .fault = kind.fault});
  }
  for (int commit = 1; commit <= kCommitsMax; ++commit) {
    faults.push_back({.commit = commit, .after = false});
    faults.push_back({.commit = commit, .after = true});
  }
  return faults;
}

std::vector<std::vector<Planned>> Combinations(int depth) {
  std::vector<std::vector<Planned>> all;
  std::vector<Planned> chosen;
  AddCombinations(AllFaults(), 0, depth, chosen, all);
  return all;
}

}  // namespace baton::sim
