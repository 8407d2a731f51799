#include "agent/thread_worker.h"

#include "agent/testing/fakes.h"
#include "base/mailbox.h"
#include "gtest/gtest.h"

namespace baton::agent {
namespace {

class ThreadWorkerTest : public ::testing::Test {
 protected:
  ThreadWorkerTest() : stage_(StagedPackage()) {}

  // Returns the result of the job once the worker says that there is one.
  JobResult Await() {
    for (;;) {
      woken_.TakeAll(absl::Seconds(10));
      if (std::optional<JobResult> result = worker_.TakeResult()) {
        return *std::move(result);
      }
    }
  }

  testing::FakeClock clock_;
  testing::FakeShim shim_{core::Image{"/old", "sha256:1", "d", "1.0"}};
  testing::FakeGate gate_;
  testing::FakeMachine machine_;
  testing::FakeStage stage_;
  Steps steps_{{clock_, shim_, gate_, stage_, machine_}};
  Mailbox<int> woken_{16};
  ThreadWorker worker_{steps_, [this] { (void)woken_.TryPost(1); }};
};

TEST_F(ThreadWorkerTest, RunsOneJobAfterAnother) {
  for (int i = 0; i < 100; ++i) {
    worker_.Start({.kind = Job::Kind::kLook});
    EXPECT_EQ(Await().sight->image->version, "1.0");
    EXPECT_FALSE(worker_.TakeResult().has_value());
  }
}

TEST_F(ThreadWorkerTest, ReportsTheStepThatItRan) {
  core::Action action;
  action.step = core::Step::kCloseGate;
  gate_.close_failures = 1;
  worker_.Start({.kind = Job::Kind::kStep, .action = action});
  const JobResult result = Await();
  EXPECT_EQ(result.ended.step, core::Step::kCloseGate);
  EXPECT_EQ(result.ended.outcome.record.reason, "COMMAND_TOO_SLOW");
  EXPECT_EQ(result.ended.outcome.record.start, clock_.Now());
}

TEST_F(ThreadWorkerTest, FinishesItsJobBeforeItEnds) {
  {
    ThreadWorker short_lived(steps_, [] {});
    core::Action action;
    action.step = core::Step::kCloseGate;
    short_lived.Start({.kind = Job::Kind::kStep, .action = action});
  }
  EXPECT_FALSE(gate_.open);
}

}  // namespace
}  // namespace baton::agent
