#include "cli/render/rollout.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/names.h"
#include "cli/render/words.h"

namespace baton::cli {
namespace {

std::string SizeText(const v1::WaveSpec& wave) {
  if (wave.rest()) return "rest";
  if (wave.has_percent()) return absl::StrCat(wave.percent(), "%");
  return Count(wave.hosts(), "host");
}

std::string WavesText(const v1::RolloutSpec& spec) {
  if (spec.waves().empty()) return "one wave of all";
  return absl::StrJoin(
      spec.waves(), ", ", [](std::string* out, const v1::WaveSpec& wave) {
        const std::string size = SizeText(wave);
        if (!wave.name().empty() && wave.name() != size) {
          absl::StrAppend(out, wave.name(), " ");
        }
        absl::StrAppend(out, size);
        if (wave.has_bake()) {
          absl::StrAppend(out, " (bake ", Text(wave.bake()), ")");
        }
      });
}

std::string LimitText(const v1::LimitsSpec& limits) {
  std::vector<std::string> parts;
  if (limits.has_max_unavailable()) {
    parts.push_back(Count(limits.max_unavailable(), "host"));
  }
  if (limits.has_max_unavailable_percent()) {
    parts.push_back(absl::StrCat(limits.max_unavailable_percent(), "%"));
  }
  return parts.empty() ? "1 host" : absl::StrJoin(parts, " or ");
}

std::string ToleranceText(const v1::FailureTolerance& tolerance) {
  std::vector<std::string> parts;
  if (tolerance.has_hosts()) parts.push_back(Count(tolerance.hosts(), "host"));
  if (tolerance.has_percent()) {
    parts.push_back(absl::StrCat(tolerance.percent(), "%"));
  }
  return parts.empty() ? "0 hosts" : absl::StrJoin(parts, " or ");
}

std::string PreservedText(const v1::RolloutProgress& progress) {
  return absl::StrCat(progress.vgpus_preserved(), "/", progress.vgpus());
}

std::vector<Cell> Row(const v1::Rollout& rollout, const Look& look) {
  const v1::RolloutProgress& progress = rollout.progress();
  std::vector<Cell> row = {ShortName(rollout.name()),
                           {Word(rollout.state()), InkOf(rollout.state())},
                           ShortName(rollout.spec().driver()),
                           absl::StrCat(progress.done(), "/", progress.total()),
                           PreservedText(progress),
                           Text(rollout.create_time())};
  if (look.detail == Detail::kWide) {
    row.insert(row.end(), {rollout.author(), rollout.spec().selector(),
                           BlackoutText(progress), BecauseText(rollout)});
  }
  return row;
}

std::string PlannedWaveText(const v1::PlannedWave& wave, const Look& look) {
  std::string text = absl::StrCat(
      "wave ", Paint(Printable(wave.name()), Ink::kBold, look.colour), ": ",
      Count(static_cast<uint64_t>(wave.hosts_size()), "host"));
  if (wave.has_bake()) {
    absl::StrAppend(&text, ", then bakes ", Text(wave.bake()));
  }
  Table hosts({});
  for (const v1::PlannedHost& host : wave.hosts()) {
    hosts.Add({ShortName(host.host()),
               absl::StrCat("from ", host.from_version()),
               Count(host.vgpus(), "vGPU")});
  }
  return absl::StrCat(text, "\n", hosts.ToString(look.colour, "  "));
}

std::string BlockedText(const v1::RolloutPlan& plan, const Look& look) {
  if (plan.blocked().empty()) return "";
  Table table({});
  for (const v1::BlockedHost& host : plan.blocked()) {
    table.Add(
        {ShortName(host.host()), {host.reason(), Ink::kWarn}, host.message()});
  }
  return absl::StrCat("will not be updated:\n",
                      table.ToString(look.colour, "  "));
}

}  // namespace

Ink InkOf(v1::RolloutState state) {
  if (state == v1::ROLLOUT_STATE_SUCCEEDED) return Ink::kGood;
  if (state == v1::ROLLOUT_STATE_RUNNING) return Ink::kBusy;
  if (state == v1::ROLLOUT_STATE_DRAFT || state == v1::ROLLOUT_STATE_PLANNED) {
    return Ink::kPlain;
  }
  return state == v1::ROLLOUT_STATE_FAILED ? Ink::kBad : Ink::kWarn;
}

Ink InkOf(v1::UpdateState state) {
  if (state == v1::UPDATE_STATE_DONE) return Ink::kGood;
  if (state == v1::UPDATE_STATE_RUNNING) return Ink::kBusy;
  if (state == v1::UPDATE_STATE_QUARANTINED) return Ink::kBad;
  if (state == v1::UPDATE_STATE_CANCELLED ||
      state == v1::UPDATE_STATE_ROLLED_BACK) {
    return Ink::kWarn;
  }
  return Ink::kDim;
}

std::string BlackoutText(const v1::RolloutProgress& progress) {
  if (!progress.has_blackout_max()) return "none yet";
  return absl::StrCat("p50 ", Text(progress.blackout_p50()), "  p99 ",
                      Text(progress.blackout_p99()), "  max ",
                      Text(progress.blackout_max()));
}

std::string ProgressText(const v1::RolloutProgress& progress) {
  std::string text = absl::StrCat(progress.done(), " of ",
                                  Count(progress.total(), "host"), " done");
  const std::pair<uint32_t, const char*> others[] = {
      {progress.running(), "running"},
      {progress.pending(), "pending"},
      {progress.cancelled(), "cancelled"},
      {progress.rolled_back(), "rolled back"},
      {progress.quarantined(), "quarantined"},
      {progress.skipped(), "skipped"}};
  for (const auto& [count, word] : others) {
    if (count > 0) absl::StrAppend(&text, ", ", count, " ", word);
  }
  return text;
}

std::string BecauseText(const v1::Rollout& rollout) {
  if (rollout.reason().empty()) return rollout.message();
  return absl::StrCat(rollout.message(), rollout.message().empty() ? "" : " ",
                      "[", rollout.reason(), "]");
}

std::string RolloutTable(const v1::ListRolloutsResponse& rollouts,
                         const Look& look) {
  if (rollouts.rollouts().empty()) return "no rollouts\n";
  std::vector<std::string> heading = {"NAME", "STATE",      "DRIVER",
                                      "DONE", "VGPUS KEPT", "CREATED"};
  if (look.detail == Detail::kWide) {
    heading.insert(heading.end(),
                   {"AUTHOR", "SELECTOR", "BLACKOUT", "BECAUSE"});
  }
  Table table(std::move(heading));
  for (const v1::Rollout& rollout : rollouts.rollouts()) {
    table.Add(Row(rollout, look));
  }
  return table.ToString(look.colour);
}

std::string RolloutText(const v1::Rollout& rollout, const Look& look) {
  const v1::RolloutSpec& spec = rollout.spec();
  Table facts({});
  facts.Add({"rollout", {ShortName(rollout.name()), Ink::kBold}});
  facts.Add({"state", {Word(rollout.state()), InkOf(rollout.state())}});
  if (const std::string because = BecauseText(rollout); !because.empty()) {
    facts.Add({"because", because});
  }
  facts.Add({"driver", ShortName(spec.driver())});
  facts.Add({"selector", spec.selector()});
  facts.Add({"waves", WavesText(spec)});
  facts.Add({"at once", absl::StrCat("at most ", LimitText(spec.limits()))});
  facts.Add({"tolerates", ToleranceText(spec.failure_tolerance())});
  if (rollout.progress().total() > 0) {
    facts.Add({"progress", ProgressText(rollout.progress())});
    facts.Add({"vGPUs kept", PreservedText(rollout.progress())});
    facts.Add({"blackout", BlackoutText(rollout.progress())});
  }
  facts.Add({"author", rollout.author()});
  facts.Add({"created", Text(rollout.create_time())});
  facts.Add({"started", Text(rollout.start_time())});
  facts.Add({"ended", Text(rollout.end_time())});
  if (look.detail == Detail::kWide) {
    facts.Add({"plan", rollout.plan().digest()});
    facts.Add({"etag", rollout.etag()});
  }
  return facts.ToString(look.colour);
}

std::string PlanText(const v1::Rollout& rollout, const std::string& command,
                     const Look& look) {
  const v1::RolloutPlan& plan = rollout.plan();
  const std::string name = ShortName(rollout.name());
  std::string text = absl::StrCat(
      "rollout ", Paint(name, Ink::kBold, look.colour), ": ",
      ShortName(rollout.spec().driver()), " on ", Count(plan.hosts(), "host"),
      ", at most ", plan.max_unavailable(),
      " out of service at once; holds at failure number ",
      plan.failures_max() + 1, "\n");
  for (const v1::PlannedWave& wave : plan.waves()) {
    absl::StrAppend(&text, PlannedWaveText(wave, look));
  }
  absl::StrAppend(&text, BlockedText(plan, look), "digest ", plan.digest(),
                  "\nto start it, type:\n  ", command, " rollout start ", name,
                  " --digest ", plan.digest(), "\n");
  return text;
}

}  // namespace baton::cli
