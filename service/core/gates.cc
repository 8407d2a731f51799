#include "service/core/gates.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "service/core/approval.h"
#include "service/core/budget.h"
#include "service/core/event.h"
#include "service/core/tolerance.h"
#include "service/core/verdict.h"
#include "service/core/wave.h"
#include "service/core/window.h"

namespace baton::core {
namespace {

// Whether a gate is to say more than its verdict.
enum class Words : uint8_t { kNone, kAll };

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time, absl::UTCTimeZone());
}

void Close(GateVerdict verdict, absl::string_view reason, Gate& gate) {
  gate.verdict = verdict;
  gate.reason = std::string(reason);
}

Gate EmergencyStopGate(const Fleet& fleet, const Rollout&, Words words) {
  Gate gate{.name = "emergency_stop"};
  if (!fleet.emergency_stop.has_value()) return gate;
  const EmergencyStopRecord& stop = *fleet.emergency_stop;
  // The service stops itself for that alone.
  const bool own = stop.by == kServiceActor;
  Close(GateVerdict::kStop, own ? kStoreIsOlder : "EMERGENCY_STOP", gate);
  if (words == Words::kNone) return gate;
  gate.holder = stop.by;
  gate.value = absl::StrCat("since ", TimeText(stop.time));
  gate.message =
      absl::StrCat("'", stop.by, "' stopped the fleet: ", stop.reason);
  return gate;
}

Gate FreezeGate(const Fleet& fleet, const Rollout&, Words words) {
  Gate gate{.name = "freeze"};
  if (!fleet.freeze.has_value() || fleet.freeze->end <= fleet.now) return gate;
  Close(GateVerdict::kWait, "FLEET_FROZEN", gate);
  if (words == Words::kNone) return gate;
  const Freeze& freeze = *fleet.freeze;
  gate.holder = freeze.by;
  gate.value = absl::StrCat("since ", TimeText(freeze.start));
  gate.limit = absl::StrCat("until ", TimeText(freeze.end));
  gate.next_check = freeze.end - fleet.now;
  gate.message = absl::StrCat("'", freeze.by, "' froze the fleet ", gate.limit,
                              ": ", freeze.reason);
  return gate;
}

// What is in flight ends; what would begin waits until there is room again.
Gate ServiceDiskGate(const Fleet& fleet, const Rollout&, Words words) {
  Gate gate{.name = "service_disk"};
  if (!fleet.disk_free_bytes.has_value()) return gate;
  const uint64_t reserve = fleet.settings.disk_reserve_bytes;
  const bool low = *fleet.disk_free_bytes < reserve;
  if (low) Close(GateVerdict::kWait, "SERVICE_DISK_LOW", gate);
  if (words == Words::kNone || !low) return gate;
  gate.value = absl::StrCat(*fleet.disk_free_bytes >> 20, " MiB free");
  gate.limit = absl::StrCat(reserve >> 20, " MiB");
  gate.holder = kServiceActor;
  gate.message = absl::StrCat("the service's disk is nearly full: ", gate.value,
                              ", want ", gate.limit, "; hosts in flight go on");
  return gate;
}

Gate StateGateOf(const Fleet&, const Rollout& rollout, Words words) {
  if (words == Words::kAll) return StateGate(rollout);
  Gate gate{.name = "state"};
  if (rollout.state != RolloutState::kRunning) {
    gate.verdict = GateVerdict::kStop;
  }
  return gate;
}

Gate ApprovalGateOf(const Fleet&, const Rollout& rollout, Words words) {
  if (words == Words::kAll) return ApprovalGate(rollout, rollout.wave);
  Gate gate{.name = "approval"};
  if (LacksApprovals(rollout, rollout.wave)) gate.verdict = GateVerdict::kStop;
  return gate;
}

