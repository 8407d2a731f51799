#include "agent/convert.h"

#include <map>

#include "gtest/gtest.h"

namespace baton::agent {
namespace {

TEST(ConvertTest, EveryAdapterStateOfTheWireHasOurs) {
  std::map<core::AdapterState, int> seen;
  for (int s = v1::AdapterState_MIN; s <= v1::AdapterState_MAX; ++s) {
    ++seen[FromProto(static_cast<v1::AdapterState>(s))];
  }
  for (int s = 0; s <= static_cast<int>(core::kLastAdapterState); ++s) {
    const auto state = static_cast<core::AdapterState>(s);
    EXPECT_EQ(seen[state], 1) << core::Name(state);
  }
  EXPECT_EQ(FromProto(static_cast<v1::AdapterState>(999)),
            core::AdapterState::kUnknown);
}

TEST(ConvertTest, AbsentDeadlinesAreTheDocumentedOnes) {
  EXPECT_EQ(FromProto(v1::StepDeadlines()), core::Deadlines());
  v1::StepDeadlines proto;
  proto.mutable_gate()->set_nanos(5'000'000);
  EXPECT_EQ(FromProto(proto).gate, absl::Milliseconds(5));
}

TEST(ConvertTest, ReportShowsWhatIsTriedAgain) {
  core::Update update;
  update.order.attempt = 3;
  update.phase = core::Phase::kCommitted;
  update.sequence = 9;
  core::StepRecord done;
  done.step = core::Step::kCommit;
  core::StepRecord failed;
  failed.step = core::Step::kReopenGate;
  failed.code = absl::StatusCode::kInternal;
  failed.reason = "COMMAND_FAILED";
  failed.message = "rusty";
  update.steps = {done, failed};
  update.failures = 4;
  const v1::UpdateReport report = ReportOf(update);
  EXPECT_EQ(report.state(), v1::UPDATE_STATE_RUNNING);
  EXPECT_EQ(report.step(), v1::STEP_COMMIT);
  EXPECT_EQ(report.reason(), "COMMAND_FAILED");
  EXPECT_EQ(report.message(),
            "step 'reopen gate' failed 4 times and is tried again: rusty");
}

TEST(ConvertTest, CodesThatNobodyKnowsAreUnknown) {
  v1::StepResult proto;
  proto.set_code(12345);
  EXPECT_EQ(FromProto(proto).code, absl::StatusCode::kUnknown);
}

}  // namespace
}  // namespace baton::agent
