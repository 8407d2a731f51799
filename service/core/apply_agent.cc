// What agents say. A word of a host changes that host and its updates alone.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "service/core/editor.h"
#include "service/core/errors.h"
#include "service/core/names.h"

namespace baton::core {
namespace {

constexpr size_t kAdaptersMax = 64;
constexpr size_t kVirtualGpusMax = 4096;
constexpr size_t kStepsMax = 256;
constexpr size_t kBlocksMax = 4096;
constexpr size_t kLogLinesMax = 200;
constexpr size_t kLogLineBytesMax = 512;
// A store is restored over fewer restarts of the service than that: a host that
// claims more is not honest.
constexpr uint64_t kEpochLeadMax = 1'000'000;
// Attempts grow by one: no honest host is ever beyond it.
constexpr uint64_t kAttemptMax = uint64_t{1} << 48;

absl::Status BadReportError(const std::string& host, absl::string_view what) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_REPORT",
                         absl::StrCat("'", host, "' reported ", what));
}

absl::Status CheckInventory(const std::string& host,
                            const Inventory& inventory) {
  if (inventory.adapters.size() > kAdaptersMax) {
    return BadReportError(
        host, absl::StrCat(inventory.adapters.size(),
                           " adapters, want at most ", kAdaptersMax));
  }
  for (const Adapter& adapter : inventory.adapters) {
    if (adapter.vgpus.size() <= kVirtualGpusMax) continue;
    return BadReportError(
        host, absl::StrCat(adapter.vgpus.size(), " vGPUs, want at most ",
                           kVirtualGpusMax));
  }
  return absl::OkStatus();
}

// Two hosts may have been given one name. A host that was restarted has ended
// its stream, or is taken for lost soon.
absl::Status CheckSameHost(const HostConnected& event, const Host& known) {
  const bool other = !event.boot_id.empty() && !known.boot_id.empty() &&
                     known.boot_id != event.boot_id;
  if (!known.connected() || !other) return absl::OkStatus();
  return ErrorWithReason(
      absl::StatusCode::kFailedPrecondition, "HOST_NAME_TAKEN",
      absl::StrCat("'", event.host, "' is connected with boot id '",
                   known.boot_id.view(), "', got '", event.boot_id,
                   "': is that another host of the same name?"));
}

absl::Status CheckHello(const Fleet& fleet, const HostConnected& event) {
  RETURN_IF_ERROR(CheckHostName(event.host));
  RETURN_IF_ERROR(CheckLabels(event.labels));
  if (event.inventory.has_value()) {
    RETURN_IF_ERROR(CheckInventory(event.host, *event.inventory));
  }
  if (event.stream == 0) return BadReportError(event.host, "without a stream");
  for (const uint64_t attempt :
       {event.finished_attempt, event.running_attempt}) {
    if (attempt <= kAttemptMax) continue;
    return BadReportError(event.host, absl::StrCat("attempt ", attempt));
  }
  if (event.epoch > fleet.epoch + kEpochLeadMax) {
    return ErrorWithReason(
        absl::StatusCode::kFailedPrecondition, "SERVICE_BEHIND",
        absl::StrCat("'", event.host, "' obeyed epoch ", event.epoch,
                     ", this service is at ", fleet.epoch,
                     ": that cannot be a backup's age"));
  }
  const Host* known = FindHost(fleet, event.host);
  if (known == nullptr && fleet.hosts.size() >= kHostsMax) {
    return ErrorWithReason(
        absl::StatusCode::kResourceExhausted, "TOO_MANY_HOSTS",
        absl::StrCat("the service keeps at most ", kHostsMax, " hosts"));
  }
  return known == nullptr ? absl::OkStatus() : CheckSameHost(event, *known);
}

// The latest attempt that an agent speaks of.
struct Claim {
  uint64_t attempt = 0;      // 0: none
  std::string rollout = "";  // empty: not said
  bool running = false;      // else it has ended
  bool quarantined = false;  // so; its gate is closed
};

