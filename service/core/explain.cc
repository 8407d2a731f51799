#include "service/core/explain.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "service/core/budget.h"
#include "service/core/errors.h"
#include "service/core/verdict.h"
#include "service/core/wave.h"

namespace baton::core {
namespace {

constexpr size_t kSpelledMax = 10;

std::string Hosts(size_t number) {
  return absl::StrCat(number, number == 1 ? " host" : " hosts");
}

// What an operator can do about a rollout that is at rest.
Gate StateGate(const Rollout& rollout) {
  Gate gate{.name = "state", .value = std::string(Name(rollout.state))};
  switch (rollout.state) {
    case RolloutState::kRunning:
    case RolloutState::kSucceeded:
      gate.message = absl::StrCat(
          "'", rollout.name, "' ",
          rollout.state == RolloutState::kRunning ? "runs" : "succeeded");
      return gate;
    case RolloutState::kDraft:
      gate.reason = "ROLLOUT_NOT_PLANNED";
      gate.message = "it is not planned yet: plan it";
      break;
    case RolloutState::kPlanned:
      gate.reason = "ROLLOUT_NOT_STARTED";
      gate.message = "it is not started yet: start it with its plan's digest";
      break;
    case RolloutState::kAwaitingApproval:
    case RolloutState::kHeld:
    case RolloutState::kFailed:
    case RolloutState::kAborted:
    case RolloutState::kAborting:
    case RolloutState::kRolledBack:
      gate.reason = rollout.reason;
      gate.message = rollout.message;
      break;
  }
  gate.verdict = rollout.state == RolloutState::kAborting ? GateVerdict::kWait
                                                          : GateVerdict::kStop;
  return gate;
}

Gate ToleranceGate(const Rollout& rollout) {
  const RolloutProgress progress = ProgressOf(rollout);
  Gate gate{
      .name = "failure_tolerance",
      .value = absl::StrCat(Hosts(progress.failures), " failed"),
      .limit = Hosts(rollout.plan->failures_max + rollout.failures_accepted)};
  if (progress.failures > 0) gate.message = FailuresText(rollout);
  if (!ExceedsTolerance(rollout)) return gate;
  gate.verdict = GateVerdict::kStop;
  gate.reason = "FAILURE_TOLERANCE_EXCEEDED";
  return gate;
}

std::string FlightText(const Fleet& fleet, const std::string& name,
                       const Update& update) {
  const Host* host = FindHost(fleet, name);
  return absl::StrCat(
      name, update.step == Step::kNone ? " was started " : " finished ",
      update.step == Step::kNone
          ? absl::StrCat(absl::FormatDuration(fleet.now - update.start_time),
                         " ago")
          : Name(update.step),
      host != nullptr && host->connected()
          ? ""
          : ", but no agent is connected: its slot stays taken");
}

Gate InFlightGate(const Fleet& fleet, const Rollout& rollout) {
  const std::set<std::string>& running = rollout.tally.running;
  Gate gate{.name = "in_flight", .value = Hosts(running.size())};
  if (running.empty()) return gate;
  gate.verdict = GateVerdict::kWait;
  gate.reason = "UPDATE_RUNNING";
  gate.holder = *running.begin();
  size_t spelled = 0;
  for (auto it = running.begin(); it != running.end() && spelled < kSpelledMax;
       ++it, ++spelled) {
    absl::StrAppend(&gate.message, spelled == 0 ? "" : "; ",
                    FlightText(fleet, *it, rollout.updates.at(*it)));
  }
  return gate;
}

// Whether one more host of the fleet may go out of service.
Gate FleetGate(const Fleet& fleet, const Rollout& rollout) {
  const Unavailable count = CountUnavailable(fleet);
  Gate gate{.name = "max_unavailable",
            .value = absl::StrCat(Hosts(count.total()), " out of service"),
            .limit = Hosts(rollout.plan->max_unavailable)};
  if (count.total() == 0) return gate;
  const std::vector<std::string> hosts = UnavailableHosts(fleet, kSpelledMax);
  gate.message = absl::StrCat(count.slots, " updating, ", count.quarantined,
                              " quarantined, ", count.offline, " offline, ",
                              count.unhealthy, " unhealthy, ", count.cordoned,
                              " cordoned: ", absl::StrJoin(hosts, ", "));
  if (count.total() < rollout.plan->max_unavailable) return gate;
  gate.reason = "MAX_UNAVAILABLE_REACHED";
  gate.holder = hosts.front();
  const bool moves = count.slots + count.offline > 0;
  gate.verdict = moves ? GateVerdict::kWait : GateVerdict::kStop;
  return gate;
}

Gate BlockedHostGate(const std::string& host, Verdict verdict) {
  const bool alone =
      verdict.reason == "HOST_OFFLINE" || verdict.reason == "HELD_BY_ROLLOUT";
  Gate gate{.name = "host", .holder = host};
  gate.verdict = alone ? GateVerdict::kWait : GateVerdict::kStop;
  gate.reason = std::move(verdict.reason);
  gate.message = absl::StrCat(host, ": ", verdict.message);
  return gate;
}

// One gate for each host of the wave that waits on account of itself.
void AddHostGates(const Fleet& fleet, const Rollout& rollout,
                  std::vector<Gate>& gates) {
  const WaveTally& wave = rollout.tally.waves[rollout.wave];
  for (const std::string& name : HostsOf(rollout, wave.waiting, kSpelledMax)) {
    const Host* host = FindHost(fleet, name);
    const Update& update = rollout.updates.at(name);
    const Driver* driver = FindDriver(
        fleet,
        DriverNameOf(rollout,
                     rollout.plan->waves[update.wave].hosts[update.position]));
    if (host == nullptr || driver == nullptr) continue;
    gates.push_back(
        BlockedHostGate(name, VerdictOf(fleet, *host, *driver, rollout.name)));
  }
}

// Hosts that try again, but not yet.
Gate RetryGate(const Fleet& fleet, const Rollout& rollout) {
  const auto& later = rollout.tally.waves[rollout.wave].later;
  const auto next = std::min_element(
      later.begin(), later.end(),
      [](const auto& a, const auto& b) { return a.second < b.second; });
  const std::string& name =
      rollout.plan->waves[rollout.wave].hosts[next->first].host;
  const Update& update = rollout.updates.at(name);
  const absl::Duration wait = next->second - fleet.now;
  return {.name = "retry",
          .verdict = GateVerdict::kWait,
          .reason = "RETRY_BACKOFF",
          .message =
              absl::StrCat(name, " tries again in ", absl::FormatDuration(wait),
                           ", after ", update.reason),
          .value = absl::StrCat(Hosts(later.size()), " backing off"),
          .limit = absl::StrCat(rollout.spec.retry.attempts, " attempts"),
          .holder = name,
          .next_check = wait};
}

Gate BakeGate(const Fleet& fleet, const Rollout& rollout) {
  Gate gate{.name = "bake",
            .value = absl::StrCat("wave '", WaveNameOf(rollout, rollout.wave),
                                  "' has ended")};
  gate.limit = absl::FormatDuration(rollout.plan->waves[rollout.wave].bake);
  const absl::Time end = BakeEnd(rollout);
  if (end > fleet.now && end != absl::InfiniteFuture()) {
    gate.verdict = GateVerdict::kWait;
    gate.reason = "WAVE_BAKES";
    gate.next_check = end - fleet.now;
    gate.message = absl::StrCat("the next wave begins in ",
                                absl::FormatDuration(end - fleet.now));
    return gate;
  }
  const std::vector<std::string> unwell = UnwellHosts(rollout);
  if (unwell.empty()) return gate;
  gate.verdict = GateVerdict::kWait;
  gate.reason = "UPDATED_HOST_UNWELL";
  gate.holder = unwell.front();
  gate.message = absl::StrCat(
      Hosts(unwell.size()),
      " of the wave not READY since the update: ", absl::StrJoin(unwell, ", "));
  return gate;
}

void AddWaveGates(const Fleet& fleet, const Rollout& rollout,
                  std::vector<Gate>& gates) {
  if (WaveHasEnded(rollout)) {
    gates.push_back(BakeGate(fleet, rollout));
    return;
  }
  const WaveTally& wave = rollout.tally.waves[rollout.wave];
  if (wave.ready.empty() && wave.later.empty() && wave.waiting.empty() &&
      wave.unfit.empty()) {
    return;
  }
  gates.push_back(FleetGate(fleet, rollout));
  if (!wave.later.empty()) gates.push_back(RetryGate(fleet, rollout));
  AddHostGates(fleet, rollout, gates);
}

// The first gate that does not let pass speaks for all.
void Summarize(absl::string_view name, absl::string_view otherwise,
               Explanation& explanation) {
  for (const Gate& gate : explanation.gates) {
    if (gate.verdict == GateVerdict::kPass) continue;
    explanation.summary = absl::StrCat(
        "'", name,
        gate.verdict == GateVerdict::kStop ? "' needs a person: " : "' waits: ",
        gate.message, " (", gate.reason, ")");
    return;
  }
  explanation.summary = absl::StrCat("'", name, "' ", otherwise);
}

// ---- Hosts.

Gate ConnectionGate(const Host& host) {
  Gate gate{.name = "connection", .value = "connected"};
  if (host.connected()) return gate;
  gate.verdict = GateVerdict::kWait;
  gate.reason = "HOST_OFFLINE";
  gate.value = "not connected";
  gate.message = "no agent is connected";
  return gate;
}

Gate HealthGate(const Host& host) {
  Gate gate{.name = "health", .value = "well"};
  Host alone = host;
  alone.quarantine.reset();
  alone.rollout.clear();
  if (StateOf(alone) != HostState::kUnhealthy) return gate;
  gate.verdict = GateVerdict::kStop;
  gate.reason = "HOST_UNHEALTHY";
  gate.message = StateMessageOf(alone);
  gate.value = "unwell";
  return gate;
}

Gate QuarantineGate(const Host& host) {
  Gate gate{.name = "quarantine"};
  if (!host.quarantine.has_value()) return gate;
  gate.verdict = GateVerdict::kStop;
  gate.reason = "HOST_QUARANTINED";
  gate.message = StateMessageOf(host);
  gate.holder = host.quarantine->rollout;
  return gate;
}

Gate CordonGate(const Host& host) {
  Gate gate{.name = "cordon"};
  if (!host.cordon.has_value()) return gate;
  gate.verdict = GateVerdict::kStop;
  gate.reason = "HOST_CORDONED";
  gate.message =
      absl::StrCat("cordoned by '", host.cordon->by, "' at ",
                   absl::FormatTime(host.cordon->time, absl::UTCTimeZone()),
                   ": ", host.cordon->reason);
  return gate;
}

Gate SlotGate(const Fleet& fleet, const Host& host) {
  Gate gate{.name = "slot"};
  const Update* update = FindUpdate(fleet, host.rollout, host.name);
  if (update == nullptr) return gate;
  gate.verdict = GateVerdict::kWait;
  gate.reason = "UPDATE_RUNNING";
  gate.holder = host.rollout;
  gate.value = std::string(Name(update->step));
  gate.message = absl::StrCat(
      "'", host.rollout, "' updates it, attempt ", update->attempt,
      update->step == Step::kNone
          ? ", no step is finished"
          : absl::StrCat(", finished ", Name(update->step)),
      update->past_no_return ? ", past the point of no return" : "",
      update->cancel != Cancel::kNone ? ", asked to cancel" : "");
  return gate;
}

// How the host's last attempt ended, where that needs words.
std::optional<Gate> LastUpdateGate(const Fleet& fleet, const Host& host) {
  for (const auto& [name, rollout] : fleet.rollouts) {
    const Update* update = FindUpdate(fleet, name, host.name);
    if (update == nullptr || update->attempt == 0) continue;
    if (update->attempt != host.attempt || !CountsAsFailure(*update)) continue;
    return Gate{.name = "last_update",
                .verdict = GateVerdict::kStop,
                .reason = update->reason,
                .message = CauseOf(*update),
                .value = std::string(Name(update->state)),
                .holder = name};
  }
  return std::nullopt;
}

// The rollout in which the host has yet to get a slot.
std::optional<Gate> RolloutGate(const Fleet& fleet, const Host& host) {
  const Rollout* rollout = ClaimantOf(fleet, host.name);
  if (rollout == nullptr) return std::nullopt;
  const Update& update = rollout->updates.at(host.name);
  if (update.state != UpdateState::kPending) return std::nullopt;
  Gate gate{.name = "rollout",
            .verdict = GateVerdict::kWait,
            .holder = rollout->name};
  gate.value = absl::StrCat("wave '", WaveNameOf(*rollout, update.wave), "'");
  if (rollout->state == RolloutState::kHeld) {
    gate.verdict = GateVerdict::kStop;
    gate.reason = rollout->reason;
    gate.message =
        absl::StrCat("'", rollout->name, "' is HELD: ", rollout->message);
  } else if (update.wave != rollout->wave) {
    gate.reason = "EARLIER_WAVE";
    gate.limit =
        absl::StrCat("wave '", WaveNameOf(*rollout, rollout->wave), "'");
    gate.message = absl::StrCat("'", rollout->name, "' works on ", gate.limit);
  } else if (update.not_before > fleet.now) {
    gate.reason = "RETRY_BACKOFF";
    gate.next_check = update.not_before - fleet.now;
    gate.message = absl::StrCat("it tries again in ",
                                absl::FormatDuration(*gate.next_check),
                                ", after ", update.reason);
  } else {
    const Gate budget = FleetGate(fleet, *rollout);
    const bool full = budget.verdict != GateVerdict::kPass;
    gate.verdict = full ? budget.verdict : GateVerdict::kWait;
    gate.reason = full ? budget.reason : "SLOT_NOT_GIVEN";
    gate.message = full ? budget.message : "it gets a slot next";
    gate.limit = budget.limit;
  }
  return gate;
}

}  // namespace

absl::StatusOr<Explanation> ExplainRollout(const Fleet& fleet,
                                           const std::string& name) {
  const Rollout* rollout = FindRollout(fleet, name);
  if (rollout == nullptr) return RolloutNotFoundError(name);
  Explanation explanation;
  explanation.gates.push_back(StateGate(*rollout));
  if (rollout->plan.has_value() && !rollout->updates.empty()) {
    explanation.gates.push_back(ToleranceGate(*rollout));
  }
  if (IsActive(rollout->state)) {
    if (rollout->state != RolloutState::kAborting) {
      AddWaveGates(fleet, *rollout, explanation.gates);
    }
    explanation.gates.push_back(InFlightGate(fleet, *rollout));
  }
  Summarize(name,
            rollout->state == RolloutState::kSucceeded ? "succeeded" : "moves",
            explanation);
  return explanation;
}

absl::StatusOr<Explanation> ExplainHost(const Fleet& fleet,
                                        const std::string& name) {
  const Host* host = FindHost(fleet, name);
  if (host == nullptr) return HostNotFoundError(name);
  Explanation explanation;
  explanation.gates = {QuarantineGate(*host), ConnectionGate(*host),
                       HealthGate(*host), CordonGate(*host),
                       SlotGate(fleet, *host)};
  for (std::optional<Gate> gate :
       {RolloutGate(fleet, *host), LastUpdateGate(fleet, *host)}) {
    if (gate.has_value()) explanation.gates.push_back(*std::move(gate));
  }
  Summarize(name, "is free for a rollout", explanation);
  return explanation;
}

}  // namespace baton::core
