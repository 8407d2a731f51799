#include "cli/render/driver.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/names.h"
#include "cli/render/words.h"

namespace baton::cli {
namespace {

std::string FormatText(const v1::StateFormat& format) {
  return absl::StrCat("writes ", format.writes(), ", reads ",
                      absl::StrJoin(format.reads(), ","));
}

}  // namespace

std::string DriverTable(const v1::ListDriversResponse& drivers,
                        const Look& look) {
  if (drivers.drivers().empty()) return "no drivers\n";
  std::vector<std::string> heading = {"NAME", "SIZE", "PCI IDS", "SAVED STATE",
                                      "STORED"};
  const bool wide = look.detail == Detail::kWide;
  if (wide) heading.insert(heading.end(), {"AUTHOR", "DIGEST"});
  Table table(std::move(heading));
  for (const v1::Driver& driver : drivers.drivers()) {
    const v1::DriverManifest& manifest = driver.manifest();
    std::vector<Cell> row = {
        ShortName(driver.name()), BytesText(driver.size_bytes()),
        absl::StrJoin(manifest.pci_ids(), ","),
        FormatText(manifest.state_format()), Text(driver.create_time())};
    if (wide) row.insert(row.end(), {driver.author(), driver.digest()});
    table.Add(std::move(row));
  }
  return table.ToString(look.colour);
}

std::string PackedText(const v1::DriverManifest& manifest,
                       const std::string& path, const std::string& digest,
                       const Look& look) {
  Table facts({});
  facts.Add(
      {"driver", absl::StrCat(manifest.driver(), "/", manifest.version())});
  facts.Add({"for", absl::StrJoin(manifest.pci_ids(), ",")});
  facts.Add({"saved state", FormatText(manifest.state_format())});
  facts.Add({"package", path});
  facts.Add({"digest", digest});
  return facts.ToString(look.colour);
}

}  // namespace baton::cli
