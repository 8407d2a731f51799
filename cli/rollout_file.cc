#include "cli/rollout_file.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/selector.h"
#include "base/status_macros.h"
#include "cli/names.h"
#include "cli/read_policy.h"
#include "cli/read_waves.h"
#include "cli/yaml_reader.h"

namespace baton::cli {
namespace {

using Need = YamlKey::Need;

constexpr size_t kRequestIdBytesMax = 64;

// Reads one document.
class SpecReader {
 public:
  explicit SpecReader(std::string file) : reader_(std::move(file)) {}

  absl::Status File(const YamlField& field, RolloutFile& file) const {
    v1::RolloutSpec& spec = file.spec;
    return reader_.Map(
        field,
        {{"driver", [&](auto& f) { return Driver(f, spec); }, Need::kRequired},
         {"selector", [&](auto& f) { return Selection(f, spec); },
          Need::kRequired},
         {"waves", [&](auto& f) { return ReadWaves(reader_, f, spec); }},
         {"limits",
          [&](auto& f) {
            return ReadLimits(reader_, f, *spec.mutable_limits());
          }},
         {"failure_tolerance",
          [&](auto& f) {
            return ReadTolerance(reader_, f, *spec.mutable_failure_tolerance());
          }},
         {"on_exceeded",
          [&](auto& f) { return ReadOnExceeded(reader_, f, spec); }},
         {"blackout",
          [&](auto& f) {
            return ReadBlackout(reader_, f, *spec.mutable_blackout());
          }},
         {"deadlines",
          [&](auto& f) { return ReadDeadlines(reader_, f, spec); }},
         {"retry",
          [&](auto& f) {
            return ReadRetry(reader_, f, *spec.mutable_retry());
          }},
         {"windows", [&](auto& f) { return ReadWindows(reader_, f, spec); }},
         {"hooks",
          [&](auto& f) {
            return ReadHooks(reader_, f, *spec.mutable_hooks());
          }},
         {"require",
          [&](auto& f) {
            return ReadRequire(reader_, f, *spec.mutable_require());
          }},
         {"request_id", [&](auto& f) { return RequestId(f, file); }}});
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

  absl::Status Selection(const YamlField& field, v1::RolloutSpec& spec) const {
    constexpr char kWant[] =
        "a label selector like \"zone=a,tier!=gold\", or \"*\" for every host";
    ASSIGN_OR_RETURN(*spec.mutable_selector(), reader_.Text(field, kWant));
    absl::Status parsed = Selector::Parse(spec.selector()).status();
    if (parsed.ok()) return parsed;
    return reader_.BadValue(field,
                            absl::StrCat(kWant, " (", parsed.message(), ")"));
  }

  absl::Status RequestId(const YamlField& field, RolloutFile& file) const {
    constexpr char kWant[] = "a unique string of at most 64 bytes";
    ASSIGN_OR_RETURN(file.request_id, reader_.Text(field, kWant));
    return file.request_id.size() <= kRequestIdBytesMax
               ? absl::OkStatus()
               : reader_.BadValue(field, kWant);
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

absl::StatusOr<RolloutFile> ParseRolloutFile(const std::string& text,
                                             absl::string_view file) {
  // yaml-cpp throws; nothing leaves this function.
  try {
    const SpecReader reader{std::string(file)};
    RolloutFile read;
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.size() > 1) return ManyDocumentsError(file, documents[1]);
    const YAML::Node root = documents.empty() ? YAML::Node() : documents[0];
    RETURN_IF_ERROR(reader.File(YamlField::At(root, root, ""), read));
    return read;
  } catch (const YAML::Exception& e) {
    return ErrorWithReason(
        absl::StatusCode::kInvalidArgument, "ROLLOUT_FILE_SYNTAX",
        absl::StrCat(file, ":", e.mark.line + 1, ": not YAML: ", e.msg));
  }
}

absl::StatusOr<RolloutFile> LoadRolloutFile(const std::string& path) {
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
