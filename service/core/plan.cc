#include "service/core/plan.h"

#include <algorithm>
#include <set>
#include <utility>

#include "service/core/budget.h"
#include "service/core/gates.h"
#include "service/core/tolerance.h"
#include "service/core/verdict.h"
#include "service/core/wave.h"
#include "service/core/window.h"

namespace baton::core {
namespace {

// Collects decisions, up to as many as one answer may have.
class Decisions {
 public:
  bool full() const { return events_.size() >= kDecisionsMax; }
  bool empty() const { return events_.empty(); }
  void Add(EventBody event) { events_.push_back(std::move(event)); }
  std::vector<EventBody> Take() { return std::move(events_); }

 private:
  std::vector<EventBody> events_;
};

// Before anything else, so that nothing is decided on a store that is not to be
// trusted. An operator's own stop is not written over: the question comes back
// when it is lifted.
void DecideOnDoubt(const Fleet& fleet, Decisions& decisions) {
  const StoreDoubt& doubt = fleet.store_doubt;
  const bool stop = !doubt.sign.empty() && !doubt.answered &&
                    !fleet.emergency_stop.has_value();
  if (stop || doubt.epoch > fleet.epoch) decisions.Add(DistrustStore{});
}

void DecideOnSilence(const Fleet& fleet, Decisions& decisions) {
  for (const auto& [last_heard, name] : fleet.silence) {
    if (fleet.now - last_heard < fleet.settings.lost_after) return;
    if (decisions.full()) return;
    decisions.Add(LoseHost{name, fleet.hosts.at(name).stream});
  }
}

// Leaves out the hosts of the current wave that can no longer be updated.
void SkipUnfit(const Fleet& fleet, const Rollout& rollout,
               Decisions& decisions) {
  const std::vector<PlannedHost>& hosts =
      rollout.plan->waves[rollout.wave].hosts;
  for (const uint32_t position : rollout.tally.waves[rollout.wave].unfit) {
    if (decisions.full()) return;
    const PlannedHost& planned = hosts[position];
    Verdict verdict =
        VerdictOf(fleet, fleet.hosts.at(planned.host),
                  fleet.drivers.at(DriverNameOf(rollout, planned)), rollout);
    decisions.Add(SkipHost{rollout.name, planned.host,
                           std::move(verdict.reason),
                           std::move(verdict.message)});
  }
}

// Admits hosts of the current wave in the order of the plan while there is
// room. Looks at no more hosts than it admits, and at no more lines than have a
// full domain.
void AdmitReady(const Fleet& fleet, const Rollout& rollout,
                Admissions& admissions, Decisions& decisions) {
  const std::vector<PlannedHost>& hosts =
      rollout.plan->waves[rollout.wave].hosts;
  const ReadyQueue& ready = rollout.tally.waves[rollout.wave].ready;
  // The next of each line that was begun; heads() has the others.
  std::set<std::pair<uint32_t, Domains>> begun;
  auto head = ready.heads().begin();
  while (!decisions.full() && admissions.HasRoom(rollout)) {
    const bool from_heads =
        head != ready.heads().end() &&
        (begun.empty() || head->first < begun.begin()->first);
    if (!from_heads && begun.empty()) return;
    const auto [position, domains] =
        from_heads ? *head++ : begun.extract(begun.begin()).value();
    if (!admissions.HasRoom(rollout, domains)) continue;
    const Host& host = fleet.hosts.at(hosts[position].host);
    admissions.Add(host);
    decisions.Add(AdmitHost{rollout.name, host.name, host.attempt + 1});
    const std::set<uint32_t>& line = ready.Line(domains);
    const auto next = line.upper_bound(position);
    if (next != line.end()) begun.insert({*next, domains});
  }
}

void DecideOnWave(const Fleet& fleet, const Rollout& rollout,
                  Decisions& decisions) {
  if (rollout.wave_ended == absl::InfinitePast()) {
    decisions.Add(EndWave{rollout.name});
    return;
  }
  if (rollout.state != RolloutState::kRunning) return;
  if (BakeEnd(rollout) > fleet.now || !MayAdvance(rollout)) return;
  decisions.Add(AdvanceWave{rollout.name});
}

// Whether the rollout is to stop by itself.
bool Exceeds(const Fleet& fleet, const Rollout& rollout) {
  return ExceedsTolerance(rollout) || ExceedsWaveTolerance(rollout) ||
         ExceedsBlackout(rollout) || ExceedsDeadline(rollout, fleet.now);
}

// Has hosts in flight come again when their window has closed. Looks at no more
// than those in flight.
void RecallAtClosing(const Fleet& fleet, const Rollout& rollout,
                     Decisions& decisions) {
  const std::set<std::string>& running = rollout.tally.running;
  const bool some =
      !rollout.spec.windows.empty() &&
      std::any_of(running.begin(), running.end(), [&](const auto& host) {
        const Update& update = rollout.updates.at(host);
        return update.cancel == Cancel::kNone && !update.past_no_return;
      });
  if (some && CancelsInFlight(rollout.spec.windows, fleet.now)) {
    decisions.Add(RecallHosts{rollout.name});
  }
}

void DecideOnRollout(const Fleet& fleet, const Rollout& rollout,
                     Admissions& admissions, Decisions& decisions) {
  const bool pending = rollout.tally.Count(UpdateState::kPending) > 0;
  if (!pending && rollout.tally.running.empty()) {
    decisions.Add(FinishRollout{rollout.name});
    return;
  }
  if (rollout.state == RolloutState::kAborting) return;
  // With none left to keep back there is nothing to hold: it fails at its end.
  if (rollout.state != RolloutState::kHeld && pending &&
      Exceeds(fleet, rollout)) {
    decisions.Add(EnforceLimits{rollout.name});
    return;
  }
  RecallAtClosing(fleet, rollout, decisions);
  if (WaveHasEnded(rollout)) {
    DecideOnWave(fleet, rollout, decisions);
  } else if (rollout.state == RolloutState::kRunning) {
    SkipUnfit(fleet, rollout, decisions);
    // Most often nobody waits, or there is no room: the gates need no asking.
    if (!rollout.tally.waves[rollout.wave].ready.empty() &&
        admissions.HasRoom(rollout) && LetsStart(fleet, rollout)) {
      AdmitReady(fleet, rollout, admissions, decisions);
    }
  }
}

}  // namespace

std::vector<EventBody> Decide(const Fleet& fleet) {
  Decisions decisions;
  DecideOnDoubt(fleet, decisions);
  if (!decisions.empty()) return decisions.Take();
  DecideOnSilence(fleet, decisions);
  // Who has gone silent is out of service: ask again once that is known.
  if (!decisions.empty()) return decisions.Take();
  for (const std::string& name : fleet.taking_back) {
    decisions.Add(CreateRollback{name});
  }
  Admissions admissions(fleet);
  for (const std::string& name : fleet.active) {
    if (decisions.full()) break;
    DecideOnRollout(fleet, fleet.rollouts.at(name), admissions, decisions);
  }
  return decisions.Take();
}

absl::Time NextDeadline(const Fleet& fleet) {
  absl::Time next = absl::InfiniteFuture();
  if (!fleet.silence.empty()) {
    next = fleet.silence.begin()->first + fleet.settings.lost_after;
  }
  if (!fleet.alarms.empty()) {
    next = std::min(next, std::get<absl::Time>(*fleet.alarms.begin()));
  }
  for (const std::string& name : fleet.active) {
    next = std::min(next, NextGateChange(fleet, fleet.rollouts.at(name)));
  }
  return next;
}

std::optional<Order> OrderFor(const Fleet& fleet, const std::string& host) {
  const Host* found = FindHost(fleet, host);
  if (found == nullptr || found->rollout.empty()) return std::nullopt;
  const Rollout* rollout = FindRollout(fleet, found->rollout);
  const Update* update = FindUpdate(fleet, found->rollout, host);
  if (rollout == nullptr || update == nullptr) return std::nullopt;
  Order order;
  order.host = host;
  order.epoch = fleet.epoch;
  order.rollout = found->rollout;
  order.attempt = update->attempt;
  if (update->cancel != Cancel::kNone) {
    order.kind = OrderKind::kCancel;
    return order;
  }
  const PlannedHost& planned =
      rollout->plan->waves[update->wave].hosts[update->position];
  const Driver* driver = FindDriver(fleet, DriverNameOf(*rollout, planned));
  if (driver == nullptr) return std::nullopt;
  order.kind = OrderKind::kStart;
  order.driver = driver->name;
  order.driver_digest = driver->digest;
  order.driver_size_bytes = driver->size_bytes;
  order.deadlines = rollout->spec.deadlines;
  order.hooks = rollout->spec.hooks;
  order.without_way_back = planned.without_way_back;
  return order;
}

}  // namespace baton::core