Gate WindowGate(const Fleet& fleet, const Rollout& rollout, Words words) {
  Gate gate{.name = "window"};
  const std::vector<WindowSpec>& windows = rollout.spec.windows;
  const bool open = IsOpen(windows, fleet.now);
  if (!open) Close(GateVerdict::kWait, "WINDOW_CLOSED", gate);
  if (words == Words::kNone) return gate;
  gate.value = open ? "open" : "closed";
  const absl::Time change = NextChange(windows, fleet.now);
  if (change != absl::InfiniteFuture()) {
    gate.limit = absl::StrCat(open ? "closes " : "opens ", TimeText(change));
    gate.next_check = change - fleet.now;
  }
  if (open) return gate;
  gate.message = absl::StrCat(
      "no window is open; ",
      gate.limit.empty() ? "none will be" : absl::StrCat("one ", gate.limit));
  return gate;
}

Gate ToleranceGateOf(const Fleet&, const Rollout& rollout, Words words) {
  if (words == Words::kAll) return ToleranceGate(rollout);
  Gate gate{.name = "failure_tolerance"};
  if (ExceedsTolerance(rollout)) gate.verdict = GateVerdict::kStop;
  return gate;
}

Gate WaveToleranceGate(const Fleet&, const Rollout& rollout, Words words) {
  Gate gate{.name = "wave_failure_tolerance"};
  if (ExceedsWaveTolerance(rollout)) {
    Close(GateVerdict::kStop, "FAILURE_TOLERANCE_EXCEEDED", gate);
  }
  const PlannedWave& wave = rollout.plan->waves[rollout.wave];
  if (words == Words::kNone || !wave.failures_max.has_value()) return gate;
  gate.value = absl::StrCat(HostsText(WaveFailures(rollout)), " failed");
  gate.limit = HostsText(*wave.failures_max);
  if (gate.verdict == GateVerdict::kPass) return gate;
  gate.message = absl::StrCat("wave '", wave.name, "': ", gate.value, ", ",
                              *wave.failures_max, " tolerated");
  return gate;
}

Gate BlackoutGate(const Fleet&, const Rollout& rollout, Words words) {
  Gate gate{.name = "blackout"};
  if (ExceedsBlackout(rollout)) {
    Close(GateVerdict::kStop, "BLACKOUT_EXCEEDED", gate);
  }
  if (words == Words::kNone || rollout.tally.blackouts.count() == 0) {
    return gate;
  }
  gate.value = absl::FormatDuration(rollout.tally.blackouts.Percentile(100));
  gate.limit = absl::FormatDuration(rollout.spec.blackout.per_vgpu_max);
  gate.message = BlackoutText(rollout);
  return gate;
}

Gate DeadlineGate(const Fleet& fleet, const Rollout& rollout, Words words) {
  Gate gate{.name = "deadline"};
  const bool passed = ExceedsDeadline(rollout, fleet.now);
  if (passed) Close(GateVerdict::kStop, "ROLLOUT_DEADLINE", gate);
  if (words == Words::kNone) return gate;
  gate.value = absl::StrCat("started ", TimeText(rollout.start_time));
  gate.limit = absl::StrCat("by ", TimeText(rollout.deadline_time));
  if (!passed) {
    gate.next_check = rollout.deadline_time - fleet.now;
    return gate;
  }
  gate.message = absl::StrCat("it was to have ended ", gate.limit);
  return gate;
}

Gate BakeGate(const Fleet& fleet, const Rollout& rollout, Words words) {
  Gate gate{.name = "bake"};
  if (!WaveHasEnded(rollout)) return gate;
  const absl::Time end = BakeEnd(rollout);
  const bool bakes = end > fleet.now && end != absl::InfiniteFuture();
  const std::set<uint32_t>& unwell = rollout.tally.waves[rollout.wave].unwell;
  const bool last = rollout.wave + 1 == rollout.plan->waves.size();
  if (!last && bakes) {
    Close(GateVerdict::kWait, "WAVE_BAKES", gate);
  } else if (!last && !unwell.empty()) {
    Close(GateVerdict::kWait, "UPDATED_HOST_UNWELL", gate);
  }
  if (words == Words::kNone) return gate;
  gate.value =
      absl::StrCat("wave '", WaveNameOf(rollout, rollout.wave), "' has ended");
  gate.limit = absl::FormatDuration(rollout.plan->waves[rollout.wave].bake);
  if (gate.reason == "WAVE_BAKES") {
    gate.next_check = end - fleet.now;
    gate.message = absl::StrCat("the next wave begins in ",
                                absl::FormatDuration(*gate.next_check));
  } else if (gate.reason == "UPDATED_HOST_UNWELL") {
    const std::vector<std::string> hosts = UnwellHosts(rollout);
    gate.holder = hosts.front();
    gate.message = absl::StrCat(HostsText(hosts.size()),
                                " of the wave not READY since the update: ",
                                absl::StrJoin(hosts, ", "));
  }
  return gate;
}

