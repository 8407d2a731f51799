#include "cli/render/audit.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/render/words.h"

namespace baton::cli {

std::string AuditTable(const v1::ListAuditRecordsResponse& records,
                       const Look& look) {
  if (records.records().empty()) return "no audit records\n";
  std::vector<std::string> heading = {"SEQUENCE", "TIME",     "ACTOR",
                                      "ACTION",   "RESOURCE", "DETAIL"};
  const bool wide = look.detail == Detail::kWide;
  if (wide) heading.emplace_back("HASH");
  Table table(std::move(heading));
  for (const v1::AuditRecord& record : records.records()) {
    std::vector<Cell> row = {absl::StrCat(record.sequence()),
                             Text(record.time()),
                             record.actor(),
                             record.action(),
                             record.resource(),
                             record.detail()};
    if (wide) row.emplace_back(record.hash());
    table.Add(std::move(row));
  }
  return table.ToString(look.colour);
}

}  // namespace baton::cli
