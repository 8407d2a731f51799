#include "cli/render/fleet.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/names.h"
#include "cli/render/words.h"

namespace baton::cli {
namespace {

// "3 of 40: 2 updating, 1 cordoned".
std::string UnavailableText(const v1::Fleet& fleet) {
  const v1::Unavailable& hosts = fleet.unavailable();
  const std::pair<const char*, uint32_t> counts[] = {
      {"updating", hosts.updating()},
      {"quarantined", hosts.quarantined()},
      {"offline", hosts.offline()},
      {"unhealthy", hosts.unhealthy()},
      {"cordoned", hosts.cordoned()}};
  uint32_t all = 0;
  std::vector<std::string> parts;
  for (const auto& [what, count] : counts) {
    all += count;
    if (count > 0) parts.push_back(absl::StrCat(count, " ", what));
  }
  return absl::StrCat(all, " of ", Count(fleet.hosts(), "host"),
                      parts.empty() ? "" : ": ", absl::StrJoin(parts, ", "));
}

}  // namespace

std::string FleetText(const v1::Fleet& fleet, const Look& look) {
  Table facts({});
  facts.Add({"out of service", UnavailableText(fleet)});
  if (fleet.has_freeze()) {
    const v1::Freeze& freeze = fleet.freeze();
    facts.Add({"frozen",
               {absl::StrCat("by ", freeze.by(), ": ", freeze.reason(),
                             "; from ", Text(freeze.start_time()), " to ",
                             Text(freeze.end_time())),
                Ink::kWarn}});
  }
  if (fleet.has_emergency_stop()) {
    const v1::EmergencyStopRecord& stop = fleet.emergency_stop();
    facts.Add({"emergency stop",
               {absl::StrCat("by ", stop.by(), ": ", stop.reason(), "; since ",
                             Text(stop.time())),
                Ink::kBad}});
  }
  if (!fleet.has_freeze() && !fleet.has_emergency_stop()) {
    facts.Add(
        {"starts", {"nothing keeps all hosts from starting", Ink::kGood}});
  }
  return facts.ToString(look.colour);
}

std::string HistoryTable(const v1::ListHistoryResponse& history,
                         const Look& look) {
  if (history.entries().empty()) return "no update has ended yet\n";
  std::vector<std::string> heading = {"FROM",  "TO",  "MODEL", "PROFILE",
                                      "VGPUS", "P50", "P99",   "MAX"};
  if (look.detail == Detail::kWide) {
    heading.insert(heading.end(), {"SAVED", "HOST TOOK"});
  }
  Table table(std::move(heading));
  for (const v1::HistoryEntry& entry : history.entries()) {
    std::vector<Cell> row = {ShortName(entry.from_driver()),
                             ShortName(entry.to_driver()),
                             entry.model(),
                             entry.profile(),
                             absl::StrCat(entry.vgpus()),
                             Text(entry.blackout_p50()),
                             Text(entry.blackout_p99()),
                             Text(entry.blackout_max())};
    if (look.detail == Detail::kWide) {
      row.insert(row.end(), {BytesText(entry.saved_bytes_mean()),
                             Text(entry.duration_mean())});
    }
    table.Add(std::move(row));
  }
  return table.ToString(look.colour);
}

}  // namespace baton::cli