using AskRollout = Gate (*)(const Fleet&, const Rollout&, Words);

constexpr AskRollout kRolloutGates[] = {
    EmergencyStopGate, FreezeGate,   ServiceDiskGate, StateGateOf,
    ApprovalGateOf,    WindowGate,   ToleranceGateOf, WaveToleranceGate,
    BlackoutGate,      DeadlineGate, BakeGate};

// ---- Hosts.

const PlannedHost& PlannedOf(const Rollout& rollout, const Update& update) {
  return rollout.plan->waves[update.wave].hosts[update.position];
}

Gate VerdictGate(const Fleet& fleet, const Rollout& rollout, const Host& host) {
  Gate gate{.name = "verdict", .value = "HOT"};
  const std::string& name =
      DriverNameOf(rollout, PlannedOf(rollout, rollout.updates.at(host.name)));
  const Driver* driver = FindDriver(fleet, name);
  Verdict verdict{"DRIVER_NOT_FOUND",
                  absl::StrCat("driver '", name, "' is not known")};
  if (driver != nullptr) verdict = VerdictOf(fleet, host, *driver, rollout);
  // The gate after this one speaks of claims.
  if (verdict.hot() || verdict.reason == "HELD_BY_ROLLOUT") return gate;
  gate.value = "BLOCKED";
  Close(verdict.reason == "HOST_OFFLINE" ? GateVerdict::kWait
                                         : GateVerdict::kStop,
        verdict.reason, gate);
  gate.holder =
      verdict.reason == "HOST_CORDONED" ? host.cordon->by : host.name.str();
  gate.message = absl::StrCat(host.name.str(), ": ", verdict.message);
  return gate;
}

Gate ClaimGate(const Fleet& fleet, const Rollout& rollout, const Host& host) {
  Gate gate{.name = "claim"};
  const Rollout* claimant = ClaimantOf(fleet, host.name);
  if (claimant == nullptr || claimant->name == rollout.name) return gate;
  Close(GateVerdict::kWait, "HELD_BY_ROLLOUT", gate);
  gate.holder = claimant->name;
  gate.message =
      absl::StrCat("'", claimant->name, "' has not finished with it");
  return gate;
}

Gate BackoffGate(const Fleet& fleet, const Rollout& rollout, const Host& host) {
  Gate gate{.name = "backoff"};
  const Update& update = rollout.updates.at(host.name);
  gate.value = absl::StrCat(update.tries, " tried");
  gate.limit = absl::StrCat(rollout.spec.retry.attempts);
  if (update.not_before <= fleet.now) return gate;
  Close(GateVerdict::kWait, "RETRY_BACKOFF", gate);
  gate.next_check = update.not_before - fleet.now;
  gate.message =
      absl::StrCat("it tries again in ", absl::FormatDuration(*gate.next_check),
                   ": ", update.reason.str(), " ", update.message.str());
  return gate;
}

