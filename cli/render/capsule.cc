#include "cli/render/capsule.h"

#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "cli/names.h"
#include "cli/render/rollout.h"
#include "cli/render/update.h"
#include "cli/render/words.h"

namespace baton::cli {
namespace {

// The parts that a capsule has from its update.
v1::Update UpdateOf(const v1::Capsule& capsule) {
  v1::Update update;
  *update.mutable_steps() = capsule.steps();
  *update.mutable_vgpus() = capsule.vgpus();
  return update;
}

std::string BlockTable(const v1::Incident& incident, const Look& look) {
  if (look.detail == Detail::kTable || incident.blocks().empty()) return "";
  Table table({"BLOCK", "FORM", "SIZE", "METADATA", "DIGEST"});
  for (const v1::SavedBlock& block : incident.blocks()) {
    table.Add({absl::StrCat(block.index()), block.form(),
               BytesText(block.size_bytes()), BytesText(block.metadata_bytes()),
               block.digest()});
  }
  return table.ToString(look.colour);
}

std::string FenceText(const v1::CensusLine* line) {
  return line == nullptr ? "not there" : absl::StrCat(line->fence_value());
}

std::string DigestText(const v1::CensusLine* before,
                       const v1::CensusLine* after) {
  if (before == nullptr || after == nullptr) return "";
  return before->state_digest() == after->state_digest()
             ? "same"
             : absl::StrCat(before->state_digest(), " -> ",
                            after->state_digest());
}

std::map<uint32_t, const v1::CensusLine*> ByPartition(
    const google::protobuf::RepeatedPtrField<v1::CensusLine>& lines) {
  std::map<uint32_t, const v1::CensusLine*> by_partition;
  for (const v1::CensusLine& line : lines) {
    by_partition[line.partition_id()] = &line;
  }
  return by_partition;
}

std::string CensusTable(const v1::Incident& incident, const Look& look) {
  auto before = ByPartition(incident.before());
  auto after = ByPartition(incident.after());
  std::set<uint32_t> partitions;
  for (const auto& [partition, line] : before) partitions.insert(partition);
  for (const auto& [partition, line] : after) partitions.insert(partition);
  Table table({"PARTITION", "GUEST", "FENCE BEFORE", "FENCE AFTER", "STATE"});
  for (const uint32_t partition : partitions) {
    const v1::CensusLine* was = before[partition];
    const v1::CensusLine* is = after[partition];
    table.Add({absl::StrCat(partition), (was != nullptr ? was : is)->guest(),
               FenceText(was), FenceText(is), DigestText(was, is)});
  }
  return table.empty() ? "" : table.ToString(look.colour);
}

std::string LogText(const v1::Incident& incident) {
  if (incident.driver_log().empty()) return "";
  std::string text = "the driver's last lines:\n";
  for (const std::string& line : incident.driver_log()) {
    absl::StrAppend(&text, "  ", Printable(line), "\n");
  }
  return text;
}

}  // namespace

std::string CapsuleText(const v1::Capsule& capsule, const Look& look) {
  Table facts({});
  facts.Add({"host", {ShortName(capsule.update()), Ink::kBold}});
  facts.Add({"state", {Word(capsule.state()), InkOf(capsule.state())}});
  facts.Add({"because",
             absl::StrCat(capsule.message(), " [", capsule.reason(), "]")});
  facts.Add({"versions", absl::StrCat(capsule.from_version(), " -> ",
                                      capsule.to_version())});
  facts.Add({"attempt", absl::StrCat(capsule.attempt())});
  facts.Add({"ended", Text(capsule.time())});
  facts.Add({"kept until", Text(capsule.expire_time())});
  if (capsule.has_saved()) {
    facts.Add(
        {"saved", absl::StrCat(Count(capsule.saved().blocks(), "block"), ", ",
                               BytesText(capsule.saved().size_bytes()))});
  }
  const v1::Update update = UpdateOf(capsule);
  return absl::StrCat(
      facts.ToString(look.colour), StepTable(update, look),
      VgpuTable(update, look), BlockTable(capsule.incident(), look),
      CensusTable(capsule.incident(), look), LogText(capsule.incident()));
}

}  // namespace baton::cli