Claim ClaimOf(const HostConnected& event) {
  if (event.running_attempt > event.finished_attempt) {
    return {event.running_attempt, event.running_rollout, true, false};
  }
  return {event.finished_attempt, event.finished_rollout, false,
          event.finished_quarantined};
}

std::string Text(const Claim& claim) {
  return absl::StrCat(
      claim.running ? "is in attempt " : "has finished attempt ", claim.attempt,
      claim.quarantined ? " QUARANTINED" : "",
      claim.rollout.empty() ? "" : absl::StrCat(" of '", claim.rollout, "'"));
}

// Returns what the hello changes for good, for people; empty when nothing.
std::string DifferenceOf(const Host* host, const HostConnected& event) {
  if (host == nullptr) return "registered";
  std::vector<std::string> changed;
  if (host->boot_id != event.boot_id) changed.push_back("boot_id");
  if (host->agent_version != event.agent_version) {
    changed.push_back("agent_version");
  }
  if (LabelsIn(host->agent_labels) != event.labels) changed.push_back("labels");
  const bool inventory = event.inventory.has_value() &&
                         (host->inventory != *event.inventory ||
                          host->inventory_digest != event.inventory_digest);
  if (inventory) changed.push_back("inventory");
  if (host->attempt < ClaimOf(event).attempt) changed.push_back("attempt");
  return absl::StrJoin(changed, ",");
}

// Returns what shows that the store is older than what has happened: the agent
// speaks of an attempt that was never given out as far as the store knows.
// Empty: nothing does. A host that is not known may have been deleted, and then
// what it has finished shows nothing.
std::string SignOfOlderStore(const Fleet& fleet, const std::string& name,
                             const Claim& claim) {
  const Host* host = FindHost(fleet, name);
  if (host == nullptr && !claim.running) return "";
  const uint64_t known = host == nullptr ? 0 : host->attempt;
  if (claim.attempt <= known) return "";
  return absl::StrCat("'", name, "' ", Text(claim), ", the last one known is ",
                      known);
}

std::string SignOfOlderStore(const Fleet& fleet, const HostConnected& event) {
  if (event.epoch > fleet.epoch) {
    return absl::StrCat("'", event.host, "' obeyed epoch ", event.epoch,
                        ", this service is at ", fleet.epoch);
  }
  return SignOfOlderStore(fleet, event.host, ClaimOf(event));
}

void TakeInventory(const HostConnected& event, Host& host) {
  if (event.inventory.has_value()) {
    host.inventory = *event.inventory;
    host.inventory_digest = event.inventory_digest;
  } else if (host.inventory_digest.empty()) {
    // It tells it next.
    Inventory none;
    none.fault = "the agent has not told its inventory yet";
    host.inventory = none;
  }
}

// Returns what shows that the agent can never report the attempt that holds
// the host's slot, for it speaks of another one of that number or of a later
// one: its journal is of another fleet, or the store is older than it. Empty:
// nothing does.
std::string SignOfAnotherFleet(const Fleet& fleet, const std::string& name,
                               const Claim& claim) {
  const Host* host = FindHost(fleet, name);
  if (host == nullptr || host->rollout.empty()) return "";
  const Update* update = FindUpdate(fleet, host->rollout, name);
  if (update == nullptr) return "";
  const bool other = claim.attempt == update->attempt &&
                     !claim.rollout.empty() && claim.rollout != host->rollout;
  if (claim.attempt <= update->attempt && !other) return "";
  return absl::StrCat("the agent ", Text(claim),
                      ", yet the last one that was given out is ",
                      update->attempt, " of '", host->rollout.str(), "'");
}

// Ends the update that the host will never report. Whoever looks finds out what
// became of it: the slot is free, but the host stays out of service.
void EndUnknown(const std::string& sign, Host& host, Editor& editor) {
  Update& update = editor.EditUpdate(host.rollout, host.name);
  update.state = UpdateState::kQuarantined;
  update.end_time = editor.at();
  update.reason = "ATTEMPT_UNKNOWN";
  update.message = sign;
  host.quarantine = Quarantine{host.rollout, update.reason, update.message};
  host.rollout.clear();
}

