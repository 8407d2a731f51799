#include "cli/render/update.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "cli/names.h"
#include "cli/render/rollout.h"
#include "cli/render/words.h"

namespace baton::cli {
namespace {

absl::Duration ToAbsl(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) +
         absl::Nanoseconds(duration.nanos());
}

std::string VgpusText(const v1::Update& update) {
  int preserved = 0;
  for (const v1::VirtualGpuResult& vgpu : update.vgpus()) {
    if (vgpu.preserved()) ++preserved;
  }
  return absl::StrCat(preserved, "/", update.vgpus_size());
}

std::vector<Cell> Row(const v1::Update& update, const Look& look) {
  std::vector<Cell> row = {
      ShortName(update.name()), {Word(update.state()), InkOf(update.state())},
      Word(update.step()),      update.wave(),
      VgpusText(update),        LongestBlackout(update),
      update.reason()};
  if (look.detail == Detail::kWide) {
    row.insert(row.end(),
               {update.from_version(), update.to_version(),
                absl::StrCat(update.attempt()), Text(update.start_time()),
                Text(update.end_time()), update.message()});
  }
  return row;
}

std::string StepOutcome(const v1::StepRecord& step) {
  if (step.code() == 0) return "ok";
  std::string text = absl::StrCat(step.message(), " [", step.reason(), "]");
  if (!step.entry_point().empty()) {
    absl::StrAppend(&text, " in ", step.entry_point());
  }
  if (step.has_nt_status()) {
    absl::StrAppendFormat(&text, " status 0x%08X", step.nt_status());
  }
  if (!step.rule().empty()) absl::StrAppend(&text, " rule ", step.rule());
  return text;
}

}  // namespace

std::string StepTable(const v1::Update& update, const Look& look) {
  if (update.steps().empty()) return "";
  Table table({"STEP", "TOOK", "OUTCOME"});
  for (const v1::StepRecord& step : update.steps()) {
    table.Add(
        {absl::StrCat(Word(step.step()), step.backward() ? " (way back)" : ""),
         Text(step.elapsed()),
         {StepOutcome(step), step.code() == 0 ? Ink::kPlain : Ink::kBad}});
  }
  return table.ToString(look.colour);
}

std::string VgpuTable(const v1::Update& update, const Look& look) {
  if (update.vgpus().empty()) return "";
  Table table({"PARTITION", "GUEST", "PRESERVED", "BLACKOUT", "DIFFERENCE"});
  for (const v1::VirtualGpuResult& vgpu : update.vgpus()) {
    table.Add(
        {absl::StrCat(vgpu.partition_id()), vgpu.guest(),
         vgpu.preserved() ? Cell("yes", Ink::kGood) : Cell("no", Ink::kBad),
         vgpu.has_blackout() ? Text(vgpu.blackout()) : "", vgpu.difference()});
  }
  return table.ToString(look.colour);
}

std::string LongestBlackout(const v1::Update& update) {
  const google::protobuf::Duration* longest = nullptr;
  for (const v1::VirtualGpuResult& vgpu : update.vgpus()) {
    if (!vgpu.has_blackout()) continue;
    if (longest == nullptr || ToAbsl(vgpu.blackout()) > ToAbsl(*longest)) {
      longest = &vgpu.blackout();
    }
  }
  return longest == nullptr ? "-" : Text(*longest);
}

std::string BecauseText(const v1::Update& update) {
  if (update.reason().empty()) return update.message();
  return absl::StrCat(update.message(), update.message().empty() ? "" : " ",
                      "[", update.reason(), "]");
}

std::string UpdateTable(const v1::ListUpdatesResponse& updates,
                        const Look& look) {
  if (updates.updates().empty()) return "no updates\n";
  std::vector<std::string> heading = {
      "HOST", "STATE", "LAST STEP", "WAVE", "VGPUS KEPT", "BLACKOUT", "REASON"};
  if (look.detail == Detail::kWide) {
    heading.insert(heading.end(),
                   {"FROM", "TO", "ATTEMPT", "STARTED", "ENDED", "MESSAGE"});
  }
  Table table(std::move(heading));
  for (const v1::Update& update : updates.updates()) {
    table.Add(Row(update, look));
  }
  return table.ToString(look.colour);
}

std::string UpdateText(const v1::Update& update, const Look& look) {
  Table facts({});
  facts.Add({"host", {ShortName(update.name()), Ink::kBold}});
  facts.Add({"state", {Word(update.state()), InkOf(update.state())}});
  if (const std::string because = BecauseText(update); !because.empty()) {
    facts.Add({"because", because});
  }
  facts.Add({"wave", update.wave()});
  facts.Add({"versions",
             absl::StrCat(update.from_version(), " -> ", update.to_version())});
  facts.Add({"unloaded", update.past_no_return()
                             ? "yes: past the point of no return"
                             : "no"});
  facts.Add({"attempt", absl::StrCat(update.attempt())});
  if (update.tries() > 1) {
    facts.Add({"tries", absl::StrCat(update.tries(), " by this rollout")});
  }
  if (update.has_not_before()) {
    facts.Add({"not before", Text(update.not_before())});
  }
  facts.Add({"started", Text(update.start_time())});
  facts.Add({"ended", Text(update.end_time())});
  if (update.has_saved()) {
    facts.Add(
        {"saved", absl::StrCat(Count(update.saved().blocks(), "block"), ", ",
                               BytesText(update.saved().size_bytes()))});
  }
  return absl::StrCat(facts.ToString(look.colour), StepTable(update, look),
                      VgpuTable(update, look));
}

}  // namespace baton::cli
