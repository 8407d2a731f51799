#include "cli/render/effects.h"

#include "absl/strings/str_cat.h"
#include "cli/names.h"
#include "cli/render/words.h"

namespace baton::cli {
namespace {

Cell OutcomeCell(v1::HostEffect::Outcome outcome) {
  if (outcome == v1::HostEffect::OUTCOME_CANCEL) {
    return {"cancels: the old driver goes on", Ink::kGood};
  }
  if (outcome == v1::HostEffect::OUTCOME_FINISH) {
    return {"too late to cancel: goes on to its end", Ink::kWarn};
  }
  return absl::StrCat("outcome ", static_cast<int>(outcome));
}

}  // namespace

std::string EffectsText(
    const google::protobuf::RepeatedPtrField<v1::HostEffect>& effects,
    const Look& look) {
  if (effects.empty()) return "no host is in flight\n";
  Table table({});
  for (const v1::HostEffect& effect : effects) {
    table.Add({ShortName(effect.host()),
               effect.step() == v1::STEP_UNSPECIFIED
                   ? "starting"
                   : absl::StrCat("after ", Word(effect.step())),
               OutcomeCell(effect.outcome())});
  }
  return absl::StrCat(Count(static_cast<uint64_t>(effects.size()), "host"),
                      " in flight:\n", table.ToString(look.colour, "  "));
}

}  // namespace baton::cli
