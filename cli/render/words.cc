#include "cli/render/words.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"

namespace baton::cli {
namespace {

// Strips `prefix` from an enum's name; `name` is empty for unknown values.
std::string Stripped(absl::string_view name, absl::string_view prefix,
                     int value) {
  if (name.empty()) return absl::StrCat(value);
  return std::string(absl::StripPrefix(name, prefix));
}

bool StartsCharacter(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
}

}  // namespace

std::string Word(v1::HostState state) {
  return Stripped(v1::HostState_Name(state), "HOST_STATE_", state);
}

std::string Word(v1::RolloutState state) {
  return Stripped(v1::RolloutState_Name(state), "ROLLOUT_STATE_", state);
}

std::string Word(v1::UpdateState state) {
  return Stripped(v1::UpdateState_Name(state), "UPDATE_STATE_", state);
}

std::string Word(v1::GateVerdict verdict) {
  return Stripped(v1::GateVerdict_Name(verdict), "GATE_VERDICT_", verdict);
}

std::string Word(v1::Step step) {
  if (step == v1::STEP_UNSPECIFIED) return "-";
  return Stripped(v1::Step_Name(step), "STEP_", step);
}

std::string Text(const google::protobuf::Duration& duration) {
  const absl::Duration d =
      absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
  if (d < absl::Milliseconds(1)) {
    return absl::StrFormat("%.0f us", absl::ToDoubleMicroseconds(d));
  }
  if (d < absl::Seconds(1)) {
    return absl::StrFormat("%.1f ms", absl::ToDoubleMilliseconds(d));
  }
  if (d < absl::Minutes(1)) {
    return absl::StrFormat("%.2f s", absl::ToDoubleSeconds(d));
  }
  const int64_t seconds = absl::ToInt64Seconds(d);
  if (d < absl::Hours(1)) {
    return absl::StrFormat("%dm%02ds", seconds / 60, seconds % 60);
  }
  return absl::StrFormat("%dh%02dm", seconds / 3600, seconds / 60 % 60);
}

bool IsLonger(const google::protobuf::Duration& a,
              const google::protobuf::Duration& b) {
  return std::pair(a.seconds(), a.nanos()) > std::pair(b.seconds(), b.nanos());
}

std::string Text(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0 && time.nanos() == 0) return "-";
  return StampOf(absl::FromUnixSeconds(time.seconds()));
}

std::string StampOf(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone());
}

std::string BytesText(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return absl::StrFormat("%.4g %s", value, kUnits[unit]);
}

std::string Count(uint64_t count, absl::string_view noun) {
  return absl::StrCat(count, " ", noun, count == 1 ? "" : "s");
}

std::string Printable(absl::string_view text) {
  std::string safe(text);
  std::replace_if(
      safe.begin(), safe.end(),
      [](unsigned char c) { return absl::ascii_iscntrl(c); }, ' ');
  return safe;
}

int Columns(absl::string_view text) {
  return static_cast<int>(
      std::count_if(text.begin(), text.end(), StartsCharacter));
}

std::string Cut(absl::string_view text, int columns) {
  if (Columns(text) <= columns) return std::string(text);
  size_t end = 0;
  for (int seen = 0; end < text.size(); ++end) {
    if (StartsCharacter(text[end]) && seen++ == columns - 1) break;
  }
  return absl::StrCat(text.substr(0, end), "~");
}

}  // namespace baton::cli
