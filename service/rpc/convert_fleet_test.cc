#include "service/rpc/convert_fleet.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "service/rpc/convert.h"
#include "tests/support/every_field.h"

namespace baton::rpc {
namespace {

TEST(ConvertFleetTest, SaysWhatHoldsForAll) {
  core::Fleet fleet;
  fleet.now = absl::FromUnixSeconds(100);
  EXPECT_FALSE(FleetToProto(fleet).has_freeze());
  EXPECT_FALSE(FleetToProto(fleet).has_emergency_stop());

  fleet.freeze = core::Freeze{.by = "ana",
                              .reason = "quarter",
                              .start = absl::FromUnixSeconds(90),
                              .end = absl::FromUnixSeconds(101)};
  fleet.emergency_stop = core::EmergencyStopRecord{
      .by = "ben", .reason = "fire", .time = absl::FromUnixSeconds(95)};
  const core::Host host = {.name = "hosts/h"};  // offline
  fleet.hosts["hosts/h"] = host;
  fleet.ledger.Enter(host);
  const v1::Fleet shown = FleetToProto(fleet);
  EXPECT_THAT(support::UnsetFieldsOf(shown.freeze()), testing::IsEmpty());
  EXPECT_THAT(support::UnsetFieldsOf(shown.emergency_stop()),
              testing::IsEmpty());
  EXPECT_EQ(shown.hosts(), 1u);
  EXPECT_EQ(shown.unavailable().offline(), 1u);

  fleet.now = fleet.freeze->end;
  EXPECT_FALSE(FleetToProto(fleet).has_freeze());
}

TEST(ConvertFleetTest, ShowsWhatUpdatesCost) {
  core::HistoryEntry entry = {
      .vgpus = 4, .saved_bytes = 400, .hosts = 2, .duration = absl::Seconds(9)};
  for (int i = 1; i <= 4; ++i) entry.blackouts.Add(absl::Milliseconds(10 * i));
  const v1::HistoryEntry shown = ToProto(
      {.from_driver = "f", .to_driver = "t", .model = "m", .profile = "p"},
      entry);
  EXPECT_THAT(support::UnsetFieldsOf(shown), testing::IsEmpty());
  EXPECT_EQ(shown.saved_bytes_mean(), 100u);
  EXPECT_EQ(FromProto(shown.duration_mean()), absl::Milliseconds(4500));
  EXPECT_LT(FromProto(shown.blackout_p50()), FromProto(shown.blackout_max()));
}

}  // namespace
}  // namespace baton::rpc
