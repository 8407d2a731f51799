#ifndef CLI_RENDER_WORDS_H_
#define CLI_RENDER_WORDS_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "baton/v1/fleet.pb.h"
#include "baton/v1/rollout.pb.h"
#include "baton/v1/update.pb.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace baton::cli {

// How single values read. Pure; any thread.

// The enum's own name without its prefix: "RUNNING". A value that this release
// does not know: its number.
std::string Word(v1::HostState state);
std::string Word(v1::RolloutState state);
std::string Word(v1::UpdateState state);
std::string Word(v1::GateVerdict verdict);

// As above; "-" for STEP_UNSPECIFIED.
std::string Word(v1::Step step);

// "850 us", "21.3 ms", "4.20 s", "1m12s", "3h05m".
std::string Text(const google::protobuf::Duration& duration);

bool IsLonger(const google::protobuf::Duration& a,
              const google::protobuf::Duration& b);

// "2024-05-17T09:30:00Z"; "-" when `time` is the epoch.
std::string Text(const google::protobuf::Timestamp& time);

// The same of a time of ours.
std::string StampOf(absl::Time time);

// "512 B", "64 KiB", "1.5 MiB".
std::string BytesText(uint64_t bytes);

// "1 host", "2 hosts".
std::string Count(uint64_t count, absl::string_view noun);

// What came over the wire, made safe for a terminal: each control character is
// a space.
std::string Printable(absl::string_view text);

// Columns that `text` takes: each UTF-8 character counts as one.
int Columns(absl::string_view text);

// `text` cut to `columns` of at least 1, its last one then "~".
std::string Cut(absl::string_view text, int columns);

}  // namespace baton::cli

#endif  // CLI_RENDER_WORDS_H_
