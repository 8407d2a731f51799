#include "service/metrics/fleet_metrics.h"

#include <map>
#include <string>
#include <utility>

#include "service/core/budget.h"
#include "service/core/gates.h"
#include "service/core/names.h"

namespace baton::metrics {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

// One metric with all of its samples.
class Family {
 public:
  Family(std::string name, std::string help,
         MetricType type = MetricType::Gauge) {
    family_.name = std::move(name);
    family_.help = std::move(help);
    family_.type = type;
  }

  Family& Add(double value, Labels labels = {}) {
    ClientMetric& metric = family_.metric.emplace_back();
    metric.label = std::move(labels);
    metric.gauge.value = metric.counter.value = value;
    return *this;
  }

  MetricFamily Take() { return std::move(family_); }

 private:
  MetricFamily family_;
};

void AddFleet(const core::Fleet& fleet, std::vector<MetricFamily>& families) {
  const core::Unavailable& out = core::CountUnavailable(fleet);
  const bool frozen = fleet.freeze.has_value() && fleet.freeze->end > fleet.now;
  families.push_back(Family("baton_hosts", "Hosts that the service knows.")
                         .Add(static_cast<double>(fleet.hosts.size()))
                         .Take());
  families.push_back(
      Family("baton_hosts_out_of_service",
             "Hosts that are out of service, each by the first reason that is "
             "true of it.")
          .Add(out.slots, {{"reason", "updating"}})
          .Add(out.quarantined, {{"reason", "quarantined"}})
          .Add(out.offline, {{"reason", "offline"}})
          .Add(out.unhealthy, {{"reason", "unhealthy"}})
          .Add(out.cordoned, {{"reason", "cordoned"}})
          .Take());
  families.push_back(Family("baton_fleet_frozen", "1 while a freeze holds.")
                         .Add(frozen ? 1 : 0)
                         .Take());
  families.push_back(
      Family("baton_emergency_stop", "1 while an emergency stop holds.")
          .Add(fleet.emergency_stop.has_value() ? 1 : 0)
          .Take());
  families.push_back(Family("baton_changes_total",
                            "Changes that were made, one audit record each.",
                            MetricType::Counter)
                         .Add(static_cast<double>(fleet.audit_sequence))
                         .Take());
  families.push_back(Family("baton_service_starts_total",
                            "How often the service was started on its store.",
                            MetricType::Counter)
                         .Add(static_cast<double>(fleet.epoch))
                         .Take());
}

void AddRolloutStates(const core::Fleet& fleet,
                      std::vector<MetricFamily>& families) {
  using core::RolloutState;
  std::map<RolloutState, int> counts;
  for (const RolloutState state :
       {RolloutState::kDraft, RolloutState::kPlanned,
        RolloutState::kAwaitingApproval, RolloutState::kRunning,
        RolloutState::kHeld, RolloutState::kAborting, RolloutState::kSucceeded,
        RolloutState::kFailed, RolloutState::kAborted,
        RolloutState::kRolledBack}) {
    counts[state] = 0;
  }
  for (const auto& [name, rollout] : fleet.rollouts) ++counts[rollout.state];
  Family family("baton_rollouts", "Rollouts by state.");
  for (const auto& [state, count] : counts) {
    family.Add(count, {{"state", std::string(core::Name(state))}});
  }
  families.push_back(family.Take());
}

// The families that have samples of each active rollout.
struct ActiveFamilies {
  Family hosts = {"baton_rollout_hosts",
                  "Hosts of an active rollout by the state of their update."};
  Family failures = {"baton_rollout_failures",
                     "Hosts of an active rollout that the tolerance counts."};
  Family failures_max = {"baton_rollout_failures_max",
                         "How many of them its tolerance allows, those that "
                         "were accepted included."};
  Family unavailable_max = {"baton_rollout_unavailable_max",
                            "How many hosts of the fleet may be out of service "
                            "when it starts another."};
  Family wave = {"baton_rollout_wave",
                 "Index of the wave that is worked on, from 0."};
  Family blackout = {"baton_rollout_blackout_seconds",
                     "How long vGPUs of an active rollout stood still: median, "
                     "99th percentile and longest, within 1.6 %."};
  Family gate = {"baton_rollout_gate_shut",
                 "1 for each gate that keeps hosts of an active rollout from "
                 "starting; verdict WAIT opens by itself, STOP wants a "
                 "person."};
};

void AddHosts(const std::string& id, const core::RolloutProgress& progress,
              Family& hosts) {
  const std::pair<const char*, uint32_t> states[] = {
      {"pending", progress.pending},
      {"running", progress.running},
      {"done", progress.done},
      {"cancelled", progress.cancelled},
      {"rolled_back", progress.rolled_back},
      {"quarantined", progress.quarantined},
      {"skipped", progress.skipped}};
  for (const auto& [state, count] : states) {
    hosts.Add(count, {{"rollout", id}, {"state", state}});
  }
}

void AddBlackouts(const std::string& id, const core::RolloutProgress& progress,
                  Family& blackout) {
  const std::pair<const char*, std::optional<absl::Duration>> quantiles[] = {
      {"0.5", progress.blackout_p50},
      {"0.99", progress.blackout_p99},
      {"1", progress.blackout_max}};
  for (const auto& [quantile, value] : quantiles) {
    if (!value.has_value()) continue;
    blackout.Add(absl::ToDoubleSeconds(*value),
                 {{"rollout", id}, {"quantile", quantile}});
  }
}

void AddGates(const std::string& id, const core::Fleet& fleet,
              const core::Rollout& rollout, Family& shut) {
  std::vector<core::Gate> gates = core::RolloutGates(fleet, rollout);
  gates.push_back(core::FleetBudgetGate(fleet, rollout));
  for (const core::Gate& gate : gates) {
    if (gate.verdict == core::GateVerdict::kPass) continue;
    const bool waits = gate.verdict == core::GateVerdict::kWait;
    shut.Add(1, {{"rollout", id},
                 {"gate", gate.name},
                 {"reason", gate.reason},
                 {"verdict", waits ? "WAIT" : "STOP"}});
  }
}

void AddActive(const core::Fleet& fleet, const core::Rollout& rollout,
               ActiveFamilies& families) {
  const std::string id(core::ShortName(rollout.name));
  const core::RolloutProgress progress = core::ProgressOf(rollout);
  AddHosts(id, progress, families.hosts);
  families.failures.Add(progress.failures, {{"rollout", id}});
  families.failures_max.Add(
      rollout.plan->failures_max + rollout.failures_accepted,
      {{"rollout", id}});
  families.unavailable_max.Add(rollout.plan->max_unavailable,
                               {{"rollout", id}});
  families.wave.Add(rollout.wave, {{"rollout", id}});
  AddBlackouts(id, progress, families.blackout);
  AddGates(id, fleet, rollout, families.gate);
}

}  // namespace

std::vector<MetricFamily> MetricsOf(const core::Fleet& fleet) {
  std::vector<MetricFamily> all;
  AddFleet(fleet, all);
  AddRolloutStates(fleet, all);
  ActiveFamilies active;
  for (const std::string& name : fleet.active) {
    AddActive(fleet, fleet.rollouts.at(name), active);
  }
  for (Family* family : {&active.hosts, &active.failures, &active.failures_max,
                         &active.unavailable_max, &active.wave,
                         &active.blackout, &active.gate}) {
    all.push_back(family->Take());
  }
  return all;
}

}  // namespace baton::metrics
