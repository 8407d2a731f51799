#include "cli/read_policy.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/time_zone.h"
#include "cli/names.h"

namespace baton::cli {
namespace {

using Need = YamlKey::Need;

constexpr int kWindowsMax = 32;
constexpr uint32_t kAttemptsMax = 10;

struct Bounds {
  absl::string_view least = "";
  absl::string_view most = "";
};

// Returns the key `name` that fills `duration(message)`, within the bounds.
template <typename Message>
YamlKey DurationKey(const YamlReader& reader, absl::string_view name,
                    Message& message,
                    google::protobuf::Duration* (Message::*duration)(),
                    Bounds bounds) {
  return {name,
          [&reader, &message, duration,
           bounds](const YamlField& f) -> absl::Status {
            ASSIGN_OR_RETURN(*(message.*duration)(),
                             reader.Duration(f, bounds.least, bounds.most));
            return absl::OkStatus();
          }};
}

// "HH:MM", 00:00 to 23:59.
bool IsTimeOfDay(absl::string_view text) {
  if (text.size() != 5 || text[2] != ':') return false;
  for (const size_t i : {0, 1, 3, 4}) {
    if (!absl::ascii_isdigit(text[i])) return false;
  }
  return text.substr(0, 2) < "24" && text.substr(3) < "60";
}

YamlKey TimeOfDayKey(const YamlReader& reader, absl::string_view name,
                     std::string& time) {
  return {name,
          [&reader, &time](const YamlField& f) -> absl::Status {
            constexpr char kWant[] = "a local time from \"00:00\" to \"23:59\"";
            ASSIGN_OR_RETURN(time, reader.Text(f, kWant));
            return IsTimeOfDay(time) ? absl::OkStatus()
                                     : reader.BadValue(f, kWant);
          },
          Need::kRequired};
}

absl::Status ReadDays(const YamlReader& reader, const YamlField& field,
                      v1::WindowSpec& window) {
  return reader.Sequence(field, [&](const YamlField& f) -> absl::Status {
    ASSIGN_OR_RETURN(
        const size_t index,
        reader.OneOf(f, {"mon", "tue", "wed", "thu", "fri", "sat", "sun"}));
    const auto day = static_cast<v1::Weekday>(v1::WEEKDAY_MONDAY + index);
    if (std::count(window.days().begin(), window.days().end(), day) > 0) {
      return reader.BadValue(f, "each day at most once");
    }
    window.add_days(day);
    return absl::OkStatus();
  });
}

absl::Status ReadTimeZone(const YamlReader& reader, const YamlField& field,
                          v1::WindowSpec& window) {
  constexpr char kWant[] =
      "a name of the IANA database such as \"Europe/Berlin\", or \"UTC\"";
  ASSIGN_OR_RETURN(*window.mutable_time_zone(), reader.Text(field, kWant));
  return FindTimeZone(window.time_zone()).has_value()
             ? absl::OkStatus()
             : reader.BadValue(field, kWant);
}

absl::Status ReadWindow(const YamlReader& reader, const YamlField& field,
                        v1::WindowSpec& window) {
  return reader.Map(
      field,
      {{"days", [&](auto& f) { return ReadDays(reader, f, window); }},
       TimeOfDayKey(reader, "from", *window.mutable_from()),
       TimeOfDayKey(reader, "to", *window.mutable_to()),
       {"time_zone", [&](auto& f) { return ReadTimeZone(reader, f, window); },
        Need::kRequired},
       {"cutoff", [&](auto& f) -> absl::Status {
          ASSIGN_OR_RETURN(const size_t index,
                           reader.OneOf(f, {"FINISH", "CANCEL_BEFORE_UNLOAD"}));
          window.set_cutoff(
              static_cast<v1::WindowCutoff>(v1::WINDOW_CUTOFF_FINISH + index));
          return absl::OkStatus();
        }}});
}

YamlKey HookKey(const YamlReader& reader, absl::string_view name,
                std::string& hook) {
  return {name, [&reader, &hook](const YamlField& f) -> absl::Status {
            constexpr char kWant[] =
                "the name of a hook of the agents, at most 63 of [a-z0-9-]";
            ASSIGN_OR_RETURN(hook, reader.Text(f, kWant));
            return IsId(hook, "-") ? absl::OkStatus()
                                   : reader.BadValue(f, kWant);
          }};
}

}  // namespace

absl::Status ReadDeadlines(const YamlReader& reader, const YamlField& field,
                           v1::RolloutSpec& spec) {
  v1::StepDeadlines& steps = *spec.mutable_deadlines();
  using D = v1::StepDeadlines;
  const auto step = [&](absl::string_view name,
                        google::protobuf::Duration* (D::*duration)()) {
    return DurationKey(reader, name, steps, duration, {"1ms", "1h"});
  };
  return reader.Map(
      field,
      {step("prepare", &D::mutable_prepare), step("gate", &D::mutable_gate),
       step("pause", &D::mutable_pause), step("save", &D::mutable_save),
       step("unload", &D::mutable_unload), step("restore", &D::mutable_restore),
       step("verify", &D::mutable_verify), step("resume", &D::mutable_resume),
       step("confirm", &D::mutable_confirm),
       DurationKey(reader, "whole", spec, &v1::RolloutSpec::mutable_deadline,
                   {"1m", "8760h"})});
}

absl::Status ReadOnExceeded(const YamlReader& reader, const YamlField& field,
                            v1::RolloutSpec& spec) {
  ASSIGN_OR_RETURN(const size_t index,
                   reader.OneOf(field, {"HOLD", "ROLL_BACK"}));
  spec.set_on_exceeded(
      static_cast<v1::OnExceeded>(v1::ON_EXCEEDED_HOLD + index));
  return absl::OkStatus();
}

absl::Status ReadBlackout(const YamlReader& reader, const YamlField& field,
                          v1::BlackoutSpec& blackout) {
  using B = v1::BlackoutSpec;
  return reader.Map(
      field, {DurationKey(reader, "per_vgpu_max", blackout,
                          &B::mutable_per_vgpu_max, {"1ms", "1h"}),
              DurationKey(reader, "p99_max", blackout, &B::mutable_p99_max,
                          {"1ms", "1h"})});
}

absl::Status ReadRetry(const YamlReader& reader, const YamlField& field,
                       v1::RetrySpec& retry) {
  return reader.Map(
      field, {{"attempts",
               [&](auto& f) -> absl::Status {
                 ASSIGN_OR_RETURN(const uint32_t attempts,
                                  reader.Number(f, 1, kAttemptsMax));
                 retry.set_attempts(attempts);
                 return absl::OkStatus();
               }},
              DurationKey(reader, "backoff", retry,
                          &v1::RetrySpec::mutable_backoff, {"1s", "1h"})});
}

absl::Status ReadWindows(const YamlReader& reader, const YamlField& field,
                         v1::RolloutSpec& spec) {
  RETURN_IF_ERROR(reader.Sequence(field, [&](const YamlField& f) {
    return ReadWindow(reader, f, *spec.add_windows());
  }));
  if (spec.windows_size() <= kWindowsMax) return absl::OkStatus();
  return reader.BadValue(field, absl::StrCat("at most ", kWindowsMax));
}

absl::Status ReadHooks(const YamlReader& reader, const YamlField& field,
                       v1::HooksSpec& hooks) {
  return reader.Map(field, {HookKey(reader, "before", *hooks.mutable_before()),
                            HookKey(reader, "after", *hooks.mutable_after())});
}

absl::Status ReadRequire(const YamlReader& reader, const YamlField& field,
                         v1::RequireSpec& require) {
  return reader.Map(
      field, {{"rollback_path",
               [&](auto& f) -> absl::Status {
                 ASSIGN_OR_RETURN(const bool needed, reader.Flag(f));
                 require.set_rollback_path(needed);
                 return absl::OkStatus();
               }},
              {"spare_memory", [&](auto& f) -> absl::Status {
                 ASSIGN_OR_RETURN(const uint64_t bytes,
                                  reader.Bytes(f, uint64_t{1} << 40, "1TiB"));
                 require.set_spare_memory_bytes(bytes);
                 return absl::OkStatus();
               }}});
}

}  // namespace baton::cli
