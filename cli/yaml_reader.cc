#include "cli/yaml_reader.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace baton::cli {
namespace {

std::string Got(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Undefined:
    case YAML::NodeType::Null:
      return "nothing";
    case YAML::NodeType::Scalar:
      return absl::StrCat("\"", node.Scalar(), "\"");
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Map:
      return "a mapping";
  }
  return "nothing";
}

// Both errors as one.
absl::Status And(const absl::Status& first, const absl::Status& second) {
  if (first.ok() || second.ok()) return first.ok() ? second : first;
  return ErrorWithReason(first.code(), Reason(first),
                         absl::StrCat(first.message(), "\n", second.message()));
}

std::string Below(const YamlField& field, absl::string_view key) {
  return field.path.empty() ? std::string(key)
                            : absl::StrCat(field.path, ".", key);
}

const YamlKey* Find(const std::vector<YamlKey>& keys, absl::string_view name) {
  const auto found =
      std::find_if(keys.begin(), keys.end(),
                   [&](const YamlKey& key) { return key.name == name; });
  return found == keys.end() ? nullptr : &*found;
}

std::string Names(const std::vector<YamlKey>& keys) {
  return absl::StrJoin(keys, ", ", [](std::string* out, const YamlKey& key) {
    out->append(key.name.data(), key.name.size());
  });
}

}  // namespace

YamlField YamlField::At(const YAML::Node& node, const YAML::Node& where,
                        std::string path) {
  return {node, std::move(path), std::max(where.Mark().line, 0) + 1};
}

absl::Status YamlReader::ErrorAt(const YamlField& field,
                                 absl::string_view reason,
                                 absl::string_view message) const {
  const std::string path =
      field.path.empty() ? "" : absl::StrCat(field.path, ": ");
  return ErrorWithReason(
      absl::StatusCode::kInvalidArgument, reason,
      absl::StrCat(file_, ":", field.line, ": ", path, message));
}

absl::Status YamlReader::BadValue(const YamlField& field,
                                  absl::string_view want) const {
  return ErrorAt(field, kBadValue,
                 absl::StrCat("got ", Got(field.node), ", want ", want));
}

absl::Status YamlReader::MissingKey(const YamlField& field,
                                    const std::vector<YamlKey>& keys) const {
  for (const YamlKey& key : keys) {
    if (key.need == YamlKey::Need::kRequired &&
        !field.node[std::string(key.name)]) {
      return ErrorAt(field, "ROLLOUT_FILE_MISSING_FIELD",
                     absl::StrCat("got no \"", key.name, "\", want one"));
    }
  }
  return absl::OkStatus();
}

absl::Status YamlReader::Map(const YamlField& field,
                             const std::vector<YamlKey>& keys) const {
  if (!field.node.IsMap()) {
    return BadValue(field, absl::StrCat("a mapping with ", Names(keys)));
  }
  absl::Status all = MissingKey(field, keys);
  std::set<std::string> seen;
  for (const auto& entry : field.node) {
    const std::string name =
        entry.first.IsScalar() ? entry.first.Scalar() : Got(entry.first);
    const YamlKey* key = Find(keys, name);
    if (key == nullptr) {
      all =
          And(all, ErrorAt(YamlField::At(entry.first, entry.first, field.path),
                           "ROLLOUT_FILE_UNKNOWN_FIELD",
                           absl::StrCat("got the unknown field \"", name,
                                        "\", want one of ", Names(keys))));
      continue;
    }
    if (!seen.insert(name).second) {
      all = And(all, ErrorAt(YamlField::At(entry.first, entry.first,
                                           Below(field, name)),
                             "ROLLOUT_FILE_REPEATED_FIELD",
                             "got the field twice, want it once"));
      continue;
    }
    // Nothing at all has no place of its own.
    const YAML::Node& where =
        entry.second.IsNull() ? entry.first : entry.second;
    all = And(
        all, key->read(YamlField::At(entry.second, where, Below(field, name))));
  }
  return all;
}

