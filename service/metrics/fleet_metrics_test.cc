#include "service/metrics/fleet_metrics.h"

#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/text_serializer.h"
#include "tests/support/stage.h"

namespace baton::metrics {
namespace {

using support::HostName;
using support::kRollout;
using support::Stage;
using ::testing::HasSubstr;
using ::testing::Not;

// As a scrape reads it.
std::string TextOf(const Stage& stage) {
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, MetricsOf(stage.fleet()));
  return text.str();
}

TEST(FleetMetricsTest, CountHostsByWhyTheyAreOutOfService) {
  Stage stage(5);
  stage.Do(core::CordonHost{HostName(1), "disk"});
  stage.Disconnect(2);
  stage.Disconnect(3);
  const std::string text = TextOf(stage);
  EXPECT_THAT(text, HasSubstr("\nbaton_hosts 5\n"));
  EXPECT_THAT(text,
              HasSubstr("baton_hosts_out_of_service{reason=\"cordoned\"} 1\n"));
  EXPECT_THAT(text,
              HasSubstr("baton_hosts_out_of_service{reason=\"offline\"} 2\n"));
  EXPECT_THAT(text,
              HasSubstr("baton_hosts_out_of_service{reason=\"updating\"} 0\n"));
}

TEST(FleetMetricsTest, TellProgressFromWaiting) {
  Stage stage(4);
  core::RolloutSpec spec = support::MakeSpec();
  spec.failure_tolerance.hosts = 1;
  stage.Start(spec);
  stage.Report(1, core::UpdateState::kDone);
  stage.Report(2, core::UpdateState::kCancelled);
  std::string text = TextOf(stage);
  for (const char* line :
       {"baton_rollouts{state=\"RUNNING\"} 1",
        "baton_rollouts{state=\"FAILED\"} 0",
        "baton_rollout_hosts{rollout=\"r\",state=\"done\"} 1",
        "baton_rollout_hosts{rollout=\"r\",state=\"cancelled\"} 1",
        "baton_rollout_hosts{rollout=\"r\",state=\"running\"} 1",
        "baton_rollout_hosts{rollout=\"r\",state=\"pending\"} 1",
        "baton_rollout_failures{rollout=\"r\"} 1",
        "baton_rollout_failures_max{rollout=\"r\"} 1",
        "baton_rollout_unavailable_max{rollout=\"r\"} 1",
        ("baton_rollout_gate_shut{rollout=\"r\",gate=\"max_unavailable\","
         "reason=\"MAX_UNAVAILABLE_REACHED\",verdict=\"WAIT\"} 1"),
        "baton_rollout_blackout_seconds{rollout=\"r\",quantile=\"1\"} 0.02"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
  EXPECT_THAT(text, Not(HasSubstr("gate=\"state\"")));
  stage.Do(core::HoldRollout{kRollout, "lunch"});
  text = TextOf(stage);
  EXPECT_THAT(text, HasSubstr("baton_rollouts{state=\"HELD\"} 1"));
  EXPECT_THAT(text,
              HasSubstr("gate=\"state\",reason=\"HELD_BY_OPERATOR\",verdict="
                        "\"STOP\"} 1"));
}

TEST(FleetMetricsTest, CountADeletedRolloutNoLonger) {
  Stage stage(1);
  stage.Do(core::CreateRollout{kRollout, support::MakeSpec()});
  EXPECT_THAT(TextOf(stage), HasSubstr("baton_rollouts{state=\"DRAFT\"} 1"));
  stage.Do(core::DeleteRollout{kRollout});
  EXPECT_THAT(TextOf(stage), HasSubstr("baton_rollouts{state=\"DRAFT\"} 0"));
}

TEST(FleetMetricsTest, ShowWhatHoldsTheFleet) {
  Stage stage(1);
  EXPECT_THAT(TextOf(stage), HasSubstr("baton_fleet_frozen 0"));
  stage.Do(core::FreezeFleet{"audit", stage.fleet().now + absl::Hours(1)});
  stage.Do(core::EmergencyStop{"smoke"});
  EXPECT_THAT(TextOf(stage), HasSubstr("baton_fleet_frozen 1"));
  EXPECT_THAT(TextOf(stage), HasSubstr("baton_emergency_stop 1"));
  stage.Advance(absl::Hours(2));
  EXPECT_THAT(TextOf(stage), HasSubstr("baton_fleet_frozen 0"));
}

}  // namespace
}  // namespace baton::metrics
