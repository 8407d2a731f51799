#include "service/rpc/convert_rollout.h"

#include <limits>
#include <string>
#include <vector>

#include "base/reason.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "service/rpc/convert.h"
#include "tests/support/every_field.h"

namespace baton::rpc {
namespace {

TEST(ConvertTest, TimesAndDurationsGoThereAndBack) {
  for (const int64_t nanos :
       {int64_t{0}, int64_t{1}, int64_t{-1}, int64_t{1'700'000'000'123'456'789},
        int64_t{-1'500'000'000}}) {
    const absl::Time time = absl::FromUnixNanos(nanos);
    EXPECT_EQ(FromProto(ToProto(time)), time) << nanos;
    EXPECT_GE(ToProto(time).nanos(), 0) << nanos;
    const absl::Duration duration = absl::Nanoseconds(nanos);
    EXPECT_EQ(FromProto(ToProto(duration)), duration) << nanos;
  }
}

TEST(ConvertTest, WhatTheWireDoesNotAllowIsCut) {
  google::protobuf::Duration duration;
  duration.set_seconds(std::numeric_limits<int64_t>::max());
  duration.set_nanos(std::numeric_limits<int32_t>::max());
  EXPECT_EQ(FromProto(duration),
            absl::Seconds(315'576'000'000) + absl::Nanoseconds(999'999'999));
  google::protobuf::Timestamp time;
  time.set_seconds(std::numeric_limits<int64_t>::min());
  time.set_nanos(-5);
  EXPECT_EQ(ToProto(FromProto(time)).seconds(), -62'135'596'800);
}

TEST(ConvertTest, EachNumberOfTheCoreIsThatOfTheWire) {
  EXPECT_EQ(static_cast<int>(core::RolloutState::kAborting),
            v1::ROLLOUT_STATE_ABORTING);
  EXPECT_EQ(static_cast<int>(core::RolloutState::kDraft),
            v1::ROLLOUT_STATE_DRAFT);
  EXPECT_EQ(static_cast<int>(core::UpdateState::kSkipped),
            v1::UPDATE_STATE_SKIPPED);
  EXPECT_EQ(static_cast<int>(core::Step::kReopenGate), v1::STEP_REOPEN_GATE);
  EXPECT_EQ(static_cast<int>(core::OrderKind::kCancel), v1::ORDER_KIND_CANCEL);
  EXPECT_EQ(static_cast<int>(core::GateVerdict::kStop), v1::GATE_VERDICT_STOP);
  for (const auto state :
       {core::RolloutState::kDraft, core::RolloutState::kPlanned,
        core::RolloutState::kAwaitingApproval, core::RolloutState::kRunning,
        core::RolloutState::kHeld, core::RolloutState::kSucceeded,
        core::RolloutState::kFailed, core::RolloutState::kAborted,
        core::RolloutState::kRolledBack, core::RolloutState::kAborting}) {
    EXPECT_EQ(v1::RolloutState_Name(static_cast<int>(state)),
              "ROLLOUT_STATE_" + std::string(core::Name(state)));
  }
}

TEST(ConvertTest, AnUpdateShowsAllThatTheAgentReported) {
  v1::UpdateReport report;
  report.set_rollout("rollouts/r");
  report.set_attempt(2);
  report.set_sequence(5);
  report.set_state(v1::UPDATE_STATE_ROLLED_BACK);
  report.set_step(v1::STEP_CONFIRM);
  report.set_past_no_return(true);
  report.set_reason("START_FAILED");
  report.set_message("it did not start");
  report.mutable_saved()->set_blocks(2);
  report.mutable_saved()->set_size_bytes(4096);
  v1::StepRecord& step = *report.add_steps();
  step.set_step(v1::STEP_RESTORE);
  step.mutable_start_time()->set_seconds(5);
  step.mutable_elapsed()->set_nanos(7);
  step.set_code(9);
  step.set_reason("START_FAILED");
  step.set_nt_status(0xC0000001);
  step.set_entry_point("DxgkDdiStartDevice");
  step.set_rule("R4");
  step.set_backward(true);
  v1::VirtualGpuResult& vgpu = *report.add_vgpus();
  vgpu.set_partition_id(3);
  vgpu.set_guest("g");
  vgpu.set_difference("fence");
  vgpu.mutable_blackout()->set_nanos(8);

  const auto parsed = FromProto(report);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const core::Update update = {.state = parsed->state,
                               .step = parsed->step,
                               .past_no_return = parsed->past_no_return,
                               .attempt = parsed->attempt,
                               .steps = parsed->steps,
                               .vgpus = parsed->vgpus,
                               .saved = parsed->saved,
                               .reason = parsed->reason,
                               .message = parsed->message};
  const core::Rollout rollout = {
      .name = "rollouts/r",
      .spec = {.driver = "drivers/d/versions/2.0"},
      .plan = core::RolloutPlan{.waves = {{.name = "canary"}}}};
  const v1::Update shown = ToProto(rollout, "hosts/h", update);
  EXPECT_EQ(shown.name(), "rollouts/r/updates/h");
  EXPECT_EQ(shown.state(), report.state());
  EXPECT_EQ(shown.step(), report.step());
  EXPECT_EQ(shown.to_version(), "2.0");
  EXPECT_EQ(shown.wave(), "canary");
  EXPECT_EQ(shown.steps(0).SerializeAsString(), step.SerializeAsString());
  EXPECT_EQ(shown.vgpus(0).SerializeAsString(), vgpu.SerializeAsString());
  EXPECT_EQ(shown.saved().SerializeAsString(),
            report.saved().SerializeAsString());
  EXPECT_EQ(shown.reason(), "START_FAILED");
  EXPECT_FALSE(shown.has_start_time());
}

TEST(ConvertTest, RefusesReportsOfWhatItDoesNotKnow) {
  v1::UpdateReport report;
  EXPECT_EQ(Reason(FromProto(report).status()), "BAD_REPORT");
  report.set_state(v1::UPDATE_STATE_RUNNING);
  EXPECT_TRUE(FromProto(report).ok());
  report.set_step(static_cast<v1::Step>(77));
  EXPECT_EQ(Reason(FromProto(report).status()), "BAD_REPORT");
  report.set_step(v1::STEP_PAUSE);
  report.add_steps()->set_step(static_cast<v1::Step>(77));
  EXPECT_EQ(Reason(FromProto(report).status()), "BAD_REPORT");
}

TEST(ConvertTest, AnIncidentGoesThereAndBackWhole) {
  v1::UpdateReport report;
  support::FillEveryField(report);
  const auto parsed = FromProto(report);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ASSERT_TRUE(parsed->incident.has_value());
  EXPECT_EQ(ToProto(*parsed->incident).SerializeAsString(),
            report.incident().SerializeAsString());
}

TEST(ConvertTest, AnInventoryIsShownWhole) {
  v1::Inventory inventory;
  support::FillEveryField(inventory);
  const core::Host host = {.name = "hosts/h",
                           .inventory = FromProto(inventory)};
  const v1::Host shown = ToProto(host);
  ASSERT_EQ(shown.adapters_size(), 2);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(shown.adapters(i).SerializeAsString(),
              inventory.adapters(i).SerializeAsString());
  }
  EXPECT_EQ(shown.available_memory_bytes(), inventory.available_memory_bytes());
  EXPECT_EQ(host.inventory.fault, inventory.fault());
  inventory.add_hooks("a");
  EXPECT_EQ(
      FromProto(inventory).hooks,
      (std::vector<std::string>{"a", inventory.hooks(0), inventory.hooks(1)}));
}

TEST(ConvertTest, AManifestGoesThereAndBackWhole) {
  v1::DriverManifest manifest;
  support::FillEveryField(manifest);
  const core::Driver driver = {.manifest = FromProto(manifest),
                               .create_time = absl::UnixEpoch()};
  EXPECT_EQ(ToProto(driver).manifest().SerializeAsString(),
            manifest.SerializeAsString());
}

TEST(ConvertTest, APlanIsShownWhole) {
  const core::RolloutPlan plan = {
      .digest = "sha256:1",
      .waves = {{.name = "canary",
                 .bake = absl::Minutes(1),
                 .hosts = {{.host = "hosts/a",
                            .from_version = "1.0",
                            .vgpus = 2,
                            .to_driver = "drivers/d/versions/2",
                            .predicted_blackout = absl::Milliseconds(40),
                            .without_way_back = true,
                            .from_driver = "drivers/e/versions/1.0"}},
                 .approvals = 1,
                 .failures_max = 0,
                 .coverage = core::Coverage{.combinations = 3,
                                            .met = 2,
                                            .missed = {"m / p / g"}}}},
      .blocked = {{.host = "hosts/b", .reason = "R", .message = "m"}},
      .time = absl::FromUnixSeconds(7),
      .hosts = 1,
      .max_unavailable = 1,
      .failures_max = 1,
      .estimated_duration = absl::Minutes(2),
      .estimated_end = absl::FromUnixSeconds(127),
      .predicted_blackout = absl::Milliseconds(40)};
  core::Rollout rollout = {.name = "rollouts/r",
                           .reason = "R",
                           .message = "m",
                           .plan = plan,
                           .author = "ann",
                           .create_time = absl::FromUnixSeconds(1),
                           .start_time = absl::FromUnixSeconds(2),
                           .end_time = absl::FromUnixSeconds(3),
                           .approvals = {{.by = "bob",
                                          .wave = "canary",
                                          .digest = "sha256:1",
                                          .remark = "fine",
                                          .time = absl::FromUnixSeconds(4)}},
                           .rollback = "rollouts/r-back"};
  const v1::Rollout shown = ToProto(rollout, WithPlan::kYes);
  EXPECT_THAT(support::UnsetFieldsOf(shown.plan()), testing::IsEmpty());
  EXPECT_THAT(support::UnsetFieldsOf(shown.approvals(0)), testing::IsEmpty());
  EXPECT_EQ(shown.rollback(), "rollouts/r-back");
  EXPECT_FALSE(ToProto(rollout, WithPlan::kNo).has_plan());

  rollout.plan->estimated_end = absl::InfiniteFuture();
  EXPECT_FALSE(
      ToProto(rollout, WithPlan::kYes).plan().has_estimated_end_time());
}

TEST(ConvertTest, AnOrderCarriesItsHooks) {
  core::Order order = {.hooks = {.before = "drain", .after = "undrain"}};
  EXPECT_EQ(ToProto(order).hooks().before(), "drain");
  EXPECT_EQ(ToProto(order).hooks().after(), "undrain");
  order.hooks = {};
  EXPECT_FALSE(ToProto(order).has_hooks());
  order.hooks.before = "drain";
  order.kind = core::OrderKind::kCancel;
  EXPECT_FALSE(ToProto(order).has_hooks());
}

TEST(ConvertTest, ACapsuleIsShownWhole) {
  v1::UpdateReport report;
  support::FillEveryField(report);
  const core::UpdateReport parsed = FromProto(report).value();
  const v1::Capsule shown =
      ToProto("rollouts/r/updates/h",
              core::Capsule{.attempt = 2,
                            .time = absl::FromUnixSeconds(5),
                            .state = parsed.state,
                            .reason = "R",
                            .message = "m",
                            .from_version = "1",
                            .to_version = "2",
                            .steps = parsed.steps,
                            .vgpus = parsed.vgpus,
                            .saved = parsed.saved,
                            .incident = parsed.incident,
                            .expire_time = absl::FromUnixSeconds(9)});
  EXPECT_THAT(support::UnsetFieldsOf(shown), testing::IsEmpty());
}

TEST(ConvertTest, TakesNamesOfUpdatesApart) {
  EXPECT_EQ(ParseUpdateName("rollouts/r-1/updates/h.2").value(),
            (UpdateNames{"rollouts/r-1", "hosts/h.2"}));
  for (const char* name :
       {"", "rollouts/r", "rollouts/r/updates/", "rollouts//updates/h",
        "rollouts/r/updates/h/updates/h", "r/updates/h", "/updates/"}) {
    EXPECT_EQ(Reason(ParseUpdateName(name).status()), "BAD_NAME") << name;
  }
}

}  // namespace
}  // namespace baton::rpc
