#include "service/core/invariants.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "service/core/approval.h"
#include "service/core/explain.h"
#include "service/core/index.h"

namespace baton::core {
namespace {

absl::Status Broken(absl::string_view invariant, absl::string_view what) {
  return absl::InternalError(absl::StrCat(invariant, ": ", what));
}

// S10, for one rollout that was started.
absl::Status CheckWaves(const Rollout& rollout) {
  std::map<std::string, uint32_t> planned;
  const std::vector<PlannedWave>& waves = rollout.plan->waves;
  for (size_t wave = 0; wave < waves.size(); ++wave) {
    for (const PlannedHost& host : waves[wave].hosts) {
      planned[host.host] = static_cast<uint32_t>(wave);
    }
  }
  if (rollout.updates.size() != planned.size()) {
    return Broken(
        "S10", absl::StrCat("'", rollout.name, "' has ", rollout.updates.size(),
                            " updates for ", planned.size(), " planned hosts"));
  }
  for (const auto& [host, update] : rollout.updates) {
    const auto found = planned.find(host);
    if (found == planned.end() || found->second != update.wave) {
      return Broken("S10",
                    absl::StrCat("'", host.str(), "' is not planned in '",
                                 rollout.name, "'"));
    }
    if (update.wave > rollout.wave && update.attempt != 0) {
      return Broken("S10",
                    absl::StrCat("'", host.str(), "' of wave ", update.wave,
                                 " started in wave ", rollout.wave));
    }
    if (update.wave < rollout.wave && !HasEnded(update.state)) {
      return Broken("S10",
                    absl::StrCat("'", host.str(), "' of wave ", update.wave,
                                 " goes on in wave ", rollout.wave));
    }
  }
  return absl::OkStatus();
}

// S11: running updates and slots are one and the same.
absl::Status CheckSlots(const Fleet& fleet) {
  std::map<std::string, std::string> running;
  std::map<std::string, std::string> claimed;
  for (const auto& [name, rollout] : fleet.rollouts) {
    for (const auto& [host, update] : rollout.updates) {
      if (HasEnded(update.state)) continue;
      if (!claimed.insert({host, name}).second) {
        return Broken("exclusive",
                      absl::StrCat("'", host.str(), "' is claimed by '", name,
                                   "' and '", claimed[host], "'"));
      }
      if (update.state == UpdateState::kRunning) running[host] = name;
    }
  }
  for (const auto& [name, host] : fleet.hosts) {
    const auto found = running.find(name);
    const std::string want = found == running.end() ? "" : found->second;
    if (host.rollout != want) {
      return Broken("S11", absl::StrCat("slot of '", name.str(),
                                        "' is held by '", host.rollout.str(),
                                        "', running in '", want, "'"));
    }
    if (found == running.end()) continue;
    if (FindUpdate(fleet, want, name)->attempt > host.attempt) {
      return Broken("S13", absl::StrCat("'", name.str(),
                                        "' runs an attempt that "
                                        "was never given out"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckActive(const Fleet& fleet) {
  for (const auto& [name, rollout] : fleet.rollouts) {
    const bool listed = fleet.active.count(name) > 0;
    if (listed != IsActive(rollout.state)) {
      return Broken("active",
                    absl::StrCat("'", name, "' is ", Name(rollout.state)));
    }
    if (!IsFinished(rollout.state)) continue;
    for (const auto& [host, update] : rollout.updates) {
      if (HasEnded(update.state)) continue;
      return Broken("S11", absl::StrCat("'", name, "' ended before '",
                                        host.str(), "' did"));
    }
  }
  return absl::OkStatus();
}

// Of what names a rollout none names one that is gone, or another one that has
// its name by now.
absl::Status CheckReferences(const Fleet& fleet) {
  for (const auto& [name, rollout] : fleet.rollouts) {
    const std::string& original = rollout.spec.rollback_of;
    const Rollout* back = FindRollout(fleet, rollout.rollback);
    const Rollout* of = FindRollout(fleet, original);
    const bool taken_back = rollout.rollback.empty() ||
                            (back != nullptr && back->spec.rollback_of == name);
    const bool takes_back =
        original.empty() || (of != nullptr && of->rollback == name);
    if (taken_back && takes_back) continue;
    return Broken("references",
                  absl::StrCat("'", name, "' is taken back by '",
                               rollout.rollback, "' and takes back '", original,
                               "', and one of them does not know of it"));
  }
  for (const auto& [name, host] : fleet.hosts) {
    if (!host.quarantine.has_value()) continue;
    const std::string& by = host.quarantine->rollout;
    if (by.empty() || FindUpdate(fleet, by, name) != nullptr) continue;
    return Broken("references",
                  absl::StrCat("'", name.str(), "' is quarantined by '", by,
                               "', which has no update of it"));
  }
  return absl::OkStatus();
}

// S9: what is stored has records, each chained to the one before.
absl::Status CheckAudit(const Fleet& before, const Changes& changes,
                        const Fleet& after) {
  const bool stored = !changes.hosts.empty() || !changes.drivers.empty() ||
                      !changes.rollouts.empty() || !changes.updates.empty() ||
                      !changes.requests.empty() || !changes.history.empty();
  if (stored && changes.audit.empty()) {
    return Broken("S9", "a change without an audit record");
  }
  uint64_t sequence = before.audit_sequence;
  std::string hash = before.audit_hash;
  for (const AuditRecord& record : changes.audit) {
    if (record.sequence != ++sequence ||
        record.hash != AuditHash(hash, record)) {
      return Broken("S9", absl::StrCat("audit record ", record.sequence,
                                       " is not chained"));
    }
    hash = record.hash;
  }
  if (sequence != after.audit_sequence || hash != after.audit_hash) {
    return Broken("S9", "the fleet counts other audit records");
  }
  return absl::OkStatus();
}

// S13, and S11: no slot is freed but by the end of its attempt, which only a
// report gives, or a quarantine by the service.
absl::Status CheckMonotone(const Fleet& before, const Changes& changes,
                           const Fleet& after) {
  if (after.epoch < before.epoch || after.revision < before.revision ||
      after.now < before.now) {
    return Broken("S13", "epoch, revision or time went back");
  }
  for (const auto& [name, was] : before.hosts) {
    const Host* host = FindHost(after, name);
    const bool gone = host == nullptr && was.rollout.empty();
    if (gone && !was.connected()) continue;  // deleted
    if (host == nullptr || host->attempt < was.attempt) {
      return Broken("S13",
                    absl::StrCat("attempt of '", name.str(), "' went back"));
    }
    if (was.rollout.empty() || host->rollout == was.rollout) continue;
    // Only what has ended is deleted.
    if (changes.deleted.count(was.rollout) > 0) continue;
    const Update* update = FindUpdate(after, was.rollout, name);
    const bool reported =
        update != nullptr &&
        update->sequence != FindUpdate(before, was.rollout, name)->sequence;
    // One that goes back to wait for another attempt has ended this one.
    const bool over =
        update != nullptr && update->state != UpdateState::kRunning;
    const bool ended = over && (reported || host->quarantine.has_value());
    if (!ended) {
      return Broken("S11", absl::StrCat("slot of '", name.str(),
                                        "' was freed without a report"));
    }
  }
  return absl::OkStatus();
}

// S10 and S13, for one host that got a slot.
absl::Status CheckAdmission(const Host& was, const Host& host,
                            const Rollout& rollout) {
  if (rollout.state != RolloutState::kRunning || ExceedsTolerance(rollout)) {
    return Broken(
        "S10", absl::StrCat("'", host.name.str(), "' was admitted by '",
                            rollout.name, "', which is ", Name(rollout.state)));
  }
  if (LacksApprovals(rollout, rollout.wave)) {
    return Broken("S10",
                  absl::StrCat("'", host.name.str(), "' was admitted by '",
                               rollout.name, "' without approvals"));
  }
  if (host.attempt > was.attempt) return absl::OkStatus();
  return Broken("S13",
                absl::StrCat("'", host.name.str(), "' got an old attempt"));
}

// What may be out of service by the admissions of one turn. Where those of
// several rollouts share a domain the largest of their limits was the last to
// be asked; one that has none for it does not care.
class Limits {
 public:
  void Add(const Host& host, const Rollout& rollout) {
    hosts_.push_back(&host);
    rollouts_.push_back(&rollout);
    fleet_ = std::max(fleet_, rollout.plan->max_unavailable);
    for (const DomainLimit& domain : rollout.spec.limits.domains) {
      labels_.insert(domain.label);
    }
  }

  absl::Status Check(const Fleet& fleet) const {
    if (hosts_.empty()) return absl::OkStatus();
    Ledger ledger;
    ledger.SetLabels(labels_, fleet.hosts);
    for (const auto& [name, host] : fleet.hosts) ledger.Enter(host);
    RETURN_IF_ERROR(CheckOne("the fleet", ledger.fleet(), fleet_));
    for (const Host* host : hosts_) {
      for (const std::string& label : labels_) {
        const std::string value = LabelOf(*host, label);
        if (value.empty()) continue;
        RETURN_IF_ERROR(CheckOne(absl::StrCat(label, "=", value),
                                 ledger.Domain(label, value),
                                 LimitOf(label, value)));
      }
    }
    return absl::OkStatus();
  }

 private:
  static absl::Status CheckOne(absl::string_view where,
                               const Ledger::Account& account, uint32_t limit) {
    if (account.count.total() <= limit) return absl::OkStatus();
    return Broken("S1", absl::StrCat(account.count.total(), " hosts of ", where,
                                     " are out of service by an admission "
                                     "that allows ",
                                     limit));
  }

  uint32_t LimitOf(const std::string& label, const std::string& value) const {
    uint32_t limit = 0;
    for (size_t i = 0; i < hosts_.size(); ++i) {
      if (LabelOf(*hosts_[i], label) != value) continue;
      uint32_t own = std::numeric_limits<uint32_t>::max();
      for (const DomainLimit& domain : rollouts_[i]->spec.limits.domains) {
        if (domain.label == label) own = domain.max_unavailable;
      }
      limit = std::max(limit, own);
    }
    return limit;
  }

  std::vector<const Host*> hosts_;  // that got a slot
  std::vector<const Rollout*> rollouts_;
  uint32_t fleet_ = 0;
  std::set<std::string> labels_;
};

// S1, and the above for each host that got a slot.
absl::Status CheckAdmissions(const Fleet& before, const Fleet& after) {
  Limits limits;
  for (const auto& [name, host] : after.hosts) {
    const Host* was = FindHost(before, name);
    if (host.rollout.empty() || was == nullptr) continue;
    if (was->rollout == host.rollout && was->attempt == host.attempt) continue;
    const Rollout& rollout = after.rollouts.at(host.rollout);
    RETURN_IF_ERROR(CheckAdmission(*was, host, rollout));
    if (after.emergency_stop.has_value()) {
      return Broken("S10", absl::StrCat("'", name.str(),
                                        "' was admitted in an emergency stop"));
    }
    limits.Add(host, rollout);
  }
  return limits.Check(after);
}

// Whether some gate of what waits says why, for programs and for people.
absl::Status CheckReason(const std::string& name,
                         const absl::StatusOr<Explanation>& explanation) {
  RETURN_IF_ERROR(explanation.status());
  for (const Gate& gate : explanation->gates) {
    if (gate.verdict == GateVerdict::kPass) continue;
    if (!gate.reason.empty() && !gate.message.empty()) {
      return absl::OkStatus();
    }
    return Broken("why", absl::StrCat("gate '", gate.name, "' of '", name,
                                      "' does not say why"));
  }
  return Broken("why", absl::StrCat("nothing says why '", name, "' waits"));
}

}  // namespace

absl::Status CheckInvariants(const Fleet& fleet) {
  for (const auto& [name, rollout] : fleet.rollouts) {
    if (!rollout.updates.empty()) RETURN_IF_ERROR(CheckWaves(rollout));
  }
  RETURN_IF_ERROR(CheckActive(fleet));
  RETURN_IF_ERROR(CheckReferences(fleet));
  RETURN_IF_ERROR(CheckSlots(fleet));
  return CheckIndex(fleet);
}

absl::Status CheckReasons(const Fleet& fleet) {
  for (const std::string& name : fleet.active) {
    RETURN_IF_ERROR(CheckReason(name, ExplainRollout(fleet, name)));
  }
  for (const auto& [name, host] : fleet.hosts) {
    if (host.claimant.empty()) continue;
    RETURN_IF_ERROR(CheckReason(name, ExplainHost(fleet, name)));
  }
  return absl::OkStatus();
}

absl::Status CheckTransition(const Fleet& before, const Changes& changes,
                             const Fleet& after) {
  RETURN_IF_ERROR(CheckAudit(before, changes, after));
  RETURN_IF_ERROR(CheckMonotone(before, changes, after));
  return CheckAdmissions(before, after);
}

}  // namespace baton::core
