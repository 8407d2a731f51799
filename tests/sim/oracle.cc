#include "tests/sim/oracle.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "service/core/invariants.h"

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

core::Host Stored(core::Host host) {
  host.stream = 0;
  host.last_heard = absl::InfinitePast();
  host.version = 0;
  return host;
}

bool Equal(const std::map<std::string, core::Host>& a,
           const std::map<std::string, core::Host>& b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(),
                    [](const auto& x, const auto& y) {
                      return x.first == y.first &&
                             Stored(x.second) == Stored(y.second);
                    });
}

}  // namespace

absl::Status Oracle::Commit(const core::Fleet& fleet,
                            const core::Changes& changes) {
  absl::Status verdict = CheckAudit(fleet, changes);
  if (verdict.ok()) verdict = CheckHosts(fleet, changes);
  if (verdict.ok()) verdict = CheckUpdates(fleet, changes);
  if (verdict.ok() && ++commits_ % full_every_ == 0) {
    verdict = core::CheckInvariants(fleet);
  }
  Take(fleet, changes);
  return verdict;
}

// S9, and S12: what an agent says is recorded of its own host alone.
absl::Status Oracle::CheckAudit(const core::Fleet& fleet,
                                const core::Changes& changes) const {
  const bool stored = !changes.hosts.empty() || !changes.drivers.empty() ||
                      !changes.rollouts.empty() || !changes.updates.empty() ||
                      !changes.requests.empty();
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
  if (update == nullptr || !core::HasEnded(update->state)) {
    return Broken("S11", absl::StrCat("slot of '", was.name,
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
                        absl::EndsWith(was.name, record.resource);
    if (person) return absl::OkStatus();
  }
  return Broken(
      "S11", absl::StrCat("slot of '", was.name, "' was freed though attempt ",
                          before->attempt, " goes on there"));
}

// S1, S10, S11, S13, for each host that changed.
absl::Status Oracle::CheckHosts(const core::Fleet& fleet,
                                const core::Changes& changes) {
  if (fleet.epoch < committed_.epoch) return Broken("S13", "the epoch fell");
  uint32_t limit = 0;
  for (const std::string& name : changes.hosts) {
    const core::Host* host = core::FindHost(fleet, name);
    const core::Host* was = core::FindHost(committed_, name);
    if (host == nullptr) {
      unavailable_.erase(name);
      continue;
    }
    if (Unavailable(*host)) {
      unavailable_.insert(name);
    } else {
      unavailable_.erase(name);
    }
    if (was == nullptr) continue;
    if (host->attempt < was->attempt) {
      return Broken("S13", absl::StrCat("attempt of '", name, "' fell"));
    }
    if (!was->rollout.empty() && host->rollout != was->rollout) {
      RETURN_IF_ERROR(CheckFreed(fleet, *was, changes));
    }
    if (host->rollout.empty() || host->rollout == was->rollout) continue;
    ++admissions_;
    const core::Rollout& rollout = fleet.rollouts.at(host->rollout);
    if (rollout.state != core::RolloutState::kRunning) {
      return Broken("S10",
                    absl::StrCat("'", name, "' was admitted by '", rollout.name,
                                 "', which is ", core::Name(rollout.state)));
    }
    if (host->attempt <= was->attempt) {
      return Broken("S13", absl::StrCat("'", name, "' got an old attempt"));
    }
    limit = std::max(limit, rollout.plan->max_unavailable);
  }
  if (limit == 0 || unavailable_.size() <= limit) return absl::OkStatus();
  return Broken("S1", absl::StrCat(unavailable_.size(),
                                   " hosts are out of service by an "
                                   "admission that allows ",
                                   limit));
}

// An end that the service believes is the one that the host knows.
absl::Status Oracle::CheckUpdates(const core::Fleet& fleet,
                                  const core::Changes& changes) const {
  for (const auto& [rollout, host] : changes.updates) {
    const core::Update* update = core::FindUpdate(fleet, rollout, host);
    const core::Update* was = core::FindUpdate(committed_, rollout, host);
    if (update == nullptr || was == nullptr) continue;
    if (core::HasEnded(was->state) && core::HasEnded(update->state) &&
        was->state != update->state) {
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
  take(changes.rollouts, fleet.rollouts, committed_.rollouts);
  take(changes.plans, fleet.rollouts, committed_.rollouts);
  take(changes.started, fleet.rollouts, committed_.rollouts);
  take(changes.requests, fleet.requests, committed_.requests);
  for (const auto& [rollout, host] : changes.updates) {
    const core::Update* update = core::FindUpdate(fleet, rollout, host);
    if (update != nullptr) committed_.rollouts[rollout].updates[host] = *update;
  }
}

absl::Status Oracle::CheckRestart(const core::Fleet& fleet) const {
  if (fleet.epoch <= committed_.epoch) {
    return Broken("S13", "the epoch did not grow over a restart");
  }
  const auto drop_version = [](std::map<std::string, core::Rollout> rollouts) {
    for (auto& [name, rollout] : rollouts) {
      rollout.version = 0;
      rollout.tally = {};
    }
    return rollouts;
  };
  if (!Equal(fleet.hosts, committed_.hosts) ||
      drop_version(fleet.rollouts) != drop_version(committed_.rollouts) ||
      fleet.requests != committed_.requests) {
    return Broken("committed", "a restart changed what was committed");
  }
  return absl::OkStatus();
}

}  // namespace baton::sim
