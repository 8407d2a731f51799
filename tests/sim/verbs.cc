#include "tests/sim/verbs.h"

#include <iterator>

#include "absl/strings/str_cat.h"
#include "tests/support/stage.h"

namespace baton::sim {
namespace {

using support::HostName;

constexpr absl::Duration kPlanAgeMax = absl::Seconds(2);

std::string AnyRollout(const VerbContext& context) {
  return absl::StrCat("rollouts/r", context.random.Below(6));
}

// One that is there, those that take others back among them.
std::string Known(const VerbContext& context) {
  const auto& rollouts = context.fleet.rollouts;
  if (rollouts.empty()) return AnyRollout(context);
  const uint64_t index = context.random.Below(rollouts.size());
  return std::next(rollouts.begin(), static_cast<int>(index))->first;
}

int AnyNumber(const VerbContext& context) {
  return static_cast<int>(1 + context.random.Below(context.hosts));
}

// Mostly none, sometimes a stale one.
std::string AnyEtag(const VerbContext& context) {
  return context.random.OneIn(8) ? core::EtagOf(context.random.Below(50)) : "";
}

std::string DigestOf(const VerbContext& context, const std::string& name) {
  const core::Rollout* rollout = core::FindRollout(context.fleet, name);
  const bool planned = rollout != nullptr && rollout->plan.has_value();
  return planned && !context.random.OneIn(10) ? rollout->plan->digest
                                              : "sha256:none";
}

// Somebody has looked at a host that is quarantined, if there is one.
DrawnCall LiftAny(const VerbContext& context) {
  int number = AnyNumber(context);
  for (const auto& [name, host] : context.fleet.hosts) {
    if (!host.quarantine.has_value()) continue;
    number = std::stoi(name.str().substr(name.str().rfind('-') + 1));
    break;
  }
  return {.body = core::LiftQuarantine{HostName(number), "looked"},
          .repairs = number};
}

// What is asked of the hosts that rollouts wait for.
DrawnCall Mend(const VerbContext& context) {
  for (const auto& [name, host] : context.fleet.hosts) {
    if (host.quarantine.has_value()) return LiftAny(context);
    if (host.cordon.has_value()) return {.body = core::UncordonHost{name}};
  }
  return {.body = core::UncordonHost{HostName(AnyNumber(context))}};
}

// To and fro: the driver that fewer hosts have.
std::string OtherDriver(const VerbContext& context) {
  size_t updated = 0;
  for (const auto& [name, host] : context.fleet.hosts) {
    if (core::DriverVersionsOf(host) == "2.0") ++updated;
  }
  return 2 * updated > context.fleet.hosts.size() ? support::kOldDriver
                                                  : support::kNewDriver;
}

// What somebody would ask who wants the work to go on: the next verb of a
// rollout that is not finished.
DrawnCall Drive(const VerbContext& context) {
  // One that is under way has all hosts.
  const bool busy = !context.fleet.active.empty() && !context.random.OneIn(8);
  for (const auto& [name, rollout] : context.fleet.rollouts) {
    switch (rollout.state) {
      case core::RolloutState::kDraft:
      case core::RolloutState::kPlanned:
        // Most hosts have its driver: there may be none for it.
        if (busy || (rollout.spec.driver != OtherDriver(context) &&
                     !context.random.OneIn(4))) {
          break;
        }
        // A plan that lay about is refused for ever once the fleet has changed.
        if (!rollout.plan.has_value() ||
            context.fleet.now - rollout.plan->time > kPlanAgeMax) {
          return {.body = core::PlanRollout{name}};
        }
        return {.body = core::StartRollout{name, rollout.plan->digest}};
      case core::RolloutState::kHeld:
        return {.body = core::ResumeRollout{name, true}};
      case core::RolloutState::kAwaitingApproval:
        return {.body = core::ApproveRollout{name, rollout.plan->digest}};
      case core::RolloutState::kRunning:
      case core::RolloutState::kAborting:
        // Let it go on; once in a while begin another one beside it.
        if (context.random.OneIn(8)) break;
        return Mend(context);
      case core::RolloutState::kSucceeded:
      case core::RolloutState::kFailed:
      case core::RolloutState::kAborted:
      case core::RolloutState::kRolledBack:
        break;
    }
  }
  std::string name;
  size_t number = context.fleet.rollouts.size();
  do {
    name = absl::StrCat("rollouts/r", number++);
  } while (context.fleet.rollouts.count(name) > 0);
  core::RolloutSpec spec = DrawSpec(context.random, context.hosts, context.now);
  spec.driver = OtherDriver(context);
  return {.body = core::CreateRollout{name, spec}};
}

// A host whose agent is not connected, if there is one.
std::string Away(const VerbContext& context) {
  for (const auto& [name, host] : context.fleet.hosts) {
    if (!host.connected()) return name;
  }
  return HostName(AnyNumber(context));
}

using Draw = DrawnCall (*)(const VerbContext&);

struct Verb {
  const char* name;
  int weight;
  Draw draw;
};

// ---- One line each: name, weight, what is asked.
const Verb kVerbs[] = {
    {"drive", 60, Drive},
    {"create", 6,
     [](const VerbContext& c) {
       return DrawnCall{.body = core::CreateRollout{
                            AnyRollout(c), DrawSpec(c.random, c.hosts, c.now)}};
     }},
    {"plan", 8,
     [](const VerbContext& c) {
       return DrawnCall{.body = core::PlanRollout{AnyRollout(c), AnyEtag(c)}};
     }},
    {"start", 10,
     [](const VerbContext& c) {
       const std::string name = AnyRollout(c);
       return DrawnCall{.body = core::StartRollout{name, DigestOf(c, name)}};
     }},
    {"hold", 2,
     [](const VerbContext& c) {
       return DrawnCall{.body = core::HoldRollout{AnyRollout(c), "wait"}};
     }},
    {"resume", 8,
     [](const VerbContext& c) {
       return DrawnCall{
           .body = core::ResumeRollout{AnyRollout(c), !c.random.OneIn(3)}};
     }},
    {"pause", 2,
     [](const VerbContext& c) {
       return DrawnCall{.body = core::PauseRollout{AnyRollout(c), "wait"}};
     }},
    {"approve", 6,
     [](const VerbContext& c) {
       const std::string name = AnyRollout(c);
       return DrawnCall{.body = core::ApproveRollout{name, DigestOf(c, name)}};
     }},
    {"roll back", 1,
     [](const VerbContext& c) {
       return DrawnCall{.body = core::RollBackRollout{AnyRollout(c), "worse"}};
     }},
    {"delete rollout", 3,
     [](const VerbContext& c) {
       return DrawnCall{.body = core::DeleteRollout{Known(c), AnyEtag(c)}};
     }},
    {"skip", 1,
     [](const VerbContext& c) {
       return DrawnCall{.body = core::SkipUpdate{
                            AnyRollout(c), HostName(AnyNumber(c)), "later"}};
     }},
    {"retry", 3,
     [](const VerbContext& c) {
       return DrawnCall{.body = core::RetryUpdate{
                            AnyRollout(c), HostName(AnyNumber(c)), "mended"}};
     }},
    {"freeze", 1,
     [](const VerbContext& c) {
       const auto seconds = static_cast<int64_t>(1 + c.random.Below(20));
       return DrawnCall{.body = core::FreezeFleet{
                            "audit", c.fleet.now + absl::Seconds(seconds)}};
     }},
    {"unfreeze", 1,
     [](const VerbContext&) {
       return DrawnCall{.body = core::UnfreezeFleet{"done"}};
     }},
    {"emergency stop", 1,
     [](const VerbContext&) {
       return DrawnCall{.body = core::EmergencyStop{"smoke"}};
     }},
    {"lift", 6,
     [](const VerbContext&) {
       return DrawnCall{.body = core::LiftEmergencyStop{"no fire"}};
     }},
    {"release", 2,
     [](const VerbContext& c) {
       return DrawnCall{.body = core::ReleaseHost{Away(c), "burnt"}};
     }},
    {"delete", 1,
     [](const VerbContext& c) {
       return DrawnCall{.body = core::DeleteHost{Away(c), "burnt"}};
     }},
    {"lift quarantine", 6, LiftAny},
    {"abort", 1,
     [](const VerbContext& c) {
       return DrawnCall{
           .body = core::AbortRollout{AnyRollout(c), "enough", AnyEtag(c)}};
     }},
    {"cordon", 2,
     [](const VerbContext& c) {
       return DrawnCall{.body =
                            core::CordonHost{HostName(AnyNumber(c)), "disk"}};
     }},
    {"uncordon", 4,
     [](const VerbContext& c) {
       return DrawnCall{.body = core::UncordonHost{HostName(AnyNumber(c))}};
     }},
    {"label", 1,
     [](const VerbContext& c) {
       return DrawnCall{.body = core::UpdateHostLabels{
                            HostName(AnyNumber(c)),
                            {{"zone", absl::StrCat("z", c.random.Below(3))}},
                            AnyEtag(c)}};
     }},
};

std::string MinuteText(absl::Time time) {
  return absl::FormatTime("%H:%M", time, absl::UTCTimeZone());
}

// Opens a minute ago, now, or in a minute, and closes soon.
core::WindowSpec DrawWindow(support::SeededRandom& random, absl::Time now) {
  const absl::Time from =
      now + absl::Minutes(static_cast<int64_t>(random.Below(3)) - 1);
  const absl::Time to =
      from + absl::Minutes(1 + static_cast<int64_t>(random.Below(3)));
  return {{},
          MinuteText(from),
          MinuteText(to),
          "UTC",
          absl::UTCTimeZone(),
          random.OneIn(2) ? core::WindowCutoff::kFinish
                          : core::WindowCutoff::kCancelBeforeUnload};
}

int TotalWeight() {
  int total = 0;
  for (const Verb& verb : kVerbs) total += verb.weight;
  return total;
}

}  // namespace

core::RolloutSpec DrawSpec(support::SeededRandom& random, int hosts,
                           absl::Time now) {
  core::RolloutSpec spec = support::MakeSpec();
  if (random.OneIn(4)) spec.driver = support::kOldDriver;
  spec.waves = {{"canary", core::WaveSize::kHosts, 1,
                 absl::Seconds(static_cast<int64_t>(random.Below(4)))},
                {"", core::WaveSize::kRest}};
  spec.waves[0].coverage = random.OneIn(3);
  spec.waves[0].hold_after = random.OneIn(5);
  spec.waves[random.Below(2)].approvals = random.OneIn(5) ? 1 : 0;
  if (random.OneIn(4)) {
    spec.waves[1].failure_tolerance = core::FailureTolerance{
        std::nullopt, 10 * static_cast<uint32_t>(random.Below(10))};
  }
  spec.limits.max_unavailable =
      static_cast<uint32_t>(1 + random.Below(1 + hosts / 3));
  if (random.OneIn(3)) {
    spec.limits.domains = {
        {"rack", static_cast<uint32_t>(1 + random.Below(2 + hosts / 5))}};
  }
  spec.failure_tolerance.hosts = static_cast<uint32_t>(random.Below(2 + hosts));
  if (random.OneIn(4)) spec.on_exceeded = core::OnExceeded::kRollBack;
  if (random.OneIn(2)) {
    spec.retry = {static_cast<uint32_t>(1 + random.Below(3)), absl::Seconds(1)};
  }
  // The simulated driver's blackout is beyond the first.
  if (random.OneIn(8)) spec.blackout.per_vgpu_max = absl::Milliseconds(1);
  if (random.OneIn(8)) spec.deadline = absl::Minutes(1);
  if (random.OneIn(6)) spec.windows = {DrawWindow(random, now)};
  return spec;
}

DrawnCall DrawCall(const VerbContext& context) {
  static const int kTotal = TotalWeight();
  int draw = static_cast<int>(context.random.Below(kTotal));
  for (const Verb& verb : kVerbs) {
    draw -= verb.weight;
    if (draw >= 0) continue;
    DrawnCall call = verb.draw(context);
    call.name = verb.name;
    call.actor = context.random.OneIn(2) ? "alice" : "bob";
    return call;
  }
  return {};
}

}  // namespace baton::sim