absl::Status YamlReader::Sequence(
    const YamlField& field,
    const std::function<absl::Status(const YamlField&)>& read) const {
  if (!field.node.IsSequence()) return BadValue(field, "a list");
  absl::Status all;
  size_t index = 0;
  for (const auto& element : field.node) {
    all = And(all,
              read(YamlField::At(element, element,
                                 absl::StrCat(field.path, "[", index++, "]"))));
  }
  return all;
}

absl::StatusOr<std::string> YamlReader::Text(const YamlField& field,
                                             absl::string_view want) const {
  if (!field.node.IsScalar() || field.node.Scalar().empty()) {
    return BadValue(field, want);
  }
  return field.node.Scalar();
}

absl::StatusOr<uint32_t> YamlReader::Number(const YamlField& field,
                                            uint32_t least,
                                            uint32_t most) const {
  uint32_t number = 0;
  if (!field.node.IsScalar() ||
      !absl::SimpleAtoi(field.node.Scalar(), &number) || number < least ||
      number > most) {
    return BadValue(field, absl::StrCat("a number from ", least, " to ", most));
  }
  return number;
}

absl::StatusOr<bool> YamlReader::Flag(const YamlField& field) const {
  const std::string text = field.node.IsScalar() ? field.node.Scalar() : "";
  if (text != "true" && text != "false") {
    return BadValue(field, "true or false");
  }
  return text == "true";
}

absl::StatusOr<size_t> YamlReader::OneOf(
    const YamlField& field, const std::vector<absl::string_view>& words) const {
  const auto found =
      field.node.IsScalar()
          ? std::find(words.begin(), words.end(), field.node.Scalar())
          : words.end();
  if (found == words.end()) {
    return BadValue(field, absl::StrCat("one of ", absl::StrJoin(words, ", ")));
  }
  return static_cast<size_t>(found - words.begin());
}

absl::StatusOr<uint64_t> YamlReader::Bytes(const YamlField& field,
                                           uint64_t most,
                                           absl::string_view most_text) const {
  constexpr std::pair<absl::string_view, int> kUnits[] = {
      {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
  const std::string text = field.node.IsScalar() ? field.node.Scalar() : "";
  absl::string_view digits = text;
  int shift = 0;
  for (const auto& [unit, bits] : kUnits) {
    if (!absl::ConsumeSuffix(&digits, unit)) continue;
    shift = bits;
    break;
  }
  uint64_t number = 0;
  if (!absl::SimpleAtoi(absl::StripAsciiWhitespace(digits), &number) ||
      number > most >> shift) {
    return BadValue(
        field, absl::StrCat("a size like 256MiB or 1GiB, at most ", most_text));
  }
  return number << shift;
}

absl::StatusOr<uint32_t> YamlReader::Percent(const YamlField& field,
                                             uint32_t least) const {
  uint32_t percent = 0;
  if (!field.node.IsScalar() ||
      !absl::SimpleAtoi(absl::StripSuffix(field.node.Scalar(), "%"),
                        &percent) ||
      percent < least || percent > 100) {
    return BadValue(
        field, absl::StrCat("a percentage from \"", least, "%\" to \"100%\""));
  }
  return percent;
}

absl::StatusOr<google::protobuf::Duration> YamlReader::Duration(
    const YamlField& field, absl::string_view least,
    absl::string_view most) const {
  absl::Duration least_duration;
  absl::Duration most_duration;
  absl::Duration got;
  if (!field.node.IsScalar() || !absl::ParseDuration(least, &least_duration) ||
      !absl::ParseDuration(most, &most_duration) ||
      !absl::ParseDuration(field.node.Scalar(), &got) || got < least_duration ||
      got > most_duration) {
    return BadValue(field, absl::StrCat("a duration like 500ms, 30s, 5m or 1h, "
                                        "from ",
                                        least, " to ", most));
  }
  google::protobuf::Duration duration;
  duration.set_seconds(absl::IDivDuration(got, absl::Seconds(1), &got));
  duration.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(got)));
  return duration;
}

bool IsPercent(const YAML::Node& node) {
  return node.IsScalar() && absl::EndsWith(node.Scalar(), "%");
}

}  // namespace baton::cli
