#include "agent/steps.h"

#include <fstream>
#include <string>

#include "agent/testing/fakes.h"
#include "base/digest.h"
#include "gtest/gtest.h"

namespace baton::agent {
namespace {

using core::AdapterState;
using core::Step;

class StepsTest : public ::testing::Test {
 protected:
  StepsTest() : shim_(OldImage()), stage_(NewPackage()) {}

  static core::Image OldImage() {
    const std::string path = ::testing::TempDir() + "/steps_test_old.so";
    std::ofstream(path) << "old";
    return {path, Sha256Of("old"), "softgpu", "1.0"};
  }

  static StagedPackage NewPackage() {
    StagedPackage package;
    package.name = "new";
    package.image = {"/new.so", Sha256Of("new"), "softgpu", "2.0"};
    package.pci_ids = {"1b70:0001"};
    return package;
  }

  core::Outcome Run(Step step) {
    core::Action action;
    action.step = step;
    action.attempt = 7;
    action.deadline = absl::Seconds(10);
    return steps_.Run(action, stop_);
  }

  testing::FakeClock clock_;
  testing::FakeShim shim_;
  testing::FakeGate gate_;
  testing::FakeMachine machine_;
  testing::FakeStage stage_;
  std::atomic<bool> stop_ = false;
  Steps steps_{{clock_, shim_, gate_, stage_, machine_}};
};

TEST_F(StepsTest, PrepareFindsBothDriversAndBothPackages) {
  const core::Outcome outcome = Run(Step::kPrepare);
  EXPECT_EQ(outcome.record.code, absl::StatusCode::kOk)
      << outcome.record.message;
  EXPECT_EQ(outcome.next, NewPackage().image);
  EXPECT_EQ(outcome.previous, OldImage());
  EXPECT_EQ(outcome.next_package, "new");
  EXPECT_EQ(outcome.previous_package, "");  // nothing was current
  EXPECT_EQ(outcome.record.start, clock_.Now());
  EXPECT_EQ(shim_.state(), AdapterState::kPrepared);
}

TEST_F(StepsTest, PrepareSaysWithWhomAndForWhomItWasBegun) {
  shim_.AddVgpu("vm-1");
  const core::Outcome outcome = Run(Step::kPrepare);
  EXPECT_EQ(outcome.shim_instance, "life-1");
  ASSERT_EQ(outcome.present.size(), 1u);
  EXPECT_EQ(outcome.present[0], (core::VirtualGpuIdentity{1, "1-1", "vm-1"}));
}

TEST_F(StepsTest, PrepareFailsWhenTheShimIsRestartedWhileItStages) {
  shim_.AddVgpu("vm-1");
  stage_.on_add = [&] { shim_.Restart(); };
  const core::Outcome outcome = Run(Step::kPrepare);
  EXPECT_EQ(outcome.record.reason, "SHIM_RESTARTED");
  EXPECT_EQ(outcome.shim_instance, "life-1");  // the next step sees the other
}

TEST_F(StepsTest, PrepareEndsWhenItIsGivenUp) {
  stop_.store(true);
  EXPECT_EQ(Run(Step::kPrepare).record.code, absl::StatusCode::kCancelled);
  EXPECT_TRUE(shim_.calls.empty());
}

TEST_F(StepsTest, PrepareSaysThatTheShimIsAway) {
  shim_.away = 1;
  const core::Outcome outcome = Run(Step::kPrepare);
  EXPECT_EQ(outcome.record.code, absl::StatusCode::kUnavailable);
  EXPECT_EQ(outcome.record.reason, "UNAVAILABLE");
}

TEST_F(StepsTest, CancelOfNothingIsDone) {
  EXPECT_EQ(Run(Step::kCancel).record.code, absl::StatusCode::kOk);
}

TEST_F(StepsTest, CancelThatIsRefusedElsewhereFails) {
  Run(Step::kPrepare);
  Run(Step::kPause);
  Run(Step::kSave);
  Run(Step::kUnload);
  const core::Outcome outcome = Run(Step::kCancel);
  EXPECT_EQ(outcome.record.code, absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(outcome.adapter, AdapterState::kUnloaded);
}

TEST_F(StepsTest, AFailedStepSaysWhatTheAdapterIsNow) {
  Run(Step::kPrepare);
  shim_.FailNext(Step::kPause, {.adapter = AdapterState::kBroken});
  EXPECT_EQ(Run(Step::kPause).adapter, AdapterState::kBroken);
}

TEST_F(StepsTest, InspectTellsAllThatARestartNeeds) {
  Run(Step::kPrepare);
  const core::Outcome outcome = Run(Step::kInspect);
  EXPECT_EQ(outcome.adapter, AdapterState::kPrepared);
  EXPECT_EQ(outcome.adapter_attempt, 7u);
  EXPECT_EQ(outcome.loaded, OldImage());
}

TEST_F(StepsTest, MessagesAreCutBetweenCharacters) {
  class Chatty final : public Gate {
   public:
    absl::Status Close(absl::Duration) override {
      std::string text = "x";
      for (int i = 0; i < 2000; ++i) text += "é";
      return absl::InternalError(text);
    }
    absl::Status Reopen(absl::Duration) override { return absl::OkStatus(); }
  };
  Chatty gate;
  Steps steps({clock_, shim_, gate, stage_, machine_});
  core::Action action;
  action.step = Step::kCloseGate;
  const std::string message = steps.Run(action, stop_).record.message;
  EXPECT_EQ(message.size(), 2047u);
  EXPECT_EQ(message.substr(message.size() - 2), "é");
}

}  // namespace
}  // namespace baton::agent
