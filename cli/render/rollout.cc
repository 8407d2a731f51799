#include "cli/render/rollout.h"

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
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

std::string ToleranceText(const v1::FailureTolerance& tolerance) {
  std::vector<std::string> parts;
  if (tolerance.has_hosts()) parts.push_back(Count(tolerance.hosts(), "host"));
  if (tolerance.has_percent()) {
    parts.push_back(absl::StrCat(tolerance.percent(), "%"));
  }
  return parts.empty() ? "0 hosts" : absl::StrJoin(parts, " or ");
}

// "bake 5m00s, 2 approvals, then held", whatever of it a wave asks for.
std::string ConditionsText(const v1::WaveSpec& wave) {
  std::vector<std::string> parts;
  if (wave.coverage()) parts.push_back("by coverage");
  if (wave.has_bake())
    parts.push_back(absl::StrCat("bake ", Text(wave.bake())));
  if (wave.approvals() > 0) {
    parts.push_back(Count(wave.approvals(), "approval"));
  }
  if (wave.has_failure_tolerance()) {
    parts.push_back(
        absl::StrCat("tolerates ", ToleranceText(wave.failure_tolerance())));
  }
  if (wave.hold_after()) parts.push_back("then held");
  return absl::StrJoin(parts, ", ");
}

std::string WavesText(const v1::RolloutSpec& spec) {
  if (spec.waves().empty()) return "one wave of all";
  return absl::StrJoin(spec.waves(), ", ",
                       [](std::string* out, const v1::WaveSpec& wave) {
                         const std::string size = SizeText(wave);
                         if (!wave.name().empty() && wave.name() != size) {
                           absl::StrAppend(out, wave.name(), " ");
                         }
                         absl::StrAppend(out, size);
                         const std::string conditions = ConditionsText(wave);
                         if (!conditions.empty())
                           absl::StrAppend(out, " (", conditions, ")");
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
  std::string text = parts.empty() ? "1 host" : absl::StrJoin(parts, " or ");
  for (const v1::DomainLimit& domain : limits.domains()) {
    absl::StrAppend(&text, ", ", domain.max_unavailable(), " per ",
                    domain.label());
  }
  return text;
}

std::string DayText(int day) {
  const std::string name = v1::Weekday_Name(static_cast<v1::Weekday>(day));
  constexpr size_t kPrefix = sizeof("WEEKDAY_") - 1;
  return name.size() < kPrefix + 3
             ? absl::StrCat(day)
             : absl::AsciiStrToLower(name.substr(kPrefix, 3));
}

// "mon,tue 22:00-04:00 Europe/Berlin".
std::string WindowText(const v1::WindowSpec& window) {
  const std::string days = absl::StrJoin(
      window.days(), ",",
      [](std::string* out, int day) { absl::StrAppend(out, DayText(day)); });
  return absl::StrCat(days, days.empty() ? "" : " ", window.from(), "-",
                      window.to(), " ", window.time_zone(),
                      window.cutoff() == v1::WINDOW_CUTOFF_CANCEL_BEFORE_UNLOAD
                          ? ", then those still able to cancel do so"
                          : "");
}

// What the spec asks for beside waves, limits and tolerance.
void AddPolicy(const v1::RolloutSpec& spec, Table& facts) {
  if (spec.on_exceeded() == v1::ON_EXCEEDED_ROLL_BACK) {
    facts.Add({"if exceeded", "its hosts are taken back"});
  }
  if (spec.blackout().has_per_vgpu_max()) {
    std::string text = absl::StrCat(
        "at most ", Text(spec.blackout().per_vgpu_max()), " per vGPU");
    if (spec.blackout().has_p99_max()) {
      absl::StrAppend(&text, ", p99 ", Text(spec.blackout().p99_max()));
    }
    facts.Add({"blackouts", text});
  }
  if (spec.retry().attempts() > 1) {
    facts.Add({"tries", absl::StrCat(spec.retry().attempts(), ", ",
                                     Text(spec.retry().backoff()), " apart")});
  }
  for (const v1::WindowSpec& window : spec.windows()) {
    facts.Add({"window", WindowText(window)});
  }
  if (!spec.hooks().before().empty()) {
    facts.Add({"hook before", spec.hooks().before()});
  }
  if (!spec.hooks().after().empty()) {
    facts.Add({"hook after", spec.hooks().after()});
  }
  if (spec.require().has_rollback_path() && !spec.require().rollback_path()) {
    facts.Add({"way back", {"not required", Ink::kWarn}});
  }
  if (spec.require().has_spare_memory_bytes()) {
    facts.Add({"spare memory", BytesText(spec.require().spare_memory_bytes())});
  }
  if (spec.has_deadline()) facts.Add({"deadline", Text(spec.deadline())});
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

std::string CoverageText(const v1::PlannedWave& wave) {
  if (!wave.has_coverage()) return "";
  const v1::Coverage& coverage = wave.coverage();
  std::string text =
      absl::StrCat("  covers ", coverage.met(), " of ",
                   Count(coverage.combinations(), "combination"),
                   " of GPU model, vGPU profile and guest driver\n");
  for (const std::string& missed : coverage.missed()) {
    absl::StrAppend(&text, "  not covered: ", Printable(missed), "\n");
  }
  return text;
}

// When it would end and how long vGPUs stand still, as far as that is known.
std::string PredictionText(const v1::RolloutSpec& spec,
                           const v1::RolloutPlan& plan, const Look& look) {
  std::string text;
  if (plan.has_predicted_blackout()) {
    absl::StrAppend(&text, "longest blackout predicted: ",
                    Text(plan.predicted_blackout()), "\n");
  }
  if (spec.blackout().has_per_vgpu_max() &&
      IsLonger(plan.predicted_blackout(), spec.blackout().per_vgpu_max())) {
    absl::StrAppend(
        &text,
        Paint(absl::StrCat("that is longer than the ",
                           Text(spec.blackout().per_vgpu_max()),
                           " that the policy allows: it would stop at the "
                           "first such host"),
              Ink::kWarn, look.colour),
        "\n");
  }
  if (plan.has_estimated_duration()) {
    absl::StrAppend(&text, "takes about ", Text(plan.estimated_duration()));
    absl::StrAppend(&text,
                    plan.has_estimated_end_time()
                        ? absl::StrCat("; started now it ends about ",
                                       Text(plan.estimated_end_time()), "\n")
                        : "; its windows never open long enough\n");
  }
  return text;
}

std::string PlannedWaveText(const v1::PlannedWave& wave, const Look& look) {
  std::string text = absl::StrCat(
      "wave ", Paint(Printable(wave.name()), Ink::kBold, look.colour), ": ",
      Count(static_cast<uint64_t>(wave.hosts_size()), "host"));
  if (wave.approvals() > 0) {
    absl::StrAppend(&text, ", wants ", Count(wave.approvals(), "approval"));
  }
  if (wave.has_failures_max()) {
    absl::StrAppend(&text, ", holds at its failure number ",
                    wave.failures_max() + 1);
  }
  if (wave.has_bake()) {
    absl::StrAppend(&text, ", then bakes ", Text(wave.bake()));
  }
  Table hosts({});
  for (const v1::PlannedHost& host : wave.hosts()) {
    std::vector<Cell> row = {
        ShortName(host.host()),
        {"HOT", Ink::kGood},
        absl::StrCat("from ", host.from_driver().empty()
                                  ? host.from_version()
                                  : ShortName(host.from_driver())),
        Count(host.vgpus(), "vGPU")};
    if (host.has_predicted_blackout()) {
      row.push_back(
          absl::StrCat("blackout about ", Text(host.predicted_blackout())));
    }
    if (host.without_way_back()) row.push_back({"no way back", Ink::kWarn});
    hosts.Add(std::move(row));
  }
  return absl::StrCat(text, "\n", CoverageText(wave),
                      hosts.ToString(look.colour, "  "));
}

std::string BlockedText(const v1::RolloutPlan& plan, const Look& look) {
  if (plan.blocked().empty()) return "";
  Table table({});
  for (const v1::BlockedHost& host : plan.blocked()) {
    table.Add({ShortName(host.host()),
               {absl::StrCat("BLOCKED(", host.reason(), ")"), Ink::kWarn},
               host.message()});
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
  AddPolicy(spec, facts);
  if (!spec.rollback_of().empty()) {
    facts.Add({"takes back", ShortName(spec.rollback_of())});
  }
  if (!rollout.rollback().empty()) {
    facts.Add({"taken back by", ShortName(rollout.rollback())});
  }
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
  return absl::StrCat(facts.ToString(look.colour),
                      ApprovalsText(rollout, look));
}

std::string ApprovalsText(const v1::Rollout& rollout, const Look& look) {
  Table table({});
  for (const v1::Approval& approval : rollout.approvals()) {
    table.Add({absl::StrCat("wave ", approval.wave()),
               absl::StrCat("by ", approval.by()), Text(approval.time()),
               approval.remark()});
  }
  return table.empty()
             ? ""
             : absl::StrCat("approved:\n", table.ToString(look.colour, "  "));
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
  absl::StrAppend(&text, BlockedText(plan, look),
                  PredictionText(rollout.spec(), plan, look), "digest ",
                  plan.digest(), "\nto start it, type:\n  ", command,
                  " rollout start ", name, " --digest ", plan.digest(), "\n");
  return text;
}

}  // namespace baton::cli
