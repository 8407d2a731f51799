#include "cli/render/why.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "cli/names.h"
#include "cli/render/words.h"

namespace baton::cli {
namespace {

Ink InkOf(v1::GateVerdict verdict) {
  if (verdict == v1::GATE_VERDICT_PASS) return Ink::kGood;
  if (verdict == v1::GATE_VERDICT_WAIT) return Ink::kBusy;
  return Ink::kBad;
}

// "2 hosts failed, 1 host allowed": whatever of it is known.
std::string Measure(const v1::Gate& gate) {
  if (gate.value().empty()) return "";
  if (gate.limit().empty()) return gate.value();
  return absl::StrCat(gate.value(), "; allowed: ", gate.limit());
}

// What is said below a gate's first line.
Table Facts(const v1::Gate& gate, const Look& look) {
  Table facts({});
  const bool passes = gate.verdict() == v1::GATE_VERDICT_PASS;
  if (passes && look.detail == Detail::kTable) return facts;
  if (const std::string measure = Measure(gate); !measure.empty()) {
    facts.Add({"found", measure});
  }
  if (!gate.holder().empty()) facts.Add({"held by", gate.holder()});
  if (gate.has_next_check()) {
    facts.Add({"asked again", absl::StrCat("in ", Text(gate.next_check()))});
  }
  return facts;
}

std::string GateLine(const v1::Gate& gate, int name_columns, const Look& look) {
  const std::string verdict = Word(gate.verdict());
  std::string line =
      absl::StrCat("  ", Paint(verdict, InkOf(gate.verdict()), look.colour),
                   "  ", Printable(gate.name()));
  if (gate.message().empty() && gate.reason().empty()) return line + "\n";
  const int gap = name_columns - Columns(gate.name()) + 2;
  line.append(static_cast<size_t>(gap), ' ');
  absl::StrAppend(&line, Printable(gate.message()));
  if (!gate.reason().empty()) {
    absl::StrAppend(&line, gate.message().empty() ? "" : " ", "[",
                    Printable(gate.reason()), "]");
  }
  return line + "\n";
}

}  // namespace

std::string WhyText(const std::string& name, const v1::Explanation& explanation,
                    const Look& look) {
  int name_columns = 0;
  for (const v1::Gate& gate : explanation.gates()) {
    name_columns = std::max(name_columns, Columns(gate.name()));
  }
  std::string text =
      absl::StrCat(Paint(Printable(name), Ink::kBold, look.colour), ": ",
                   Printable(explanation.summary()), "\n");
  for (const v1::Gate& gate : explanation.gates()) {
    absl::StrAppend(&text, GateLine(gate, name_columns, look),
                    Facts(gate, look).ToString(look.colour, "          "));
  }
  return text;
}

}  // namespace baton::cli
