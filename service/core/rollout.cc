#include "service/core/rollout.h"

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "service/core/names.h"

namespace baton::core {

RolloutProgress ProgressOf(const Rollout& rollout) {
  const Tally& tally = rollout.tally;
  RolloutProgress progress;
  progress.total = rollout.plan.has_value() ? rollout.plan->hosts : 0;
  progress.pending = tally.Count(UpdateState::kPending);
  progress.running = tally.Count(UpdateState::kRunning);
  progress.done = tally.Count(UpdateState::kDone);
  progress.cancelled = tally.Count(UpdateState::kCancelled);
  progress.rolled_back = tally.Count(UpdateState::kRolledBack);
  progress.quarantined = tally.Count(UpdateState::kQuarantined);
  progress.skipped = tally.Count(UpdateState::kSkipped);
  progress.failures = tally.failures;
  progress.vgpus = tally.vgpus;
  progress.vgpus_preserved = tally.vgpus_preserved;
  progress.wave = rollout.wave;
  // Not started yet: all that is planned is to come.
  if (rollout.updates.empty() && !IsFinished(rollout.state)) {
    progress.pending = progress.total;
  }
  if (tally.blackouts.count() == 0) return progress;
  progress.blackout_p50 = tally.blackouts.Percentile(50);
  progress.blackout_p99 = tally.blackouts.Percentile(99);
  progress.blackout_max = tally.blackouts.Percentile(100);
  return progress;
}

Tally TallyOf(const Rollout& rollout) {
  Tally tally;
  if (rollout.updates.empty()) return tally;
  tally.waves.resize(rollout.plan->waves.size());
  const BlackoutSpec& blackout = rollout.spec.blackout;
  tally.long_above = blackout.per_vgpu_max;
  tally.slow_above = blackout.p99_max.value_or(blackout.per_vgpu_max);
  for (const auto& [host, update] : rollout.updates) {
    Count(host, CountedOf(update), tally);
  }
  return tally;
}

void MakeUpdates(Rollout& rollout) {
  const std::vector<PlannedWave>& waves = rollout.plan->waves;
  for (size_t wave = 0; wave < waves.size(); ++wave) {
    const std::vector<PlannedHost>& hosts = waves[wave].hosts;
    for (size_t i = 0; i < hosts.size(); ++i) {
      const auto [at, made] = rollout.updates.try_emplace(hosts[i].host);
      at->second.position = static_cast<uint32_t>(i);
      if (!made) continue;
      at->second.wave = static_cast<uint32_t>(wave);
      at->second.from_version = hosts[i].from_version;
    }
  }
}

std::string DriverBefore(const Update& update, const std::string& driver) {
  return update.from_driver.empty()
             ? WithVersion(driver, update.from_version.str())
             : update.from_driver.str();
}

const std::string& DriverNameOf(const Rollout& rollout,
                                const PlannedHost& host) {
  return host.to_driver.empty() ? rollout.spec.driver : host.to_driver.str();
}

bool IsActive(RolloutState state) {
  switch (state) {
    case RolloutState::kAwaitingApproval:
    case RolloutState::kRunning:
    case RolloutState::kHeld:
    case RolloutState::kAborting:
      return true;
    case RolloutState::kDraft:
    case RolloutState::kPlanned:
    case RolloutState::kSucceeded:
    case RolloutState::kFailed:
    case RolloutState::kAborted:
    case RolloutState::kRolledBack:
      return false;
  }
  CHECK(false);
}

bool IsFinished(RolloutState state) {
  switch (state) {
    case RolloutState::kSucceeded:
    case RolloutState::kFailed:
    case RolloutState::kAborted:
    case RolloutState::kRolledBack:
      return true;
    case RolloutState::kDraft:
    case RolloutState::kPlanned:
    case RolloutState::kAwaitingApproval:
    case RolloutState::kRunning:
    case RolloutState::kHeld:
    case RolloutState::kAborting:
      return false;
  }
  CHECK(false);
}

bool WantsRollback(const Rollout& rollout) {
  return rollout.take_back.has_value() && rollout.rollback.empty() &&
         IsFinished(rollout.state) &&
         rollout.state != RolloutState::kRolledBack;
}

bool ExceedsTolerance(const Rollout& rollout) {
  if (!rollout.plan.has_value()) return false;
  return rollout.tally.failures >
         rollout.failures_accepted + rollout.plan->failures_max;
}

std::string FailuresText(const Rollout& rollout) {
  constexpr int kSpelledMax = 3;
  const std::set<std::string>& failed = rollout.tally.failed;
  std::string text;
  int spelled = 0;
  for (auto it = failed.begin(); it != failed.end() && spelled < kSpelledMax;
       ++it, ++spelled) {
    absl::StrAppend(&text, text.empty() ? "" : "; ", *it, " ",
                    CauseOf(rollout.updates.at(*it)));
  }
  return absl::StrCat(
      failed.size(), failed.size() == 1 ? " host" : " hosts", " failed, ",
      rollout.plan->failures_max, " tolerated",
      rollout.failures_accepted == 0
          ? ""
          : absl::StrCat(" beyond the ", rollout.failures_accepted,
                         " accepted"),
      ": ", text, failed.size() > kSpelledMax ? "; and more" : "");
}

std::string WaveNameOf(const Rollout& rollout, uint32_t index) {
  CHECK(rollout.plan.has_value() && index < rollout.plan->waves.size());
  return rollout.plan->waves[index].name;
}

absl::string_view Name(RolloutState state) {
  switch (state) {
    case RolloutState::kDraft:
      return "DRAFT";
    case RolloutState::kPlanned:
      return "PLANNED";
    case RolloutState::kAwaitingApproval:
      return "AWAITING_APPROVAL";
    case RolloutState::kRunning:
      return "RUNNING";
    case RolloutState::kHeld:
      return "HELD";
    case RolloutState::kSucceeded:
      return "SUCCEEDED";
    case RolloutState::kFailed:
      return "FAILED";
    case RolloutState::kAborted:
      return "ABORTED";
    case RolloutState::kRolledBack:
      return "ROLLED_BACK";
    case RolloutState::kAborting:
      return "ABORTING";
  }
  CHECK(false);
}

}  // namespace baton::core
