#include "service/core/window.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/time/civil_time.h"
#include "base/check.h"

namespace baton::core {
namespace {

constexpr int kMinutesOfHour = 60;
// A window of one day of the week comes again after seven days, or, where the
// clocks skip it, after fourteen.
constexpr int kDaysAround = 15;
constexpr absl::Duration kFarthest = absl::Hours(24 * 400);

struct Interval {
  absl::Time open;
  absl::Time close;
};

// Never decreases as `second` grows, whatever is done to the clocks.
absl::Time InstantOf(absl::CivilSecond second, const absl::TimeZone& zone) {
  const absl::TimeZone::TimeInfo info = zone.At(second);
  return info.kind == absl::TimeZone::TimeInfo::SKIPPED ? info.trans : info.pre;
}

bool OpensOn(const WindowSpec& window, absl::CivilDay day) {
  return window.days.empty() ||
         std::find(window.days.begin(), window.days.end(),
                   absl::GetWeekday(day)) != window.days.end();
}

// The window that opens on `day`; empty where the clocks skip all of it.
Interval IntervalOn(const WindowSpec& window, absl::CivilDay day) {
  const std::optional<int> from = MinuteOf(window.from);
  const std::optional<int> to = MinuteOf(window.to);
  CHECK(from.has_value() && to.has_value() && window.zone.has_value());
  const absl::CivilDay last = *to > *from ? day : day + 1;
  return {InstantOf(absl::CivilMinute(day) + *from, *window.zone),
          InstantOf(absl::CivilMinute(last) + *to, *window.zone)};
}

absl::CivilDay DayOf(const WindowSpec& window, absl::Time time) {
  CHECK(window.zone.has_value());
  return absl::ToCivilDay(time, *window.zone);
}

// Returns when the windows that are open at `time` close, each by itself;
// `time` when none is.
absl::Time ClosingOf(const std::vector<WindowSpec>& windows, absl::Time time) {
  absl::Time latest = time;
  for (const WindowSpec& window : windows) {
    const absl::CivilDay today = DayOf(window, time);
    // The one of yesterday may reach over midnight, and over a change of the
    // clocks.
    for (int back = 0; back <= 2; ++back) {
      if (!OpensOn(window, today - back)) continue;
      const Interval interval = IntervalOn(window, today - back);
      if (interval.open <= time && time < interval.close) {
        latest = std::max(latest, interval.close);
      }
    }
  }
  return latest;
}

absl::Time OpeningAfter(const std::vector<WindowSpec>& windows,
                        absl::Time time) {
  absl::Time earliest = absl::InfiniteFuture();
  for (const WindowSpec& window : windows) {
    const absl::CivilDay today = DayOf(window, time);
    for (int day = 0; day <= kDaysAround; ++day) {
      if (!OpensOn(window, today + day)) continue;
      const Interval interval = IntervalOn(window, today + day);
      if (interval.open <= time || interval.open == interval.close) continue;
      earliest = std::min(earliest, interval.open);
      break;
    }
  }
  return earliest;
}

}  // namespace

std::optional<int> MinuteOf(absl::string_view text) {
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  for (const size_t i : {0, 1, 3, 4}) {
    if (!absl::ascii_isdigit(text[i])) return std::nullopt;
  }
  const int hour = (text[0] - '0') * 10 + (text[1] - '0');
  const int minute = (text[3] - '0') * 10 + (text[4] - '0');
  if (hour > 23 || minute > 59) return std::nullopt;
  return hour * kMinutesOfHour + minute;
}

bool IsOpen(const std::vector<WindowSpec>& windows, absl::Time time) {
  return windows.empty() || ClosingOf(windows, time) > time;
}

absl::Time NextChange(const std::vector<WindowSpec>& windows, absl::Time time) {
  if (windows.empty()) return absl::InfiniteFuture();
  if (!IsOpen(windows, time)) return OpeningAfter(windows, time);
  absl::Time close = time;
  for (absl::Time next = ClosingOf(windows, time); next > close;
       next = ClosingOf(windows, close)) {
    close = next;
    if (close - time > kFarthest) return absl::InfiniteFuture();
  }
  return close;
}

bool CancelsInFlight(const std::vector<WindowSpec>& windows, absl::Time time) {
  if (IsOpen(windows, time)) return false;
  absl::Time latest = absl::InfinitePast();
  bool cancels = false;
  for (const WindowSpec& window : windows) {
    const bool asks = window.cutoff == WindowCutoff::kCancelBeforeUnload;
    const absl::CivilDay today = DayOf(window, time);
    for (int back = 0; back <= kDaysAround; ++back) {
      if (!OpensOn(window, today - back)) continue;
      const Interval interval = IntervalOn(window, today - back);
      if (interval.close > time || interval.open == interval.close) continue;
      if (interval.close > latest) cancels = false;
      if (interval.close >= latest) cancels = cancels || asks;
      latest = std::max(latest, interval.close);
      break;
    }
  }
  return cancels;
}

}  // namespace baton::core
