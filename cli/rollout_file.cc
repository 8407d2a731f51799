#include "cli/rollout_file.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "cli/names.h"
#include "cli/yaml_reader.h"

namespace baton::cli {
namespace {

using Need = YamlKey::Need;

// Reads one document into a RolloutSpec.
class SpecReader {
 public:
  explicit SpecReader(std::string file) : reader_(std::move(file)) {}

  absl::Status Spec(const YamlField& field, v1::RolloutSpec& spec) const {
    return reader_.Map(
        field,
        {{"driver", [&](auto& f) { return Driver(f, spec); }, Need::kRequired},
         {"selector", [&](auto& f) { return Selector(f, spec); },
          Need::kRequired},
         {"waves", [&](auto& f) { return Waves(f, spec); }},
         {"limits", [&](auto& f) { return Limits(f, *spec.mutable_limits()); }},
         {"failure_tolerance",
          [&](auto& f) {
            return Tolerance(f, *spec.mutable_failure_tolerance());
          }},
         {"deadlines",
          [&](auto& f) { return Deadlines(f, *spec.mutable_deadlines()); }}});
  }

 private:
  absl::Status Driver(const YamlField& field, v1::RolloutSpec& spec) const {
    constexpr char kWant[] =
        "\"DRIVER/VERSION\" or \"drivers/DRIVER/versions/VERSION\"";
    ASSIGN_OR_RETURN(const std::string text, reader_.Text(field, kWant));
    const absl::StatusOr<std::string> name = DriverName(text);
    if (!name.ok()) return reader_.BadValue(field, kWant);
    spec.set_driver(*name);
    return absl::OkStatus();
  }

  absl::Status Selector(const YamlField& field, v1::RolloutSpec& spec) const {
    ASSIGN_OR_RETURN(
        *spec.mutable_selector(),
        reader_.Text(field,
                     "a label selector like \"zone=a,tier!=gold\", or \"*\" "
                     "for every host"));
    return absl::OkStatus();
  }

  absl::Status Waves(const YamlField& field, v1::RolloutSpec& spec) const {
    RETURN_IF_ERROR(reader_.Sequence(field, [&](const YamlField& f) {
      if (spec.waves_size() > 0 && spec.waves().rbegin()->rest()) {
        return reader_.BadValue(f, "no wave after the one of size \"rest\"");
      }
      return Wave(f, *spec.add_waves());
    }));
    return spec.waves_size() > 0
               ? absl::OkStatus()
               : reader_.BadValue(field, "at least one wave, or no field");
  }

  absl::Status Wave(const YamlField& field, v1::WaveSpec& wave) const {
    return reader_.Map(
        field,
        {{"name",
          [&](auto& f) -> absl::Status {
            ASSIGN_OR_RETURN(*wave.mutable_name(),
                             reader_.Text(f, "a name of [a-z0-9-]"));
            return absl::OkStatus();
          }},
         {"size", [&](auto& f) { return Size(f, wave); }, Need::kRequired},
         {"bake", [&](auto& f) -> absl::Status {
            ASSIGN_OR_RETURN(*wave.mutable_bake(),
                             reader_.Duration(f, "0", "720h"));
            return absl::OkStatus();
          }}});
  }

  absl::Status Size(const YamlField& field, v1::WaveSpec& wave) const {
    constexpr char kWant[] =
        "a number of hosts from 1, a percentage from \"1%\" to \"100%\", or "
        "\"rest\"";
    if (field.node.IsScalar() && field.node.Scalar() == "rest") {
      wave.set_rest(true);
      return absl::OkStatus();
    }
    const bool percent = IsPercent(field.node);
    const absl::StatusOr<uint32_t> size =
        percent ? reader_.Percent(field, 1) : reader_.Number(field, 1);
    if (!size.ok()) return reader_.BadValue(field, kWant);
    if (percent) {
      wave.set_percent(*size);
    } else {
      wave.set_hosts(*size);
    }
    return absl::OkStatus();
  }

  // Elsewhere one field takes both kinds; here each kind has its own, so that
  // both can be set and the smaller wins.
  absl::StatusOr<uint32_t> NotPercent(const YamlField& field, uint32_t least,
                                      absl::string_view sibling) const {
    if (IsPercent(field.node)) {
      return reader_.BadValue(
          field, absl::StrCat("a number of at least ", least,
                              "; a percentage goes into ", sibling));
    }
    return reader_.Number(field, least);
  }

