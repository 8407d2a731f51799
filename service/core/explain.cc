#include "service/core/explain.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "service/core/errors.h"
#include "service/core/wave.h"

namespace baton::core {
namespace {

constexpr size_t kSpelledMax = 10;

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
  Gate gate{.name = "in_flight", .value = HostsText(running.size())};
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

// Whether the wave that is worked on has hosts that wait for a slot.
bool HasWaiting(const Rollout& rollout) {
  const WaveTally& wave = rollout.tally.waves[rollout.wave];
  return !(wave.ready.empty() && wave.later.empty() && wave.waiting.empty() &&
           wave.unfit.empty());
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
                           ", after ", update.reason.str()),
          .value = absl::StrCat(HostsText(later.size()), " backing off"),
          .limit = absl::StrCat(rollout.spec.retry.attempts, " attempts"),
          .holder = name,
          .next_check = wait};
}

// What keeps one host of a wave, as a gate of its rollout.
void AddHostGate(const Fleet& fleet, const Rollout& rollout,
                 const std::string& name, std::vector<Gate>& gates) {
  const Host* host = FindHost(fleet, name);
  if (host == nullptr) return;
  for (Gate& gate : HostGates(fleet, rollout, *host)) {
    if (gate.verdict == GateVerdict::kPass) continue;
    gate.name = "host";
    gate.holder = name;
    gates.push_back(std::move(gate));
    return;
  }
}

// The hosts of the wave that wait on account of themselves.
void AddWaitingGates(const Fleet& fleet, const Rollout& rollout,
                     std::vector<Gate>& gates) {
  if (!HasWaiting(rollout)) return;
  gates.push_back(FleetBudgetGate(fleet, rollout));
  const WaveTally& wave = rollout.tally.waves[rollout.wave];
  // Those that are ready and wait all the same do so for their domains.
  std::set<uint32_t> positions = wave.waiting;
  for (const auto& [position, domains] : wave.ready.heads()) {
    if (positions.size() < kSpelledMax) positions.insert(position);
  }
  if (gates.back().verdict != GateVerdict::kPass) positions = wave.waiting;
  if (!wave.later.empty()) gates.push_back(RetryGate(fleet, rollout));
  for (const std::string& name : HostsOf(rollout, positions, kSpelledMax)) {
    AddHostGate(fleet, rollout, name, gates);
  }
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
      "'", host.rollout.str(), "' updates it, attempt ", update->attempt,
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

// Whether the rollout has come to the wave.
Gate WaveGate(const Rollout& rollout, uint32_t wave) {
  const WaveTally& tally = rollout.tally.waves[wave];
  Gate gate{
      .name = "wave",
      .value = absl::StrCat(tally.ended, " of ", HostsText(tally.hosts),
                            " ended, ", tally.failures, " failed"),
      .limit = absl::StrCat("wave '", WaveNameOf(rollout, rollout.wave), "'"),
      .holder = rollout.name};
  if (wave <= rollout.wave) return gate;
  gate.verdict = GateVerdict::kWait;
  gate.reason = "EARLIER_WAVE";
  gate.message = absl::StrCat("'", rollout.name, "' works on ", gate.limit);
  return gate;
}

// Where the host stands in the rollout in which it has yet to get a slot: the
// first gate of the rollout that keeps it, or its own.
void AddRolloutGates(const Fleet& fleet, const Host& host,
                     std::vector<Gate>& gates) {
  const Rollout* rollout = ClaimantOf(fleet, host.name);
  if (rollout == nullptr) return;
  const Update& update = rollout->updates.at(host.name);
  if (update.state != UpdateState::kPending) return;
  Gate gate{.name = "rollout", .holder = rollout->name};
  gate.value = absl::StrCat("wave '", WaveNameOf(*rollout, update.wave), "'");
  for (Gate& asked : RolloutGates(fleet, *rollout)) {
    if (asked.verdict == GateVerdict::kPass) continue;
    if (asked.name == "bake" && update.wave == rollout->wave) continue;
    gate.verdict = asked.verdict;
    gate.reason = std::move(asked.reason);
    gate.next_check = asked.next_check;
    gate.message = absl::StrCat("'", rollout->name, "' is ",
                                Name(rollout->state), ": ", asked.message);
    break;
  }
  if (gate.verdict == GateVerdict::kPass && update.wave != rollout->wave) {
    Gate wave = WaveGate(*rollout, update.wave);
    wave.name = std::move(gate.name);
    wave.value = std::move(gate.value);
    gate = std::move(wave);
  }
  gates.push_back(std::move(gate));
  for (Gate& own : HostGates(fleet, *rollout, host)) {
    gates.push_back(std::move(own));
  }
}

Explanation Explained(absl::string_view name, absl::string_view otherwise,
                      std::vector<Gate> gates) {
  Explanation explanation{.gates = std::move(gates)};
  Summarize(name, otherwise, explanation);
  return explanation;
}

}  // namespace

absl::StatusOr<Explanation> ExplainRollout(const Fleet& fleet,
                                           const std::string& name) {
  const Rollout* rollout = FindRollout(fleet, name);
  if (rollout == nullptr) return RolloutNotFoundError(name);
  std::vector<Gate> gates;
  if (IsActive(rollout->state)) {
    gates = RolloutGates(fleet, *rollout);
    if (rollout->state != RolloutState::kAborting) {
      AddWaitingGates(fleet, *rollout, gates);
    }
    gates.push_back(InFlightGate(fleet, *rollout));
  } else {
    gates.push_back(StateGate(*rollout));
    if (!rollout->updates.empty()) gates.push_back(ToleranceGate(*rollout));
  }
  const bool succeeded = rollout->state == RolloutState::kSucceeded;
  return Explained(name, succeeded ? "succeeded" : "moves", std::move(gates));
}

absl::StatusOr<Explanation> ExplainWave(const Fleet& fleet,
                                        const std::string& name,
                                        const std::string& wave) {
  const Rollout* rollout = FindRollout(fleet, name);
  if (rollout == nullptr) return RolloutNotFoundError(name);
  ASSIGN_OR_RETURN(const uint32_t index, FindWave(*rollout, wave));
  const std::string what = absl::StrCat(name, "/waves/", wave);
  if (!IsActive(rollout->state)) {
    return Explained(what, "is over", {StateGate(*rollout)});
  }
  if (index == rollout->wave) {
    ASSIGN_OR_RETURN(Explanation whole, ExplainRollout(fleet, name));
    return Explained(what, "moves", std::move(whole.gates));
  }
  Gate gate = WaveGate(*rollout, index);
  if (index < rollout->wave) {
    return Explained(what, "is over", {std::move(gate)});
  }
  return Explained(what, "moves",
                   {std::move(gate), ApprovalGate(*rollout, index)});
}

absl::StatusOr<Explanation> ExplainHost(const Fleet& fleet,
                                        const std::string& name) {
  const Host* host = FindHost(fleet, name);
  if (host == nullptr) return HostNotFoundError(name);
  std::vector<Gate> gates = {QuarantineGate(*host), ConnectionGate(*host),
                             HealthGate(*host), CordonGate(*host),
                             SlotGate(fleet, *host)};
  AddRolloutGates(fleet, *host, gates);
  std::optional<Gate> last = LastUpdateGate(fleet, *host);
  if (last.has_value()) gates.push_back(*std::move(last));
  return Explained(name, "is free for a rollout", std::move(gates));
}

}  // namespace baton::core
