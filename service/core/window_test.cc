#include "service/core/window.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace baton::core {
namespace {

using absl::Weekday;

absl::TimeZone ZoneOf(const std::string& name) {
  absl::TimeZone zone;
  EXPECT_TRUE(absl::LoadTimeZone(name, &zone)) << name;
  return zone;
}

WindowSpec WindowOf(const std::string& from, const std::string& to,
                    std::vector<Weekday> days = {},
                    const std::string& zone = "UTC",
                    WindowCutoff cutoff = WindowCutoff::kFinish) {
  return {std::move(days), from, to, zone, ZoneOf(zone), cutoff};
}

// "2026-03-29 01:59:59", in UTC.
absl::Time Utc(const std::string& text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime("%Y-%m-%d %H:%M:%S", text, absl::UTCTimeZone(),
                              &time, &error))
      << text << ": " << error;
  return time;
}

TEST(MinuteOfTest, TakesTimesOfTheDayOnly) {
  EXPECT_EQ(MinuteOf("00:00"), 0);
  EXPECT_EQ(MinuteOf("09:05"), 545);
  EXPECT_EQ(MinuteOf("23:59"), 1439);
  for (const char* text : {"", "24:00", "12:60", "9:05", "09:5", "09-05",
                           "09:05:00", " 9:05", "-1:05", "ab:cd"}) {
    EXPECT_EQ(MinuteOf(text), std::nullopt) << text;
  }
}

// 2026-03-02 is a Monday. In Berlin clocks go forward on 2026-03-29 at 01:00
// UTC and back on 2026-10-25 at 01:00 UTC.
TEST(WindowTest, OpensAndCloses) {
  struct Row {
    const char* what;
    std::vector<WindowSpec> windows;
    std::string time;
    bool open;
    std::string change;  // empty: never
  };
  const WindowSpec night = WindowOf("22:00", "06:00");
  const WindowSpec monday_night = WindowOf("22:00", "06:00", {Weekday::monday});
  const WindowSpec gap = WindowOf("02:00", "03:00", {}, "Europe/Berlin");
  const WindowSpec over_gap = WindowOf("01:30", "04:00", {}, "Europe/Berlin");
  const WindowSpec from_gap = WindowOf("02:30", "04:00", {}, "Europe/Berlin");
  const WindowSpec twice = WindowOf("02:15", "02:45", {}, "Europe/Berlin");
  const Row rows[] = {
      {"no window", {}, "2026-03-02 12:00:00", true, ""},
      {"before", {night}, "2026-03-02 21:59:59", false, "2026-03-02 22:00:00"},
      {"at its opening",
       {night},
       "2026-03-02 22:00:00",
       true,
       "2026-03-03 06:00:00"},
      {"over midnight",
       {night},
       "2026-03-03 00:30:00",
       true,
       "2026-03-03 06:00:00"},
      {"at its closing",
       {night},
       "2026-03-03 06:00:00",
       false,
       "2026-03-03 22:00:00"},
      {"on its day",
       {monday_night},
       "2026-03-02 23:00:00",
       true,
       "2026-03-03 06:00:00"},
      {"the morning after its day",
       {monday_night},
       "2026-03-03 05:59:59",
       true,
       "2026-03-03 06:00:00"},
      {"on another day",
       {monday_night},
       "2026-03-03 23:00:00",
       false,
       "2026-03-09 22:00:00"},
      {"a whole day",
       {WindowOf("08:00", "08:00", {Weekday::sunday})},
       "2026-03-08 07:59:59",
       false,
       "2026-03-08 08:00:00"},
      {"within a whole day",
       {WindowOf("08:00", "08:00", {Weekday::sunday})},
       "2026-03-09 07:59:59",
       true,
       "2026-03-09 08:00:00"},
      {"always", {WindowOf("00:00", "00:00")}, "2026-03-02 12:00:00", true, ""},
      {"overlapping are one",
       {WindowOf("09:00", "12:00"), WindowOf("11:00", "15:00")},
       "2026-03-02 09:30:00",
       true,
       "2026-03-02 15:00:00"},
      {"touching are one",
       {WindowOf("12:00", "15:00"), WindowOf("09:00", "12:00")},
       "2026-03-02 11:59:59",
       true,
       "2026-03-02 15:00:00"},
      {"between two",
       {WindowOf("09:00", "10:00"), WindowOf("14:00", "15:00")},
       "2026-03-02 11:00:00",
       false,
       "2026-03-02 14:00:00"},
      {"two zones overlap",
       {WindowOf("09:00", "10:00", {}, "Europe/Berlin"),
        WindowOf("08:30", "12:00")},
       "2026-03-02 08:15:00",
       true,
       "2026-03-02 12:00:00"},
      {"another day than in UTC",
       {WindowOf("00:30", "01:00", {Weekday::monday}, "Asia/Tokyo")},
       "2026-03-01 15:45:00",
       true,
       "2026-03-01 16:00:00"},
      {"local time moves with the clocks",
       {over_gap},
       "2026-03-28 00:45:00",
       true,
       "2026-03-28 03:00:00"},
      {"shorter when clocks go forward",
       {over_gap},
       "2026-03-29 00:45:00",
       true,
       "2026-03-29 02:00:00"},
      {"a window that the clocks skip",
       {gap},
       "2026-03-29 00:59:59",
       false,
       "2026-03-30 00:00:00"},
      {"a window that the clocks skip, at the change",
       {gap},
       "2026-03-29 01:00:00",
       false,
       "2026-03-30 00:00:00"},
      {"opens at the change when its time is skipped",
       {from_gap},
       "2026-03-29 00:59:59",
       false,
       "2026-03-29 01:00:00"},
      {"open from the change on",
       {from_gap},
       "2026-03-29 01:00:00",
       true,
       "2026-03-29 02:00:00"},
      {"the first of two equal times",
       {twice},
       "2026-10-25 00:20:00",
       true,
       "2026-10-25 00:45:00"},
      {"not the second of two equal times",
       {twice},
       "2026-10-25 01:20:00",
       false,
       "2026-10-26 01:15:00"},
      {"longer when clocks go back",
       {over_gap},
       "2026-10-25 00:00:00",
       true,
       "2026-10-25 03:00:00"},
      {"a day of the week that the clocks skip",
       {WindowOf("02:00", "03:00", {Weekday::sunday}, "Europe/Berlin")},
       "2026-03-28 12:00:00",
       false,
       "2026-04-05 00:00:00"},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.what);
    EXPECT_EQ(IsOpen(row.windows, Utc(row.time)), row.open);
    EXPECT_EQ(NextChange(row.windows, Utc(row.time)),
              row.change.empty() ? absl::InfiniteFuture() : Utc(row.change));
  }
}