  absl::Status Limits(const YamlField& field, v1::LimitsSpec& limits) const {
    return reader_.Map(
        field, {{"max_unavailable",
                 [&](auto& f) -> absl::Status {
                   ASSIGN_OR_RETURN(
                       const uint32_t n,
                       NotPercent(f, 1, "max_unavailable_percent"));
                   limits.set_max_unavailable(n);
                   return absl::OkStatus();
                 }},
                {"max_unavailable_percent", [&](auto& f) -> absl::Status {
                   ASSIGN_OR_RETURN(const uint32_t n, reader_.Percent(f, 1));
                   limits.set_max_unavailable_percent(n);
                   return absl::OkStatus();
                 }}});
  }

  absl::Status Tolerance(const YamlField& field,
                         v1::FailureTolerance& tolerance) const {
    return reader_.Map(field, {{"hosts",
                                [&](auto& f) -> absl::Status {
                                  ASSIGN_OR_RETURN(const uint32_t n,
                                                   NotPercent(f, 0, "percent"));
                                  tolerance.set_hosts(n);
                                  return absl::OkStatus();
                                }},
                               {"percent", [&](auto& f) -> absl::Status {
                                  ASSIGN_OR_RETURN(const uint32_t n,
                                                   reader_.Percent(f, 0));
                                  tolerance.set_percent(n);
                                  return absl::OkStatus();
                                }}});
  }

  absl::Status Deadlines(const YamlField& field,
                         v1::StepDeadlines& deadlines) const {
    // Returns the key that fills one field of `deadlines`.
    const auto step = [&](absl::string_view name, auto mutable_field) {
      return YamlKey{name,
                     [&, mutable_field](const YamlField& f) -> absl::Status {
                       ASSIGN_OR_RETURN(*(deadlines.*mutable_field)(),
                                        reader_.Duration(f, "1ms", "1h"));
                       return absl::OkStatus();
                     }};
    };
    using D = v1::StepDeadlines;
    return reader_.Map(
        field,
        {step("prepare", &D::mutable_prepare), step("gate", &D::mutable_gate),
         step("pause", &D::mutable_pause), step("save", &D::mutable_save),
         step("unload", &D::mutable_unload),
         step("restore", &D::mutable_restore),
         step("verify", &D::mutable_verify), step("resume", &D::mutable_resume),
         step("confirm", &D::mutable_confirm)});
  }

  const YamlReader reader_;
};

absl::Status UnreadableError(const std::string& path, absl::string_view why) {
  return ErrorWithReason(
      absl::StatusCode::kNotFound, "ROLLOUT_FILE_UNREADABLE",
      absl::StrCat("cannot read rollout file \"", path, "\": ", why));
}

absl::Status ManyDocumentsError(absl::string_view file,
                                const YAML::Node& second) {
  return ErrorWithReason(
      absl::StatusCode::kInvalidArgument, "ROLLOUT_FILE_BAD_VALUE",
      absl::StrCat(file, ":", std::max(second.Mark().line, 0) + 1,
                   ": got a second document, want one rollout a file"));
}

}  // namespace

absl::StatusOr<v1::RolloutSpec> ParseRolloutFile(const std::string& text,
                                                 absl::string_view file) {
  // yaml-cpp throws; nothing leaves this function.
  try {
    const SpecReader reader{std::string(file)};
    v1::RolloutSpec spec;
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.size() > 1) return ManyDocumentsError(file, documents[1]);
    const YAML::Node root = documents.empty() ? YAML::Node() : documents[0];
    RETURN_IF_ERROR(reader.Spec(YamlField::At(root, root, ""), spec));
    return spec;
  } catch (const YAML::Exception& e) {
    return ErrorWithReason(
        absl::StatusCode::kInvalidArgument, "ROLLOUT_FILE_SYNTAX",
        absl::StrCat(file, ":", e.mark.line + 1, ": not YAML: ", e.msg));
  }
}

absl::StatusOr<v1::RolloutSpec> LoadRolloutFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return UnreadableError(path, "no such file, or no permission");
  std::string text(kRolloutFileBytesMax + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return UnreadableError(path, "the disk or the path refused");
  text.resize(static_cast<size_t>(in.gcount()));
  if (text.size() > kRolloutFileBytesMax) {
    return UnreadableError(
        path, absl::StrCat("got more than ", kRolloutFileBytesMax, " bytes"));
  }
  return ParseRolloutFile(text, path);
}

}  // namespace baton::cli
