#ifndef CLI_READ_WAVES_H_
#define CLI_READ_WAVES_H_

#include "absl/status/status.h"
#include "baton/v1/rollout.pb.h"
#include "cli/yaml_reader.h"

namespace baton::cli {

// The part of a rollout file that says how many hosts: which go first, how many
// at once, how many may fail. Errors, of all: as LoadRolloutFile()

// Most hosts that a service can know.
inline constexpr uint32_t kHostsMax = 100'000;

absl::Status ReadWaves(const YamlReader& reader, const YamlField& field,
                       v1::RolloutSpec& spec);

absl::Status ReadLimits(const YamlReader& reader, const YamlField& field,
                        v1::LimitsSpec& limits);

absl::Status ReadTolerance(const YamlReader& reader, const YamlField& field,
                           v1::FailureTolerance& tolerance);

}  // namespace baton::cli

#endif  // CLI_READ_WAVES_H_