Gate GateOf(const BudgetGate& budget) {
  const bool fleet = budget.label.empty();
  const Unavailable& count = budget.unavailable;
  Gate gate{.name = fleet ? "max_unavailable"
                          : absl::StrCat("max_unavailable ", budget.label, "=",
                                         budget.value),
            .value = absl::StrCat(HostsText(count.total()), " out of service"),
            .limit = HostsText(budget.limit)};
  if (count.total() == 0) return gate;
  gate.message = absl::StrCat(
      count.slots, " updating, ", count.quarantined, " quarantined, ",
      count.offline, " offline, ", count.unhealthy, " unhealthy, ",
      count.cordoned, " cordoned: ", absl::StrJoin(budget.holders, ", "));
  if (!budget.full()) return gate;
  const bool moves = count.slots + count.offline > 0;
  Close(moves ? GateVerdict::kWait : GateVerdict::kStop,
        fleet ? "MAX_UNAVAILABLE_REACHED" : "DOMAIN_FULL", gate);
  gate.holder = budget.holders.front();
  return gate;
}

}  // namespace

std::string HostsText(size_t number) {
  return absl::StrCat(number, number == 1 ? " host" : " hosts");
}

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
      gate.reason = "APPROVAL_MISSING";
      gate.message = ApprovalsText(rollout, rollout.wave);
      break;
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

Gate ApprovalGate(const Rollout& rollout, uint32_t wave) {
  Gate gate{.name = "approval",
            .value = absl::StrCat(ApprovalsOf(rollout, wave)),
            .limit = absl::StrCat(rollout.plan->waves[wave].approvals)};
  if (!LacksApprovals(rollout, wave)) return gate;
  Close(GateVerdict::kStop, "APPROVAL_MISSING", gate);
  gate.message =
      absl::StrCat(ApprovalsText(rollout, wave), ": somebody other than '",
                   rollout.author, "' must approve it");
  return gate;
}

Gate ToleranceGate(const Rollout& rollout) {
  const uint32_t failures = rollout.tally.failures;
  Gate gate{.name = "failure_tolerance",
            .value = absl::StrCat(HostsText(failures), " failed"),
            .limit = HostsText(rollout.plan->failures_max +
                               rollout.failures_accepted)};
  if (failures > 0) gate.message = FailuresText(rollout);
  if (!ExceedsTolerance(rollout)) return gate;
  Close(GateVerdict::kStop, "FAILURE_TOLERANCE_EXCEEDED", gate);
  return gate;
}

Gate FleetBudgetGate(const Fleet& fleet, const Rollout& rollout) {
  return GateOf(BudgetGates(fleet, rollout, Host{}).front());
}

std::vector<Gate> RolloutGates(const Fleet& fleet, const Rollout& rollout) {
  std::vector<Gate> gates;
  for (const AskRollout ask : kRolloutGates) {
    gates.push_back(ask(fleet, rollout, Words::kAll));
  }
  return gates;
}

bool LetsStart(const Fleet& fleet, const Rollout& rollout) {
  return std::all_of(
      std::begin(kRolloutGates), std::end(kRolloutGates), [&](AskRollout ask) {
        return ask(fleet, rollout, Words::kNone).verdict == GateVerdict::kPass;
      });
}

std::vector<Gate> HostGates(const Fleet& fleet, const Rollout& rollout,
                            const Host& host) {
  std::vector<Gate> gates = {VerdictGate(fleet, rollout, host),
                             ClaimGate(fleet, rollout, host),
                             BackoffGate(fleet, rollout, host)};
  for (const BudgetGate& budget : BudgetGates(fleet, rollout, host)) {
    gates.push_back(GateOf(budget));
  }
  return gates;
}

absl::Time NextGateChange(const Fleet& fleet, const Rollout& rollout) {
  absl::Time next = absl::InfiniteFuture();
  const auto consider = [&](absl::Time time) {
    if (time > fleet.now) next = std::min(next, time);
  };
  if (rollout.state != RolloutState::kRunning &&
      rollout.state != RolloutState::kAwaitingApproval &&
      rollout.tally.running.empty()) {
    return next;
  }
  if (fleet.freeze.has_value()) consider(fleet.freeze->end);
  consider(NextChange(rollout.spec.windows, fleet.now));
  consider(rollout.deadline_time);
  consider(BakeEnd(rollout));
  return next;
}

}  // namespace baton::core