// Takes over what the agent knows and the store does not. A host that is in an
// update which nobody here ordered, or that one left with its gate closed, is
// kept away from rollouts until somebody has looked. `sign` as above.
void TakeOver(const Claim& claim, const std::string& sign, Host& host,
              Editor& editor) {
  const bool unknown = (claim.running || claim.quarantined) &&
                       claim.attempt > host.attempt && host.rollout.empty();
  if (unknown && !host.quarantine.has_value()) {
    host.quarantine =
        Quarantine{"", kStoreIsOlder,
                   absl::StrCat("'", host.name.str(), "' ", Text(claim),
                                ", the last one known is ", host.attempt)};
  }
  host.attempt = std::max(host.attempt, claim.attempt);
  if (!sign.empty()) EndUnknown(sign, host, editor);
}

// The host that `stream` speaks for, if it is the newest one.
absl::StatusOr<const Host*> FindOnStream(const Fleet& fleet,
                                         const std::string& name,
                                         uint64_t stream) {
  const Host* host = FindHost(fleet, name);
  if (host == nullptr) return HostNotFoundError(name);
  if (stream != 0 && host->stream == stream) return host;
  return ErrorWithReason(
      absl::StatusCode::kAborted, "STREAM_REPLACED",
      absl::StrCat("stream ", stream, " of '", name,
                   "' is not its newest any more: connect again"));
}

// What a heartbeat says of the inventory; nothing: it is as it was.
struct Told {
  std::optional<KeptInventory> inventory = std::nullopt;
  std::string digest = "";
};

absl::StatusOr<Told> ToldBy(const HostHeard& event, const Host& host) {
  if (!event.change.has_value()) {
    if (!event.inventory.has_value()) return Told{};
    RETURN_IF_ERROR(CheckInventory(event.host, *event.inventory));
    return Told{*event.inventory, event.inventory_digest};
  }
  const InventoryChange& change = *event.change;
  if (change.base.empty() || change.base != host.inventory_digest) {
    return ErrorWithReason(
        absl::StatusCode::kAborted, "INVENTORY_UNKNOWN",
        absl::StrCat("'", event.host, "' told a change of inventory \"",
                     change.base, "\", the one known is \"",
                     host.inventory_digest.view(), "\": connect again"));
  }
  const Inventory changed = Changed(host.inventory.Get(), change);
  RETURN_IF_ERROR(CheckInventory(event.host, changed));
  return Told{changed, change.digest};
}

// ---- Reports.

// What a report does to an update.
enum class Effect { kNone, kProgress, kEnd };

absl::Status CheckIncident(const std::string& host, const Incident& incident) {
  const auto at_most = [&](absl::string_view what, size_t got, size_t most) {
    if (got <= most) return absl::OkStatus();
    return BadReportError(
        host, absl::StrCat(got, " ", what, ", want at most ", most));
  };
  RETURN_IF_ERROR(at_most("saved blocks", incident.blocks.size(), kBlocksMax));
  for (const std::vector<CensusLine>* census :
       {&incident.before, &incident.after}) {
    RETURN_IF_ERROR(
        at_most("lines of a census", census->size(), kVirtualGpusMax));
  }
  RETURN_IF_ERROR(at_most("lines of the driver's log",
                          incident.driver_log.size(), kLogLinesMax));
  for (const std::string& line : incident.driver_log) {
    RETURN_IF_ERROR(at_most("bytes in a line of the driver's log", line.size(),
                            kLogLineBytesMax));
  }
  return absl::OkStatus();
}

absl::Status CheckReport(const UpdateReported& event) {
  const UpdateReport& report = event.report;
  if (report.state == UpdateState::kPending ||
      report.state == UpdateState::kSkipped) {
    return BadReportError(event.host,
                          absl::StrCat("state ", Name(report.state)));
  }
  if (report.sequence == 0) return BadReportError(event.host, "sequence 0");
  if (report.attempt > kAttemptMax) {
    return BadReportError(event.host, absl::StrCat("attempt ", report.attempt));
  }
  if (report.steps.size() > kStepsMax) {
    return BadReportError(
        event.host,
        absl::StrCat(report.steps.size(), " steps, want at most ", kStepsMax));
  }
  if (report.vgpus.size() > kVirtualGpusMax) {
    return BadReportError(
        event.host, absl::StrCat(report.vgpus.size(), " vGPUs, want at most ",
                                 kVirtualGpusMax));
  }
  if (!report.incident.has_value()) return absl::OkStatus();
  return CheckIncident(event.host, *report.incident);
}

