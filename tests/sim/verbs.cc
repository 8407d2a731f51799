#include "tests/sim/verbs.h"

#include "absl/strings/str_cat.h"
#include "tests/support/stage.h"

namespace baton::sim {
namespace {

using support::HostName;

std::string AnyRollout(const VerbContext& context) {
  return absl::StrCat("rollouts/r", context.random.Below(6));
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

// What somebody would ask who wants the work to go on: the next verb of a
// rollout that is not finished.
DrawnCall Drive(const VerbContext& context) {
  for (const auto& [name, rollout] : context.fleet.rollouts) {
    switch (rollout.state) {
      case core::RolloutState::kDraft:
        return {.body = core::PlanRollout{name}};
      case core::RolloutState::kPlanned:
        return {.body = core::StartRollout{name, rollout.plan->digest}};
      case core::RolloutState::kHeld:
        return {.body = core::ResumeRollout{name, true}};
      case core::RolloutState::kRunning:
      case core::RolloutState::kAborting:
        // Let it go on; once in a while begin another one beside it.
        if (context.random.OneIn(8)) break;
        return {.body = core::UncordonHost{HostName(AnyNumber(context))}};
      case core::RolloutState::kAwaitingApproval:
      case core::RolloutState::kSucceeded:
      case core::RolloutState::kFailed:
      case core::RolloutState::kAborted:
      case core::RolloutState::kRolledBack:
        break;
    }
  }
  const std::string name =
      absl::StrCat("rollouts/r", context.fleet.rollouts.size());
  core::RolloutSpec spec = DrawSpec(context.random, context.hosts);
  // To and fro.
  if (context.fleet.rollouts.size() % 2 == 1) spec.driver = support::kOldDriver;
  return {.body = core::CreateRollout{name, spec}};
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
                            AnyRollout(c), DrawSpec(c.random, c.hosts)}};
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

int TotalWeight() {
  int total = 0;
  for (const Verb& verb : kVerbs) total += verb.weight;
  return total;
}

}  // namespace

core::RolloutSpec DrawSpec(support::SeededRandom& random, int hosts) {
  core::RolloutSpec spec = support::MakeSpec();
  if (random.OneIn(4)) spec.driver = support::kOldDriver;
  spec.waves = {{"canary", core::WaveSize::kHosts, 1,
                 absl::Seconds(static_cast<int64_t>(random.Below(4)))},
                {"", core::WaveSize::kRest}};
  spec.limits.max_unavailable =
      static_cast<uint32_t>(1 + random.Below(1 + hosts / 3));
  spec.failure_tolerance.hosts = static_cast<uint32_t>(random.Below(2 + hosts));
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
