#include "service/core/index.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "service/core/budget.h"
#include "service/core/verdict.h"

namespace baton::core {
namespace {

// When the host was last heard of; InfinitePast when no agent is connected.
absl::Time SilentSince(const Fleet& fleet, const std::string& name) {
  const Host* host = FindHost(fleet, name);
  return host != nullptr && host->connected() ? host->last_heard
                                              : absl::InfinitePast();
}

Lane LaneOf(const Fleet& fleet, const Rollout& rollout, const Host* host,
            const Update& update) {
  if (update.state == UpdateState::kDone) {
    // Of one that was deleted nobody expects to be well.
    const bool well = host == nullptr || StateOf(*host) == HostState::kReady;
    return well ? Lane::kNone : Lane::kUnwell;
  }
  if (update.state != UpdateState::kPending) return Lane::kNone;
  if (update.not_before > fleet.now) return Lane::kLater;
  const Driver* driver = FindDriver(
      fleet,
      DriverNameOf(rollout,
                   rollout.plan->waves[update.wave].hosts[update.position]));
  if (host == nullptr || driver == nullptr) return Lane::kWaiting;
  const Verdict verdict = VerdictOf(fleet, *host, *driver, rollout);
  if (verdict.hot()) return Lane::kReady;
  return IsPassing(verdict.reason) ? Lane::kWaiting : Lane::kUnfit;
}

// Puts the update into the lane that it belongs in now.
void File(Fleet& fleet, Rollout& rollout, const std::string& name,
          const Update& update) {
  WaveTally& wave = rollout.tally.waves[update.wave];
  const auto later = wave.later.find(update.position);
  if (later != wave.later.end()) {
    fleet.alarms.erase({later->second, rollout.name, name});
  }
  wave.Leave(update.position);
  if (!IsActive(rollout.state)) return;
  const Host* host = FindHost(fleet, name);
  switch (LaneOf(fleet, rollout, host, update)) {
    case Lane::kNone:
      return;
    case Lane::kReady:
      wave.ready.Insert(update.position, DomainsOf(rollout, *host));
      return;
    case Lane::kLater:
      wave.later[update.position] = update.not_before;
      fleet.alarms.insert({update.not_before, rollout.name, name});
      return;
    case Lane::kWaiting:
      wave.waiting.insert(update.position);
      return;
    case Lane::kUnfit:
      wave.unfit.insert(update.position);
      return;
    case Lane::kUnwell:
      wave.unwell.insert(update.position);
      return;
  }
  CHECK(false);
}

void FileAll(Fleet& fleet, Rollout& rollout) {
  for (const auto& [host, update] : rollout.updates) {
    File(fleet, rollout, host, update);
  }
}

void CloseLanes(Fleet& fleet, Rollout& rollout) {
  for (size_t i = 0; i < rollout.tally.waves.size(); ++i) {
    WaveTally& wave = rollout.tally.waves[i];
    const std::vector<PlannedHost>& hosts = rollout.plan->waves[i].hosts;
    for (const auto& [position, time] : wave.later) {
      fleet.alarms.erase({time, rollout.name, hosts[position].host});
    }
    wave = {wave.hosts, wave.ended, wave.failures};
  }
}

// Notes who waits for the host or has it.
void Claim(Fleet& fleet, const Rollout& rollout, const std::string& name,
           const Update& update) {
  const auto host = fleet.hosts.find(name);
  if (host == fleet.hosts.end()) return;
  if (IsActive(rollout.state) && !HasEnded(update.state)) {
    host->second.claimant = rollout.name;
  } else if (host->second.claimant == rollout.name) {
    host->second.claimant.clear();
  }
}

std::set<std::string> LabelsInUse(const Fleet& fleet) {
  std::set<std::string> labels;
  for (const std::string& name : fleet.active) {
    for (const DomainLimit& domain :
         fleet.rollouts.at(name).spec.limits.domains) {
      labels.insert(domain.label);
    }
  }
  return labels;
}

bool WasStarted(const Rollout& rollout) {
  return rollout.plan.has_value() && rollout.start_time != absl::InfinitePast();
}

}  // namespace

void Reindex(Fleet& fleet) {
  fleet.active.clear();
  fleet.taking_back.clear();
  fleet.silence.clear();
  fleet.alarms.clear();
  fleet.ledger = {};
  for (auto& [name, host] : fleet.hosts) {
    host.claimant.clear();
    if (host.connected()) fleet.silence.insert({host.last_heard, name});
    fleet.ledger.Enter(host);
  }
  for (auto& [name, rollout] : fleet.rollouts) {
    if (WasStarted(rollout)) MakeUpdates(rollout);
    rollout.tally = TallyOf(rollout);
    if (WantsRollback(rollout)) fleet.taking_back.insert(name);
    if (!IsActive(rollout.state)) continue;
    fleet.active.insert(name);
    for (const auto& [host, update] : rollout.updates) {
      Claim(fleet, rollout, host, update);
    }
  }
  fleet.ledger.SetLabels(LabelsInUse(fleet), fleet.hosts);
  for (const std::string& name : fleet.active) {
    FileAll(fleet, fleet.rollouts.at(name));
  }
}

absl::Status CheckIndex(const Fleet& fleet) {
  Fleet fresh = fleet;
  Reindex(fresh);
  if (fresh == fleet) return absl::OkStatus();
  std::string what;
  if (fresh.active != fleet.active) what += " active";
  if (fresh.taking_back != fleet.taking_back) what += " taking_back";
  if (fresh.silence != fleet.silence) what += " silence";
  if (fresh.alarms != fleet.alarms) what += " alarms";
  if (!(fresh.ledger == fleet.ledger)) what += " ledger";
  for (const auto& [name, host] : fresh.hosts) {
    if (host == fleet.hosts.at(name)) continue;
    absl::StrAppend(&what, " claim of '", name.str(), "'");
  }
  for (const auto& [name, rollout] : fresh.rollouts) {
    const Rollout& kept = fleet.rollouts.at(name);
    if (!(rollout.tally == kept.tally)) {
      absl::StrAppend(&what, " tally of '", name, "'");
    }
    if (rollout.updates != kept.updates) {
      absl::StrAppend(&what, " updates of '", name, "'");
    }
  }
  return absl::InternalError(
      absl::StrCat("index: counted anew differs:", what));
}

void IndexEdit::BeforeHost(const std::string& name) {
  BeforeHeard(name);
  hosts_.insert(name);
}

void IndexEdit::BeforeHeard(const std::string& name) {
  silent_since_.try_emplace(name, SilentSince(fleet_, name));
}

void IndexEdit::BeforeUpdate(const std::string& rollout,
                             const std::string& host) {
  if (updates_.count({rollout, host}) > 0) return;
  updates_[{rollout, host}] = CountedOf(*FindUpdate(fleet_, rollout, host));
}

void IndexEdit::Finish() {
  FinishHosts();
  FinishUpdates();
  FinishRollouts();
  FinishLanes();
}

void IndexEdit::FinishUpdates() {
  for (const std::string& name : started_) {
    Rollout& rollout = fleet_.rollouts.at(name);
    rollout.tally = TallyOf(rollout);
  }
  for (const auto& [key, before] : updates_) {
    const auto& [name, host] = key;
    Rollout& rollout = fleet_.rollouts.at(name);
    Uncount(host, before, rollout.tally);
    Count(host, CountedOf(rollout.updates.at(host)), rollout.tally);
  }
}

void IndexEdit::FinishRollouts() {
  bool closed = false;
  for (const std::string& name : entered_) {
    Rollout& rollout = fleet_.rollouts.at(name);
    if (WantsRollback(rollout)) {
      fleet_.taking_back.insert(name);
    } else {
      fleet_.taking_back.erase(name);
    }
    const bool active = IsActive(rollout.state);
    const bool changed = active ? fleet_.active.insert(name).second
                                : fleet_.active.erase(name) > 0;
    if (!changed) continue;
    if (!active) {
      // All of its updates have ended: nothing is claimed any more.
      CloseLanes(fleet_, rollout);
      closed = true;
      continue;
    }
    for (const auto& [host, update] : rollout.updates) {
      Claim(fleet_, rollout, host, update);
    }
    started_.insert(name);  // its lanes open
  }
  for (const auto& [key, before] : updates_) {
    const Rollout& rollout = fleet_.rollouts.at(key.first);
    Claim(fleet_, rollout, key.second, rollout.updates.at(key.second));
  }
  if (closed || !started_.empty()) {
    fleet_.ledger.SetLabels(LabelsInUse(fleet_), fleet_.hosts);
  }
}

void IndexEdit::FinishHosts() {
  for (const auto& [name, before] : silent_since_) {
    const absl::Time after = SilentSince(fleet_, name);
    if (after == before) continue;
    fleet_.silence.erase({before, name});
    if (after != absl::InfinitePast()) fleet_.silence.insert({after, name});
  }
  for (const std::string& name : hosts_) {
    const Host* host = FindHost(fleet_, name);
    if (host == nullptr) {
      fleet_.ledger.Erase(name);
    } else {
      fleet_.ledger.Enter(*host);
    }
  }
}

void IndexEdit::FinishLanes() {
  if (drivers_changed_) started_ = fleet_.active;
  for (const std::string& name : started_) {
    FileAll(fleet_, fleet_.rollouts.at(name));
  }
  for (const auto& [key, before] : updates_) {
    Rollout& rollout = fleet_.rollouts.at(key.first);
    File(fleet_, rollout, key.second, rollout.updates.at(key.second));
  }
  for (const std::string& host : hosts_) {
    for (const std::string& name : fleet_.active) {
      Rollout& rollout = fleet_.rollouts.at(name);
      const auto update = rollout.updates.find(host);
      if (update == rollout.updates.end()) continue;
      File(fleet_, rollout, host, update->second);
    }
  }
  while (!fleet_.alarms.empty() &&
         std::get<absl::Time>(*fleet_.alarms.begin()) <= fleet_.now) {
    const auto [time, name, host] = *fleet_.alarms.begin();
    Rollout& rollout = fleet_.rollouts.at(name);
    File(fleet_, rollout, host, rollout.updates.at(host));
  }
}

}  // namespace baton::core