// The attempt is known of the host, and is not the update's: it is of the past,
// or the store forgot whose it was. The hello told all that there is to know.
absl::Status StaleAttemptError(const UpdateReported& event,
                               const Update& update) {
  return ErrorWithReason(
      absl::StatusCode::kAborted, "STALE_ATTEMPT",
      absl::StrCat("'", event.host, "' reported attempt ", event.report.attempt,
                   " of '", event.report.rollout, "', current is ",
                   update.attempt));
}

// An attempt that was never given out, as far as is known here, is not to be
// left aside: whoever says hello again tells all that there is to know of it.
absl::Status CheckKnown(const Fleet& fleet, const UpdateReported& event) {
  const Claim claim = {event.report.attempt, event.report.rollout,
                       event.report.state == UpdateState::kRunning};
  std::string sign = SignOfOlderStore(fleet, event.host, claim);
  if (sign.empty()) sign = SignOfAnotherFleet(fleet, event.host, claim);
  if (sign.empty()) return absl::OkStatus();
  return ErrorWithReason(absl::StatusCode::kFailedPrecondition,
                         "ATTEMPT_UNKNOWN",
                         absl::StrCat(sign, ": connect again"));
}

absl::StatusOr<Effect> EffectOf(const UpdateReported& event,
                                const Update& update) {
  const UpdateReport& report = event.report;
  if (report.attempt != update.attempt || update.attempt == 0) {
    return StaleAttemptError(event, update);
  }
  // An agent that was restarted counts on from what it had journalled, which
  // may be less than it had said. Its end is the last word of all the same.
  const bool ends =
      update.state == UpdateState::kRunning && HasEnded(report.state);
  if (report.sequence <= update.sequence && !ends) return Effect::kNone;
  switch (update.state) {
    case UpdateState::kRunning:
      return HasEnded(report.state) ? Effect::kEnd : Effect::kProgress;
    case UpdateState::kDone:
    case UpdateState::kCancelled:
    case UpdateState::kRolledBack:
    case UpdateState::kQuarantined:
      // Said again, with a number of its own: its end is what was recorded.
      if (report.state == update.state) return Effect::kNone;
      return ErrorWithReason(
          absl::StatusCode::kFailedPrecondition, "UPDATE_ENDED",
          absl::StrCat("'", event.host, "' reported ", Name(report.state),
                       " for '", report.rollout, "', which had ended there ",
                       Name(update.state)));
    case UpdateState::kPending:
      // It goes back, and the end of the attempt is said again.
      if (HasEnded(report.state)) return Effect::kNone;
      break;
    case UpdateState::kSkipped:
      break;
  }
  return StaleAttemptError(event, update);
}

// What must not be believed of a report that ends an update; empty: all fits.
// The host is then quarantined: it is never READY on a word that contradicts
// itself.
std::string ContradictionOf(const UpdateReport& report, bool past_no_return) {
  const bool lost = std::any_of(report.vgpus.begin(), report.vgpus.end(),
                                [](const auto& v) { return !v.preserved; });
  switch (report.state) {
    case UpdateState::kDone:
      if (!past_no_return) return "DONE, yet nothing was unloaded";
      return lost ? "DONE, yet a vGPU is not as it was" : "";
    case UpdateState::kCancelled:
      if (past_no_return) return "CANCELLED after the unload";
      return lost ? "CANCELLED, yet a vGPU is not as it was" : "";
    case UpdateState::kRolledBack:
      if (!past_no_return) return "ROLLED_BACK before the unload";
      return lost ? "ROLLED_BACK, yet a vGPU is not as it was" : "";
    case UpdateState::kPending:
    case UpdateState::kRunning:
    case UpdateState::kQuarantined:
    case UpdateState::kSkipped:
      return "";
  }
  return "";
}

