#include "agent/convert.h"

#include <map>
#include <vector>

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

v1::Order WithSteps(const std::vector<int>& steps) {
  v1::Order order;
  order.set_kind(v1::ORDER_KIND_START);
  for (const int step : steps) order.add_steps(static_cast<v1::Step>(step));
  return order;
}

TEST(ConvertTest, KnowsTheUpdateOfItsOwnRelease) {
  EXPECT_EQ(UnknownIn(WithSteps({1, 2, 3, 4, 6, 8, 9, 10, 11, 7, 12, 13})), "");
  // A release that does not say.
  EXPECT_EQ(UnknownIn(WithSteps({})), "");
}

TEST(ConvertTest, SaysWhatOfAnOrderItDoesNotKnow) {
  EXPECT_EQ(UnknownIn(WithSteps({1, 2, 99})),
            "wants step 99 where this release takes 'pause'");
  EXPECT_EQ(UnknownIn(WithSteps({1, 3})),
            "wants step STEP_PAUSE where this release takes 'close gate'");
  EXPECT_EQ(UnknownIn(WithSteps({1, 2})), "leaves off after 'gate closed'");
  EXPECT_EQ(UnknownIn(WithSteps({1, 2, 3, 4, 6, 8, 9, 10, 11, 7, 12, 13, 14})),
            "wants step 14 where this release has ended");
  v1::Order order = WithSteps({});
  order.set_kind(static_cast<v1::OrderKind>(7));
  EXPECT_EQ(UnknownIn(order), "is of kind 7, which this release does not know");
}

TEST(ConvertTest, CodesThatNobodyKnowsAreUnknown) {
  v1::StepResult proto;
  proto.set_code(12345);
  EXPECT_EQ(FromProto(proto).code, absl::StatusCode::kUnknown);
}

}  // namespace
}  // namespace baton::agent
