#include "service/rpc/convert_spec.h"

#include <string>
#include <vector>

#include "base/reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/every_field.h"

namespace baton::rpc {
namespace {

TEST(ConvertSpecTest, EveryFieldGoesThereAndBack) {
  v1::RolloutSpec spec;
  support::FillEveryField(spec);
  const auto parsed = FromProto(spec);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(ToProto(*parsed).DebugString(), spec.DebugString());
  EXPECT_TRUE(FromProto(ToProto(*parsed)).value() == *parsed);
}

TEST(ConvertSpecTest, EverySizeOfAWaveGoesThereAndBack) {
  v1::RolloutSpec spec;
  spec.add_waves()->set_hosts(3);
  spec.add_waves()->set_percent(4);
  spec.add_waves()->set_rest(true);
  spec.add_waves();
  const core::RolloutSpec parsed = FromProto(spec).value();
  EXPECT_EQ(parsed.waves.at(0).size, core::WaveSize::kHosts);
  EXPECT_EQ(parsed.waves.at(1).size, core::WaveSize::kPercent);
  EXPECT_EQ(parsed.waves.at(2).size, core::WaveSize::kRest);
  EXPECT_EQ(parsed.waves.at(3).size, core::WaveSize::kUnset);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(ToProto(parsed).waves(i).DebugString(),
              spec.waves(i).DebugString());
  }
  spec.mutable_waves(2)->set_rest(false);
  EXPECT_EQ(FromProto(spec)->waves.at(2).size, core::WaveSize::kUnset);
}

TEST(ConvertSpecTest, WhatIsAbsentIsTheCoresDefault) {
  EXPECT_TRUE(FromProto(v1::RolloutSpec()).value() == core::RolloutSpec());
  v1::RolloutSpec empty;
  empty.mutable_limits();
  empty.mutable_failure_tolerance();
  empty.mutable_deadlines();
  empty.mutable_blackout();
  empty.mutable_retry();
  empty.mutable_hooks();
  empty.mutable_require();
  EXPECT_TRUE(FromProto(empty).value() == core::RolloutSpec());
}

TEST(ConvertSpecTest, WhatIsZeroStaysZero) {
  v1::RolloutSpec spec;
  spec.mutable_limits()->set_max_unavailable(0);
  spec.mutable_deadlines()->mutable_save();
  spec.mutable_blackout()->mutable_per_vgpu_max();
  spec.mutable_blackout()->mutable_p99_max();
  spec.mutable_retry()->set_attempts(0);
  spec.mutable_retry()->mutable_backoff();
  spec.mutable_require()->set_spare_memory_bytes(0);
  spec.mutable_deadline();
  const core::RolloutSpec parsed = FromProto(spec).value();
  EXPECT_EQ(parsed.limits.max_unavailable, 0u);
  EXPECT_EQ(parsed.deadlines.save, absl::ZeroDuration());
  EXPECT_EQ(parsed.blackout.per_vgpu_max, absl::ZeroDuration());
  EXPECT_EQ(parsed.blackout.p99_max, absl::ZeroDuration());
  EXPECT_EQ(parsed.retry.attempts, 0u);
  EXPECT_EQ(parsed.retry.backoff, absl::ZeroDuration());
  EXPECT_EQ(parsed.require.spare_memory_bytes, 0u);
  EXPECT_EQ(parsed.deadline, absl::ZeroDuration());
}

TEST(ConvertSpecTest, EachDayIsThatDay) {
  v1::RolloutSpec spec;
  v1::WindowSpec& window = *spec.add_windows();
  for (int day = v1::WEEKDAY_MONDAY; day <= v1::WEEKDAY_SUNDAY; ++day) {
    window.add_days(static_cast<v1::Weekday>(day));
  }
  const std::vector<absl::Weekday> want = {
      absl::Weekday::monday,   absl::Weekday::tuesday, absl::Weekday::wednesday,
      absl::Weekday::thursday, absl::Weekday::friday,  absl::Weekday::saturday,
      absl::Weekday::sunday};
  EXPECT_TRUE(FromProto(spec)->windows.at(0).days == want);
}

TEST(ConvertSpecTest, LooksTimeZonesUp) {
  v1::RolloutSpec spec;
  spec.add_windows()->set_time_zone("Europe/Berlin");
  spec.add_windows()->set_time_zone("Europe/Atlantis");
  const core::RolloutSpec parsed = FromProto(spec).value();
  ASSERT_TRUE(parsed.windows.at(0).zone.has_value());
  EXPECT_EQ(parsed.windows.at(0).zone->name(), "Europe/Berlin");
  EXPECT_FALSE(parsed.windows.at(1).zone.has_value());
}

TEST(ConvertSpecTest, RefusesNumbersThatItDoesNotKnowByField) {
  const auto refusal = [](const v1::RolloutSpec& spec) {
    const absl::Status status = FromProto(spec).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status));
    EXPECT_EQ(Reason(status), "BAD_SPEC");
    return std::string(status.message());
  };
  v1::RolloutSpec spec;
  spec.set_on_exceeded(static_cast<v1::OnExceeded>(7));
  EXPECT_EQ(refusal(spec),
            "field 'on_exceeded' is the number 7, want one that this release "
            "knows");
  spec.clear_on_exceeded();
  spec.add_windows();
  spec.add_windows()->set_cutoff(static_cast<v1::WindowCutoff>(-1));
  EXPECT_THAT(refusal(spec), testing::StartsWith("field 'windows[1].cutoff'"));
  spec.mutable_windows(1)->clear_cutoff();
  for (const int day : {0, 8, -1}) {
    spec.mutable_windows(0)->clear_days();
    spec.mutable_windows(0)->add_days(static_cast<v1::Weekday>(day));
    EXPECT_THAT(refusal(spec), testing::StartsWith("field 'windows[0].days'"));
  }
}

}  // namespace
}  // namespace baton::rpc