void Take(const UpdateReport& report, Update& update) {
  update.sequence = report.sequence;
  update.step = report.step;
  update.past_no_return = update.past_no_return || report.past_no_return;
  update.steps = report.steps;
  update.vgpus = report.vgpus;
  update.saved = report.saved;
  update.reason = report.reason;
  update.message = report.message;
}

// Whether another attempt follows one that its host cancelled.
bool GoesBack(const Update& update, const RetrySpec& retry) {
  switch (update.cancel) {
    case Cancel::kEnds:
      return false;
    case Cancel::kRequeues:
      return true;
    case Cancel::kNone:
      return update.tries < retry.attempts;
  }
  return false;
}

// How long the host waits after `tries` attempts.
absl::Duration BackoffOf(const RetrySpec& retry, uint32_t tries) {
  constexpr absl::Duration kMost = absl::Hours(1);
  absl::Duration backoff = retry.backoff;
  for (uint32_t i = 1; i < tries && backoff < kMost; ++i) backoff *= 2;
  return std::min(backoff, kMost);
}

// Lets the host wait for its next attempt. One that was paused is not spent.
void GoBack(const RetrySpec& retry, absl::Time now, Update& update) {
  if (update.cancel == Cancel::kRequeues) {
    --update.tries;
  } else {
    update.not_before = now + BackoffOf(retry, update.tries);
  }
  update.state = UpdateState::kPending;
  update.cancel = Cancel::kNone;
  update.end_time = absl::InfinitePast();
}

// Keeps what can tell why the attempt went wrong. One that somebody cancelled
// did not.
void KeepCapsule(const UpdateReported& event, const Update& update,
                 Editor& editor) {
  const UpdateReport& report = event.report;
  const bool asked =
      update.cancel != Cancel::kNone && update.state == UpdateState::kCancelled;
  if (update.state == UpdateState::kDone) return;
  if (asked && !report.incident.has_value()) return;
  const Rollout& rollout = *FindRollout(editor.fleet(), report.rollout);
  const PlannedHost& planned =
      rollout.plan->waves[update.wave].hosts[update.position];
  Capsule capsule;
  capsule.attempt = update.attempt;
  capsule.time = editor.at();
  capsule.state = update.state;
  capsule.reason = update.reason;
  capsule.message = update.message;
  capsule.from_version = update.from_version;
  capsule.to_version = std::string(ShortName(DriverNameOf(rollout, planned)));
  capsule.steps = update.steps.Get();
  capsule.vgpus = update.vgpus.Get();
  capsule.saved = update.saved;
  capsule.incident = report.incident;
  capsule.expire_time = editor.at() + editor.fleet().settings.capsule_retention;
  editor.KeepCapsule(UpdateName(report.rollout, event.host),
                     std::move(capsule));
}

// What an update that ended DONE cost is what later plans predict from.
void Remember(const Host& host, const Rollout& rollout, const Update& update,
              Editor& editor) {
  const std::string& driver = DriverNameOf(
      rollout, rollout.plan->waves[update.wave].hosts[update.position]);
  editor.AddToHistory(
      CostOf(host, update, DriverBefore(update, driver), driver));
}

void End(const UpdateReported& event, Update& update, Editor& editor) {
  const UpdateReport& report = event.report;
  const std::string contradiction =
      ContradictionOf(report, update.past_no_return);
  update.state = report.state;
  update.end_time = editor.at();
  if (!contradiction.empty()) {
    update.state = UpdateState::kQuarantined;
    update.reason = "REPORT_CONTRADICTS";
    update.message = absl::StrCat("the agent reported ", contradiction);
  } else if (update.state != UpdateState::kDone && update.reason.empty()) {
    update.reason = "NOT_SAID";
  }
  KeepCapsule(event, update, editor);
  Host& host = editor.EditHost(event.host);
  host.rollout.clear();
  const RetrySpec& retry =
      FindRollout(editor.fleet(), report.rollout)->spec.retry;
  if (update.state == UpdateState::kCancelled && GoesBack(update, retry)) {
    GoBack(retry, editor.at(), update);
  }
  if (update.state == UpdateState::kDone) {
    Remember(host, *FindRollout(editor.fleet(), report.rollout), update,
             editor);
  }
  if (update.state != UpdateState::kQuarantined) return;
  host.quarantine = Quarantine{report.rollout, update.reason, update.message};
}

}  // namespace

