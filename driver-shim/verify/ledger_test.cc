#include "driver-shim/verify/ledger.h"

#include <set>

#include "base/reason.h"
#include "driver-shim/port/order.h"
#include "gtest/gtest.h"

namespace baton::verify {
namespace {

using port::AdapterStep;
using port::StepReport;

StepReport Failed(const std::string& reason, const std::string& entry_point) {
  return {.status = ErrorWithReason(absl::StatusCode::kInternal, reason, "why"),
          .entry_point = entry_point};
}

TEST(LedgerTest, WhatThePortNamesIsTakenAsItIs) {
  for (const AdapterStep step : port::kAdapterSteps) {
    StepReport report = Failed("RULE_BROKEN", "DxgkDdiStartDevice");
    report.rule = "R8";
    EXPECT_EQ(RuleBrokenBy(step, report, Role::kBoth), 8) << Name(step);
    EXPECT_EQ(RuleBrokenBy(step, Failed("DRIVER_HUNG", ""), Role::kBoth), 17)
        << Name(step);
    EXPECT_EQ(RuleBrokenBy(step, StepReport(), Role::kBoth), 0) << Name(step);
  }
}

TEST(LedgerTest, UnloadTellsThoughItSucceeds) {
  StepReport report = {.entry_point = "DxgkDdiStopDevice"};
  EXPECT_EQ(RuleBrokenBy(AdapterStep::kUnload, report, Role::kBoth), 13);
  report.rule = "R7";
  EXPECT_EQ(RuleBrokenBy(AdapterStep::kUnload, report, Role::kBoth), 7);
}

struct StepCase {
  AdapterStep step = AdapterStep::kPrepare;
  const char* reason = "";
  const char* entry_point = "";
  Role role = Role::kBoth;
  int rule = 0;
};

TEST(LedgerTest, EachFailureHasItsRule) {
  const char* const kRestore = "DxgkDdiRestoreMemoryForHotUpdate";
  const char* const kStart = "DxgkDdiStartDevice";
  const StepCase kCases[] = {
      {AdapterStep::kPrepare, "IMAGE_NOT_LOADABLE", "", Role::kBoth, 13},
      {AdapterStep::kPause, "VGPU_MISSING", "", Role::kBoth, 1},
      {AdapterStep::kSave, "DRIVER_REFUSED", "", Role::kBoth, 1},
      {AdapterStep::kSave, "DRIVER_CRASHED", "", Role::kBoth, 1},
      {AdapterStep::kSave, "SAVED_STATE_DAMAGED", "", Role::kBoth, 5},
      {AdapterStep::kCancel, "DRIVER_REFUSED", "", Role::kBoth, 11},
      {AdapterStep::kRestore, "DRIVER_REFUSED", kRestore, Role::kBoth, 5},
      {AdapterStep::kRestore, "DRIVER_REFUSED", kStart, Role::kBoth, 13},
      {AdapterStep::kRestore, "DRIVER_REFUSED", kStart, Role::kNew, 13},
      {AdapterStep::kRestore, "DRIVER_REFUSED", kStart, Role::kOld, 1},
      {AdapterStep::kRestore, "DRIVER_REFUSED", kRestore, Role::kOld, 5},
      {AdapterStep::kRestore, "DRIVER_REFUSED", kStart, Role::kBetween, 14},
      {AdapterStep::kVerify, "VGPU_CHANGED", "", Role::kBetween, 14},
      {AdapterStep::kVerify, "VGPU_MISSING", "", Role::kBoth, 1},
      {AdapterStep::kVerify, "VGPU_MISSING", "", Role::kNew, 5},
      {AdapterStep::kVerify, "VGPU_CHANGED", "", Role::kBoth, 5},
      {AdapterStep::kVerify, "VGPU_CHANGED", "", Role::kOld, 1},
      {AdapterStep::kResume, "DRIVER_CRASHED", "", Role::kBoth, 15},
      {AdapterStep::kConfirm, "VGPU_NO_PROGRESS", "", Role::kBoth, 15},
      {AdapterStep::kCommit, "DRIVER_REFUSED", "", Role::kBoth, 10},
  };
  for (const StepCase& each : kCases) {
    EXPECT_EQ(RuleBrokenBy(each.step, Failed(each.reason, each.entry_point),
                           each.role),
              each.rule)
        << port::Name(each.step) << " " << each.reason;
  }
}

TEST(LedgerTest, GuestsAreWitnesses) {
  EXPECT_EQ(RuleBrokenBy(softgpu::Report{.commands = 9}), 0);
  EXPECT_EQ(RuleBrokenBy(softgpu::Report{.wrong = 1}), 14);
  EXPECT_EQ(RuleBrokenBy(softgpu::Report{.mailbox_errors = 1}), 5);
  EXPECT_EQ(RuleBrokenBy(softgpu::Report{.stalls = 1}), 15);
}

TEST(LedgerTest, DriverThatCannotBeStartedHasARule) {
  EXPECT_EQ(RuleBrokenAtStart(Failed("DRIVER_HUNG", "").status), 17);
  EXPECT_EQ(RuleBrokenAtStart(Failed("GUEST_IDLE", "").status), 15);
  EXPECT_EQ(RuleBrokenAtStart(Failed("DRIVER_REFUSED", "").status), 13);
  EXPECT_EQ(RuleBrokenAtStart(ErrorWithReason(
                absl::StatusCode::kInternal, "RULE_BROKEN",
                "rule R2 is broken: driver saved a block outside of Save")),
            2);
  EXPECT_EQ(RuleBrokenAtStart(ErrorWithReason(absl::StatusCode::kInternal,
                                              "RULE_BROKEN", "rule R99 is")),
            13);
}

TEST(LedgerTest, VerdictsNeedEvidence) {
  Ledger ledger;
  EXPECT_TRUE(ledger.clean());
  ledger.Credit(RulesShownBy(AdapterStep::kSave, 4));
  for (int i = 0; i < 7; ++i) {
    ledger.Add({.rule = 2, .sequence = "update", .message = "why"});
  }
  EXPECT_FALSE(ledger.clean());
  const std::vector<Finding> findings = ledger.Findings();
  ASSERT_EQ(findings.size(), static_cast<size_t>(kRules));
  EXPECT_EQ(findings[0].outcome, Outcome::kPass);
  EXPECT_EQ(findings[1].outcome, Outcome::kFail);
  EXPECT_EQ(findings[1].detail,
            "update: why\nupdate: why\nupdate: why\nupdate: why\nupdate: why\n"
            "and 2 more");
  EXPECT_EQ(findings[4].outcome, Outcome::kNotApplicable);
  EXPECT_EQ(findings[16].name, "R17");
}

TEST(LedgerTest, EveryStepTogetherShowsAllButWhatHostilityShows) {
  std::set<int> shown;
  for (const AdapterStep step : port::kAdapterSteps) {
    for (const int rule : RulesShownBy(step, 1)) shown.insert(rule);
  }
  EXPECT_EQ(shown,
            (std::set<int>{1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15}));
}

TEST(LedgerTest, DescriptionNamesTheEntryPointAndTheLastLine) {
  StepReport report = Failed("DRIVER_REFUSED", "DxgkDdiStartDevice");
  report.driver_log = {"first", "last"};
  EXPECT_EQ(Describe(AdapterStep::kRestore, report),
            "RESTORE failed in DxgkDdiStartDevice with DRIVER_REFUSED: why; "
            "the driver's last line: last");
}

}  // namespace
}  // namespace baton::verify
