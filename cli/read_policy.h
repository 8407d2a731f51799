#ifndef CLI_READ_POLICY_H_
#define CLI_READ_POLICY_H_

#include "absl/status/status.h"
#include "baton/v1/rollout.pb.h"
#include "cli/yaml_reader.h"

namespace baton::cli {

// The part of a rollout file that says how long, when, and on what conditions.
// Errors, of all: as LoadRolloutFile()

// Also fills `spec`'s deadline for the whole.
absl::Status ReadDeadlines(const YamlReader& reader, const YamlField& field,
                           v1::RolloutSpec& spec);

absl::Status ReadOnExceeded(const YamlReader& reader, const YamlField& field,
                            v1::RolloutSpec& spec);

absl::Status ReadBlackout(const YamlReader& reader, const YamlField& field,
                          v1::BlackoutSpec& blackout);

absl::Status ReadRetry(const YamlReader& reader, const YamlField& field,
                       v1::RetrySpec& retry);

absl::Status ReadWindows(const YamlReader& reader, const YamlField& field,
                         v1::RolloutSpec& spec);

absl::Status ReadHooks(const YamlReader& reader, const YamlField& field,
                       v1::HooksSpec& hooks);

absl::Status ReadRequire(const YamlReader& reader, const YamlField& field,
                         v1::RequireSpec& require);

}  // namespace baton::cli

#endif  // CLI_READ_POLICY_H_