absl::Status On(const HostConnected& event, Editor& editor) {
  RETURN_IF_ERROR(CheckHello(editor.fleet(), event));
  const Claim claim = ClaimOf(event);
  const std::string sign =
      SignOfAnotherFleet(editor.fleet(), event.host, claim);
  const std::string older = SignOfOlderStore(editor.fleet(), event);
  std::string changed =
      DifferenceOf(FindHost(editor.fleet(), event.host), event);
  if (!sign.empty()) {
    absl::StrAppend(&changed, changed.empty() ? "" : "; ",
                    "QUARANTINED: ATTEMPT_UNKNOWN: ", sign);
  }
  // Nothing below this line can fail.
  Host& host = changed.empty() ? editor.TouchHost(event.host)
                               : editor.EditHost(event.host);
  host.boot_id = event.boot_id;
  host.agent_version = event.agent_version;
  host.agent_labels = PackedLabels(event.labels);
  TakeInventory(event, host);
  TakeOver(claim, sign, host, editor);
  host.stream = event.stream;
  if (!older.empty()) editor.Doubt(event.epoch, older);
  editor.Hear(event.host);
  if (!changed.empty()) editor.Audit("host.connect", event.host, changed);
  return absl::OkStatus();
}

absl::Status On(const HostHeard& event, Editor& editor) {
  ASSIGN_OR_RETURN(const Host* found,
                   FindOnStream(editor.fleet(), event.host, event.stream));
  ASSIGN_OR_RETURN(Told told, ToldBy(event, *found));
  const bool changed =
      told.inventory.has_value() && (*told.inventory != found->inventory ||
                                     told.digest != found->inventory_digest);
  // Nothing below this line can fail.
  editor.Hear(event.host);
  if (!changed) return absl::OkStatus();
  Host& host = editor.EditHost(event.host);
  host.inventory = *std::move(told.inventory);
  host.inventory_digest = told.digest;
  editor.Audit("host.inventory", event.host, DriverVersionsOf(*found));
  return absl::OkStatus();
}

absl::Status On(const HostDisconnected& event, Editor& editor) {
  const Host* host = FindHost(editor.fleet(), event.host);
  if (host == nullptr) return HostNotFoundError(event.host);
  // A stream that was replaced ends late: the host is connected all the same.
  if (host->stream != event.stream || event.stream == 0) {
    return absl::OkStatus();
  }
  editor.TouchHost(event.host).stream = 0;
  return absl::OkStatus();
}

absl::Status On(const UpdateReported& event, Editor& editor) {
  RETURN_IF_ERROR(CheckReport(event));
  RETURN_IF_ERROR(
      FindOnStream(editor.fleet(), event.host, event.stream).status());
  const UpdateReport& report = event.report;
  RETURN_IF_ERROR(CheckKnown(editor.fleet(), event));
  const Update* found = FindUpdate(editor.fleet(), report.rollout, event.host);
  const std::string name = UpdateName(report.rollout, event.host);
  if (found == nullptr) return UpdateNotFoundError(name);
  ASSIGN_OR_RETURN(const Effect effect, EffectOf(event, *found));
  // Nothing below this line can fail.
  editor.Hear(event.host);
  if (effect == Effect::kNone) return absl::OkStatus();
  Update& update = editor.EditUpdate(report.rollout, event.host);
  Take(report, update);
  if (effect == Effect::kEnd) End(event, update, editor);
  editor.Audit(
      "update.report", name,
      absl::StrCat(Name(update.state), " after ", Name(update.step),
                   update.reason.empty() ? "" : ": ", update.reason.str()));
  return absl::OkStatus();
}

}  // namespace baton::core