// Wherever the clocks stand, the answers agree with each other.
TEST(WindowTest, ChangesExactlyWhereItSaysSo) {
  const std::vector<WindowSpec> windows = {
      WindowOf("01:45", "02:30", {}, "Europe/Berlin"),
      WindowOf("02:30", "03:15", {Weekday::sunday}, "Europe/Berlin"),
      WindowOf("23:00", "01:30", {Weekday::saturday}, "America/New_York")};
  for (const char* start : {"2026-03-05 00:00:00", "2026-03-26 00:00:00",
                            "2026-10-22 00:00:00", "2026-10-29 00:00:00"}) {
    const absl::Time end = Utc(start) + absl::Hours(24 * 7);
    absl::Time change = NextChange(windows, Utc(start));
    for (absl::Time time = Utc(start); time < end; time += absl::Minutes(5)) {
      if (time >= change) {
        EXPECT_NE(IsOpen(windows, change),
                  IsOpen(windows, change - absl::Nanoseconds(1)))
            << change;
        change = NextChange(windows, time);
      }
      EXPECT_EQ(IsOpen(windows, time),
                IsOpen(windows, change - absl::Nanoseconds(1)))
          << time;
    }
  }
}

TEST(WindowTest, AsksToCancelWhatTheWindowThatClosedLastSays) {
  const auto cancel = [](const std::string& from, const std::string& to) {
    return WindowOf(from, to, {}, "UTC", WindowCutoff::kCancelBeforeUnload);
  };
  struct Row {
    std::vector<WindowSpec> windows;
    std::string time;
    bool cancels;
  };
  const Row rows[] = {
      {{}, "2026-03-02 12:00:00", false},
      {{WindowOf("09:00", "10:00")}, "2026-03-02 12:00:00", false},
      {{cancel("09:00", "10:00")}, "2026-03-02 09:30:00", false},
      {{cancel("09:00", "10:00")}, "2026-03-02 10:00:00", true},
      {{cancel("09:00", "10:00")}, "2026-03-02 08:00:00", true},
      {{cancel("09:00", "10:00"), WindowOf("11:00", "12:00")},
       "2026-03-02 10:30:00",
       true},
      {{cancel("09:00", "10:00"), WindowOf("11:00", "12:00")},
       "2026-03-02 12:30:00",
       false},
      {{cancel("09:00", "10:00"), WindowOf("08:00", "10:00")},
       "2026-03-02 10:30:00",
       true},
      {{WindowOf("08:00", "10:00"), cancel("09:00", "10:00")},
       "2026-03-02 10:30:00",
       true},
      {{cancel("09:00", "10:00"), WindowOf("08:00", "10:30")},
       "2026-03-02 10:15:00",
       false},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(CancelsInFlight(row.windows, Utc(row.time)), row.cancels)
        << row.time;
  }
}

}  // namespace
}  // namespace baton::core
