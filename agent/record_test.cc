#include "agent/record.h"

#include "gtest/gtest.h"

namespace baton::agent {
namespace {

core::Update Full() {
  core::Update update;
  update.epoch = 4;
  update.finished_attempt = 8;
  update.order.rollout = "rollouts/r";
  update.order.attempt = 9;
  update.order.driver = "drivers/a/versions/1";
  update.order.digest = "sha256:1";
  update.order.size_bytes = 77;
  update.order.deadlines.save = absl::Milliseconds(1500);
  update.way = core::Way::kBack;
  update.phase = core::Phase::kUnknown;
  update.paused = true;
  update.past_no_return = true;
  update.cancel_wanted = true;
  update.doomed = true;
  update.one_way = true;
  update.next = {"/n", "sha256:n", "d", "2"};
  update.previous = {"/p", "sha256:p", "d", "1"};
  update.next_package = "new";
  update.previous_package = "old";
  update.shim_instance = "00c0ffee00c0ffee";
  update.boot_id = "3e1f";
  update.present = {{3, "000000070000100a", "vm"}, {4, "000000070000100b", ""}};
  update.sequence = 12;
  update.acknowledged = 11;
  core::StepRecord record;
  record.step = core::Step::kRestore;
  record.way = core::Way::kBack;
  record.start = absl::FromUnixSeconds(1000) + absl::Milliseconds(1);
  record.elapsed = absl::Microseconds(1234567);
  record.code = absl::StatusCode::kInternal;
  record.reason = "START_FAILED";
  record.message = "no";
  record.nt_status = 0xC0000001;
  record.entry_point = "DxgkDdiStartDevice";
  record.rule = "R4";
  update.steps = {record};
  update.vgpus[3] = {3, "vm", true, absl::Milliseconds(20), ""};
  update.vgpus[4] = {4, "", false, std::nullopt, "missing"};
  update.saved = {2, 4096};
  update.reason = "START_FAILED";
  update.message = "step failed";
  return update;
}

TEST(RecordTest, AnUpdateUnderWayComesBackAsItWas) {
  EXPECT_EQ(UpdateOf(RecordOf(Full())), Full());
}

TEST(RecordTest, EachEndComesBack) {
  for (const core::End end :
       {core::End::kDone, core::End::kCancelled, core::End::kRolledBack,
        core::End::kQuarantined}) {
    SCOPED_TRACE(core::Name(end));
    core::Update update = Full();
    update.phase = core::Phase::kEnded;
    update.end = end;
    EXPECT_EQ(UpdateOf(RecordOf(update)), update);
  }
}

TEST(RecordTest, TheFenceComesBackWithoutAnUpdate) {
  core::Update update;
  update.epoch = 5;
  EXPECT_EQ(UpdateOf(RecordOf(update)), update);
}

TEST(RecordTest, EachStepComesBack) {
  for (int s = 0; s < static_cast<int>(core::Step::kInspect); ++s) {
    core::Update update = Full();
    update.steps[0].step = static_cast<core::Step>(s);
    EXPECT_EQ(UpdateOf(RecordOf(update)), update);
  }
}

}  // namespace
}  // namespace baton::agent
