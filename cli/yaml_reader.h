#ifndef CLI_YAML_READER_H_
#define CLI_YAML_READER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/duration.pb.h"
#include "yaml-cpp/yaml.h"

namespace baton::cli {

// A place in a YAML document: the node, and how an error calls it, e.g.
// "waves[0].size". Empty: the whole document.
struct YamlField {
  // The field at `path`, where `where` is.
  static YamlField At(const YAML::Node& node, const YAML::Node& where,
                      std::string path);

  YAML::Node node = {};
  std::string path = "";
  int line = 0;  // where it is, from 1
};

inline constexpr absl::string_view kBadValue = "ROLLOUT_FILE_BAD_VALUE";

// What to do with one key of a mapping.
struct YamlKey {
  absl::string_view name = "";
  std::function<absl::Status(const YamlField&)> read = nullptr;
  enum class Need { kOptional, kRequired } need = Need::kOptional;
};

// Reads single values strictly. Confined to one thread. yaml-cpp's exceptions
// do not come from here: kinds are checked before they are used.
//
// Errors, of all: as LoadRolloutFile(). Map() and Sequence() go on after one,
// so that all that is wrong is said at once: a line each, the reason of the
// first.
class YamlReader {
 public:
  // `file`  what errors call the document
  explicit YamlReader(std::string file) : file_(std::move(file)) {}

  // Hands each entry to its key's `read`, in the order of the file.
  absl::Status Map(const YamlField& field,
                   const std::vector<YamlKey>& keys) const;

  // Hands each element to `read`.
  absl::Status Sequence(
      const YamlField& field,
      const std::function<absl::Status(const YamlField&)>& read) const;

  // A scalar that is not empty.
  absl::StatusOr<std::string> Text(const YamlField& field,
                                   absl::string_view want) const;

  // A number from `least` to `most`.
  absl::StatusOr<uint32_t> Number(const YamlField& field, uint32_t least,
                                  uint32_t most) const;

  // "true" or "false".
  absl::StatusOr<bool> Flag(const YamlField& field) const;

  // One of `words`; returns its index.
  absl::StatusOr<size_t> OneOf(
      const YamlField& field,
      const std::vector<absl::string_view>& words) const;

  // "256MiB", "1GiB" or bytes, at most `most`, which `most_text` is.
  absl::StatusOr<uint64_t> Bytes(const YamlField& field, uint64_t most,
                                 absl::string_view most_text) const;

  // "25%" or 25, from `least` to 100.
  absl::StatusOr<uint32_t> Percent(const YamlField& field,
                                   uint32_t least) const;

  // "30s", "5m", "1h30m": at least `least`, at most `most`.
  absl::StatusOr<google::protobuf::Duration> Duration(
      const YamlField& field, absl::string_view least,
      absl::string_view most) const;

  // The error of a value that will not do.
  absl::Status BadValue(const YamlField& field, absl::string_view want) const;

  // An error at a field, any reason.
  absl::Status ErrorAt(const YamlField& field, absl::string_view reason,
                       absl::string_view message) const;

 private:
  absl::Status MissingKey(const YamlField& field,
                          const std::vector<YamlKey>& keys) const;

  const std::string file_;
};

// Whether the scalar ends in "%".
bool IsPercent(const YAML::Node& node);

}  // namespace baton::cli

#endif  // CLI_YAML_READER_H_
