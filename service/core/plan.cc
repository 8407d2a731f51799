#include "service/core/plan.h"

#include <algorithm>
#include <utility>

#include "service/core/budget.h"
#include "service/core/verdict.h"
#include "service/core/wave.h"

namespace baton::core {
namespace {

void DecideOnSilence(const Fleet& fleet, std::vector<EventBody>& events) {
  for (const auto& [name, host] : fleet.hosts) {
    if (!host.connected()) continue;
    if (fleet.now - host.last_heard < fleet.settings.lost_after) continue;
    events.push_back(LoseHost{name, host.stream});
  }
}

// Starts what may start of the current wave. `unavailable` is of the whole
// fleet, and grows with each host that is admitted.
void DecideOnHosts(const Fleet& fleet, const Rollout& rollout,
                   uint32_t& unavailable, std::vector<EventBody>& events) {
  const Driver* driver = FindDriver(fleet, rollout.spec.driver);
  if (driver == nullptr) return;
  for (const PlannedHost& planned : rollout.plan->waves[rollout.wave].hosts) {
    const Update& update = rollout.updates.at(planned.host);
    if (update.state != UpdateState::kPending) continue;
    const Host* host = FindHost(fleet, planned.host);
    if (host == nullptr) continue;
    Verdict verdict = VerdictOf(fleet, *host, *driver, rollout.name);
    if (!verdict.hot()) {
      if (IsPassing(verdict.reason)) continue;
      events.push_back(SkipHost{rollout.name, planned.host,
                                std::move(verdict.reason),
                                std::move(verdict.message)});
      continue;
    }
    if (unavailable >= rollout.plan->max_unavailable) continue;
    ++unavailable;
    events.push_back(AdmitHost{rollout.name, planned.host, host->attempt + 1});
  }
}

void DecideOnWave(const Fleet& fleet, const Rollout& rollout,
                  std::vector<EventBody>& events) {
  if (rollout.wave_ended == absl::InfinitePast()) {
    events.push_back(EndWave{rollout.name});
    return;
  }
  if (rollout.state != RolloutState::kRunning) return;
  if (BakeEnd(rollout) > fleet.now || !MayAdvance(fleet, rollout)) return;
  events.push_back(AdvanceWave{rollout.name});
}

void DecideOnRollout(const Fleet& fleet, const Rollout& rollout,
                     uint32_t& unavailable, std::vector<EventBody>& events) {
  bool pending = false;
  bool running = false;
  for (const auto& [host, update] : rollout.updates) {
    pending = pending || update.state == UpdateState::kPending;
    running = running || update.state == UpdateState::kRunning;
  }
  if (!pending && !running) {
    events.push_back(FinishRollout{rollout.name});
    return;
  }
  if (rollout.state == RolloutState::kAborting) return;
  // With none left to keep back there is nothing to hold: it fails at its end.
  if (rollout.state == RolloutState::kRunning && pending &&
      ExceedsTolerance(rollout)) {
    events.push_back(HoldForFailures{rollout.name});
    return;
  }
  if (WaveHasEnded(rollout)) {
    DecideOnWave(fleet, rollout, events);
  } else if (rollout.state == RolloutState::kRunning) {
    DecideOnHosts(fleet, rollout, unavailable, events);
  }
}

}  // namespace

std::vector<EventBody> Decide(const Fleet& fleet) {
  std::vector<EventBody> events;
  DecideOnSilence(fleet, events);
  // Who has gone silent is out of service: ask again once that is known.
  if (!events.empty() || fleet.active.empty()) return events;
  uint32_t unavailable = CountUnavailable(fleet).total();
  for (const std::string& name : fleet.active) {
    DecideOnRollout(fleet, fleet.rollouts.at(name), unavailable, events);
  }
  return events;
}

absl::Time NextDeadline(const Fleet& fleet) {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [name, host] : fleet.hosts) {
    if (!host.connected()) continue;
    next = std::min(next, host.last_heard + fleet.settings.lost_after);
  }
  for (const std::string& name : fleet.active) {
    const Rollout& rollout = fleet.rollouts.at(name);
    if (rollout.state != RolloutState::kRunning) continue;
    // One that is over waits for hosts to be well, not for time.
    const absl::Time end = BakeEnd(rollout);
    if (end > fleet.now) next = std::min(next, end);
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
  if (update->cancel_requested) {
    order.kind = OrderKind::kCancel;
    return order;
  }
  const Driver* driver = FindDriver(fleet, rollout->spec.driver);
  if (driver == nullptr) return std::nullopt;
  order.kind = OrderKind::kStart;
  order.driver = driver->name;
  order.driver_digest = driver->digest;
  order.driver_size_bytes = driver->size_bytes;
  order.deadlines = rollout->spec.deadlines;
  return order;
}

std::vector<Order> Orders(const Fleet& fleet) {
  std::vector<Order> orders;
  for (const std::string& name : fleet.active) {
    for (const auto& [host, update] : fleet.rollouts.at(name).updates) {
      if (update.state != UpdateState::kRunning) continue;
      const Host* found = FindHost(fleet, host);
      if (found == nullptr || !found->connected()) continue;
      std::optional<Order> order = OrderFor(fleet, host);
      if (order.has_value()) orders.push_back(*std::move(order));
    }
  }
  std::sort(orders.begin(), orders.end(),
            [](const Order& a, const Order& b) { return a.host < b.host; });
  return orders;
}

}  // namespace baton::core
