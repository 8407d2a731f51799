#include "base/time_zone.h"

#include <string>

#include "gtest/gtest.h"

namespace baton {
namespace {

TEST(TimeZoneTest, KnowsTheDatabase) {
  const auto berlin = FindTimeZone("Europe/Berlin");
  ASSERT_TRUE(berlin.has_value());
  // Summer there is two hours ahead, winter one.
  EXPECT_EQ(
      absl::FormatTime("%H:%M", absl::FromUnixSeconds(1'751'328'000), *berlin),
      "02:00");
  EXPECT_EQ(
      absl::FormatTime("%H:%M", absl::FromUnixSeconds(1'735'689'600), *berlin),
      "01:00");
  EXPECT_EQ(FindTimeZone("UTC"), absl::UTCTimeZone());
  EXPECT_TRUE(FindTimeZone("America/Argentina/Buenos_Aires").has_value());
  EXPECT_TRUE(FindTimeZone("Etc/GMT+5").has_value());
}

TEST(TimeZoneTest, KnowsNothingElse) {
  for (const char* name : {"", "Europe/Atlantis", "localtime", "libc:localtime",
                           "/usr/share/zoneinfo/UTC", "../zoneinfo/UTC",
                           "Europe/../UTC", "file:UTC", "Fixed/UTC+01:00:00",
                           "Europe", "Europe//Berlin", " UTC", "UTC\n"}) {
    EXPECT_FALSE(FindTimeZone(name).has_value()) << name;
  }
}

}  // namespace
}  // namespace baton
