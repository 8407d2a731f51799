#include "tests/sim/oracle.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "service/core/approval.h"
#include "service/core/invariants.h"
#include "service/core/names.h"
#include "service/core/plan.h"
#include "service/core/window.h"

namespace baton::sim {
namespace {

using agent::core::End;
using core::UpdateState;

absl::Status Broken(absl::string_view invariant, absl::string_view what) {
  return absl::InternalError(absl::StrCat(invariant, ": ", what));
}

// Out of service for a reason that is stored; who is not connected counts as
// well, but may come and go between two commits.
bool Unavailable(const core::Host& host) {
  return !host.rollout.empty() || host.quarantine.has_value() ||
         host.cordon.has_value();
}

bool Same(UpdateState state, End end) {
  switch (end) {
    case End::kNone:
      return !core::HasEnded(state);
    case End::kDone:
      return state == UpdateState::kDone;
    case End::kCancelled:
      return state == UpdateState::kCancelled;
    case End::kRolledBack:
      return state == UpdateState::kRolledBack;
    case End::kQuarantined:
      return state == UpdateState::kQuarantined;
  }
  return false;
}

// Whether they are the same but for what is not stored.
bool SameStored(const core::Host& a, const core::Host& b) {
  core::Host as_a = b;
  as_a.stream = a.stream;
  as_a.last_heard = a.last_heard;
  as_a.version = a.version;
  as_a.claimant = a.claimant;
  return as_a == a;
}

bool SameStored(const core::Rollout& a, const core::Rollout& b) {
  core::Rollout as_a = b;
  as_a.version = a.version;
  as_a.tally = a.tally;
  return as_a == a;
}

// The first record that is not the same in both; empty: none.
template <typename Records>
std::string DifferenceOf(const Records& a, const Records& b) {
  auto x = a.begin();
  auto y = b.begin();
  for (; x != a.end() && y != b.end(); ++x, ++y) {
    if (x->first != y->first || !SameStored(x->second, y->second)) {
      return x->first;
    }
  }
  if (x != a.end()) return x->first;
  if (y != b.end()) return y->first;
  return "";
}

// Takes all of a rollout but its plan and its updates, which are large and
// change by themselves. What is forgotten here differs after a restart.
void TakeRecord(const core::Rollout& from, core::Rollout& to) {
  to.name = from.name;
  to.spec = from.spec;
  to.state = from.state;
  to.reason = from.reason;
  to.message = from.message;
  to.author = from.author;
  to.create_time = from.create_time;
  to.start_time = from.start_time;
  to.end_time = from.end_time;
  to.version = from.version;
  to.wave = from.wave;
  to.wave_ended = from.wave_ended;
  to.deadline_time = from.deadline_time;
  to.failures_accepted = from.failures_accepted;
  to.wave_failures_accepted = from.wave_failures_accepted;
  to.long_blackouts_accepted = from.long_blackouts_accepted;
  to.slow_blackouts_accepted = from.slow_blackouts_accepted;
  to.approvals = from.approvals;
  to.take_back = from.take_back;
  to.rollback = from.rollback;
  to.create_sequence = from.create_sequence;
}

// Somebody asked for it once more, and in the same turn the host was found to
// need it no more: that is no second end of one attempt.
bool RetriedAndLeftOut(const core::Changes& changes, const std::string& rollout,
                       const std::string& host, const core::Update& update) {
  return update.state == UpdateState::kSkipped &&
         std::any_of(changes.audit.begin(), changes.audit.end(),
                     [name = core::UpdateName(rollout, host)](
                         const core::AuditRecord& record) {
                       return record.action == "update.retry" &&
                              record.resource == name;
                     });
}

}  // namespace

void Oracle::OutOfService::Note(const std::string& name,
                                const core::Host* host) {
  const auto known = hosts.find(name);
  if (known != hosts.end()) {
    for (const auto& domain : known->second) {
      if (--counts[domain] == 0) counts.erase(domain);
    }
    hosts.erase(known);
  }
  if (host == nullptr || !Unavailable(*host)) return;
  core::Labels domains = core::LabelsOf(*host);
  domains[""] = "";  // the fleet
  for (const auto& domain : domains) ++counts[domain];
  hosts[name] = std::move(domains);
}

Oracle::OutOfService Oracle::CountAll(const core::Fleet& fleet) {
  OutOfService out;
  for (const auto& [name, host] : fleet.hosts) out.Note(name, &host);
  return out;
}

absl::Status Oracle::Commit(const core::Fleet& fleet,
                            const core::Changes& changes) {
  absl::Status verdict = CheckAudit(fleet, changes);
  if (verdict.ok()) verdict = CheckHosts(fleet, changes);
  if (verdict.ok()) verdict = CheckUpdates(fleet, changes);
  if (verdict.ok()) verdict = CheckWaves(fleet, changes);
  if (verdict.ok() && ++commits_ % full_every_ == 0) {
    verdict = core::CheckInvariants(fleet);
    if (verdict.ok() && !(out_ == CountAll(fleet))) {
      verdict = Broken("oracle", "who is out of service was counted wrong");
    }
    // A turn that is full leaves the rest to the next one.
    const bool settled = core::Decide(fleet).empty();
    if (verdict.ok() && settled) verdict = core::CheckReasons(fleet);
  }
  Take(fleet, changes);
  return verdict;
}

// S9, and S12: what an agent says is recorded of its own host alone.
absl::Status Oracle::CheckAudit(const core::Fleet& fleet,
                                const core::Changes& changes) const {
  const bool stored = !changes.hosts.empty() || !changes.drivers.empty() ||
                      !changes.rollouts.empty() || !changes.updates.empty() ||
                      !changes.requests.empty() || !changes.history.empty();
  if (stored && changes.audit.empty()) {
    return Broken("S9", "a change without an audit record");
  }
  uint64_t sequence = committed_.audit_sequence;
  std::string hash = committed_.audit_hash;
  for (const core::AuditRecord& record : changes.audit) {
    if (record.sequence != ++sequence ||
        record.hash != core::AuditHash(hash, record)) {
      return Broken("S9", absl::StrCat("audit record ", record.sequence,
                                       " is not chained"));
    }
    hash = record.hash;
    if (record.action == "service.start" && fleet.epoch <= committed_.epoch) {
      return Broken("S13", "the epoch did not grow over a restart");
    }
    const absl::string_view actor = record.actor;
    const bool agent = absl::StartsWith(actor, "agent:");
    if (agent &&
        !absl::EndsWith(record.resource, absl::StrCat("/", actor.substr(6)))) {
      return Broken("S12", absl::StrCat("a word of '", actor, "' changed '",
                                        record.resource, "'"));
    }
  }
  if (sequence != fleet.audit_sequence || hash != fleet.audit_hash) {
    return Broken("S9", "the fleet counts other audit records");
  }
  return absl::OkStatus();
}

// S11: no slot is freed but by the end of its attempt, or by a person.
absl::Status Oracle::CheckFreed(const core::Fleet& fleet, const core::Host& was,
                                const core::Changes& changes) const {
  const core::Update* update = core::FindUpdate(fleet, was.rollout, was.name);
  // One that waits for another attempt, or has begun it, has ended this one.
  const bool goes_on = update != nullptr && update->attempt == was.attempt &&
                       update->state == UpdateState::kRunning;
  // Its rollout may have ended, and been deleted, in the same turn.
  const bool deleted = changes.deleted.count(was.rollout) > 0;
  if ((update == nullptr && !deleted) || goes_on) {
    return Broken("S11", absl::StrCat("slot of '", was.name.str(),
                                      "' was freed before its attempt ended"));
  }
  const core::Update* before =
      core::FindUpdate(committed_, was.rollout, was.name);
  if (truth_(was.name, before->attempt) != End::kNone) {
    return absl::OkStatus();
  }
  for (const core::AuditRecord& record : changes.audit) {
    const bool person = record.actor != core::kServiceActor &&
                        !absl::StartsWith(record.actor, "agent:") &&
                        absl::EndsWith(was.name.str(), record.resource);
    if (person) return absl::OkStatus();
  }
  return Broken("S11", absl::StrCat("slot of '", was.name.str(),
                                    "' was freed though attempt ",
                                    before->attempt, " goes on there"));
}

// S10 and S13, for one host that got a slot.
absl::Status Oracle::CheckAdmission(const core::Fleet& fleet,
                                    const core::Host& was,
                                    const core::Host& host) const {
  const core::Rollout& rollout = fleet.rollouts.at(host.rollout);
  const auto broken = [&](absl::string_view why) {
    return Broken("S10",
                  absl::StrCat("'", host.name.str(), "' was admitted by '",
                               rollout.name, "', ", why));
  };
  if (rollout.state != core::RolloutState::kRunning) {
    return broken(absl::StrCat("which is ", core::Name(rollout.state)));
  }
  if (core::ExceedsTolerance(rollout)) return broken("which has failed");
  if (fleet.emergency_stop.has_value()) return broken("in an emergency stop");
  if (fleet.freeze.has_value() && fleet.freeze->end > fleet.now) {
    return broken("in a frozen fleet");
  }
  if (!core::IsOpen(rollout.spec.windows, fleet.now)) {
    return broken("whose window is closed");
  }
  const core::Update& update = rollout.updates.at(host.name);
  if (update.wave != rollout.wave) return broken("before its wave");
  if (core::LacksApprovals(rollout, update.wave)) {
    return broken("without approvals");
  }
  if (host.attempt > was.attempt) return absl::OkStatus();
  return Broken("S13",
                absl::StrCat("'", host.name.str(), "' got an old attempt"));
}

// S1: what may be out of service by the admissions of one commit, of the fleet
// and of each failure domain. Where several of them are of one domain the
// largest of their limits was the last to be asked.
absl::Status Oracle::CheckBudget(
    const core::Fleet& fleet,
    const std::vector<const core::Host*>& admitted) const {
  std::map<Domain, uint32_t> limits;
  for (const core::Host* host : admitted) {
    const core::Rollout& rollout = fleet.rollouts.at(host->rollout);
    const auto allow = [&](const Domain& domain, uint32_t most) {
      limits[domain] = std::max(limits[domain], most);
    };
    allow({"", ""}, rollout.plan->max_unavailable);
    for (const auto& [label, value] : core::LabelsOf(*host)) {
      uint32_t most = std::numeric_limits<uint32_t>::max();
      for (const core::DomainLimit& limit : rollout.spec.limits.domains) {
        if (limit.label == label) most = limit.max_unavailable;
      }
      allow({label, value}, most);
    }
  }
  for (const auto& [domain, most] : limits) {
    const auto counted = out_.counts.find(domain);
    const uint32_t out = counted == out_.counts.end() ? 0 : counted->second;
    if (out <= most) continue;
    return Broken(
        "S1", absl::StrCat(out, " hosts of ", domain.first, "=", domain.second,
                           " are out of service by an admission "
                           "that allows ",
                           most));
  }
  return absl::OkStatus();
}

// S1, S10, S11, S13, for each host that changed.
absl::Status Oracle::CheckHosts(const core::Fleet& fleet,
                                const core::Changes& changes) {
  if (fleet.epoch < committed_.epoch) return Broken("S13", "the epoch fell");
  std::vector<const core::Host*> admitted;
  for (const std::string& name : changes.hosts) {
    const core::Host* host = core::FindHost(fleet, name);
    const core::Host* was = core::FindHost(committed_, name);
    out_.Note(name, host);
    if (host == nullptr || was == nullptr) continue;
    if (host->attempt < was->attempt) {
      return Broken("S13", absl::StrCat("attempt of '", name, "' fell"));
    }
    const bool same =
        host->rollout == was->rollout && host->attempt == was->attempt;
    if (!was->rollout.empty() && !same) {
      RETURN_IF_ERROR(CheckFreed(fleet, *was, changes));
    }
    if (host->rollout.empty() || same) continue;
    ++admissions_;
    RETURN_IF_ERROR(CheckAdmission(fleet, *was, *host));
    admitted.push_back(host);
  }
  return CheckBudget(fleet, admitted);
}

// S10: who came to another wave has ended the one before, and baked it.
absl::Status Oracle::CheckWaves(const core::Fleet& fleet,
                                const core::Changes& changes) const {
  for (const std::string& name : changes.rollouts) {
    if (changes.deleted.count(name) > 0) continue;
    const core::Rollout& rollout = fleet.rollouts.at(name);
    const core::Rollout* was = core::FindRollout(committed_, name);
    if (was == nullptr || rollout.wave == was->wave) continue;
    for (uint32_t wave = was->wave; wave < rollout.wave; ++wave) {
      for (const core::PlannedHost& host : rollout.plan->waves[wave].hosts) {
        const core::Update& update = rollout.updates.at(host.host);
        const absl::Duration bake = rollout.plan->waves[wave].bake;
        if (core::HasEnded(update.state) &&
            update.end_time + bake <= fleet.now) {
          continue;
        }
        return Broken("S10",
                      absl::StrCat("'", name, "' left wave ", wave, " before '",
                                   host.host.str(), "' had baked"));
      }
    }
  }
  return absl::OkStatus();
}

// An end that the service believes is the one that the host knows.
absl::Status Oracle::CheckUpdates(const core::Fleet& fleet,
                                  const core::Changes& changes) const {
  for (const auto& [rollout, host] : changes.updates) {
    const core::Update* update = core::FindUpdate(fleet, rollout, host);
    const core::Update* was = core::FindUpdate(committed_, rollout, host);
    if (update == nullptr || was == nullptr) continue;
    if (changes.deleted.count(rollout) > 0) continue;  // it is another one's
    if (core::HasEnded(was->state) && core::HasEnded(update->state) &&
        was->state != update->state &&
        !RetriedAndLeftOut(changes, rollout, host, *update)) {
      return Broken("S5",
                    absl::StrCat("'", host, "' ended ", core::Name(was->state),
                                 " and then ", core::Name(update->state)));
    }
    const bool ends = was->state == UpdateState::kRunning &&
                      core::HasEnded(update->state) &&
                      update->state != UpdateState::kQuarantined &&
                      update->state != UpdateState::kSkipped;
    if (!ends) continue;
    if (!Same(update->state, truth_(host, update->attempt))) {
      return Broken("L2",
                    absl::StrCat("'", host, "' is ", core::Name(update->state),
                                 " and its agent says otherwise"));
    }
  }
  return absl::OkStatus();
}

void Oracle::Take(const core::Fleet& fleet, const core::Changes& changes) {
  committed_.epoch = fleet.epoch;
  committed_.audit_sequence = fleet.audit_sequence;
  committed_.audit_hash = fleet.audit_hash;
  const auto take = [](const auto& keys, const auto& from, auto& to) {
    for (const std::string& key : keys) {
      const auto found = from.find(key);
      if (found == from.end()) {
        to.erase(key);
      } else {
        to[key] = found->second;
      }
    }
  };
  take(changes.hosts, fleet.hosts, committed_.hosts);
  take(changes.drivers, fleet.drivers, committed_.drivers);
  for (const std::string& name : changes.deleted) {
    committed_.rollouts.erase(name);
  }
  for (const std::string& name : changes.rollouts) {
    const core::Rollout* rollout = core::FindRollout(fleet, name);
    if (rollout == nullptr) continue;
    TakeRecord(*rollout, committed_.rollouts[name]);
  }
  take(changes.plans, fleet.rollouts, committed_.rollouts);
  take(changes.started, fleet.rollouts, committed_.rollouts);
  take(changes.requests, fleet.requests, committed_.requests);
  for (const core::HistoryKey& key : changes.history) {
    const auto found = fleet.history.find(key);
    if (found == fleet.history.end()) {
      committed_.history.erase(key);
    } else {
      committed_.history[key] = found->second;
    }
  }
  committed_.freeze = fleet.freeze;
  committed_.emergency_stop = fleet.emergency_stop;
  for (const auto& [rollout, host] : changes.updates) {
    const core::Update* update = core::FindUpdate(fleet, rollout, host);
    if (update != nullptr) committed_.rollouts[rollout].updates[host] = *update;
  }
}

void Oracle::Rewind(core::Fleet committed) {
  committed_ = std::move(committed);
  out_ = CountAll(committed_);
}

absl::Status Oracle::CheckRestart(const core::Fleet& fleet) const {
  // The start itself was committed, and judged.
  if (fleet.epoch != committed_.epoch) {
    return Broken("S13", "a service works in an epoch that is not durable");
  }
  std::string what = DifferenceOf(fleet.hosts, committed_.hosts);
  absl::StrAppend(&what, DifferenceOf(fleet.rollouts, committed_.rollouts));
  if (fleet.requests != committed_.requests) what += " requests";
  if (!(fleet.history == committed_.history)) what += " history";
  if (fleet.freeze != committed_.freeze) what += " freeze";
  if (fleet.emergency_stop != committed_.emergency_stop) what += " stop";
  if (what.empty()) return absl::OkStatus();
  return Broken("committed", absl::StrCat("a restart changed ", what));
}

}  // namespace baton::sim
