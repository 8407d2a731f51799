#include "agent/core/phase.h"

#include <map>
#include <utility>

#include "gtest/gtest.h"

namespace baton::agent::core {
namespace {

// Every pair not listed has no step, so adding a phase without deciding its
// step fails this test.
TEST(ArcOutOfTest, MatchesTheTableForEveryPair) {
  using P = Phase;
  using S = Step;
  const std::map<Phase, std::pair<Step, Phase>> both = {
      {P::kGateClosed, {S::kPause, P::kPaused}},
      {P::kPaused, {S::kSave, P::kSaved}},
      {P::kSaved, {S::kUnload, P::kUnloaded}},
      {P::kUnloaded, {S::kRestore, P::kRestored}},
      {P::kRestored, {S::kVerify, P::kVerified}},
      {P::kVerified, {S::kResume, P::kResumed}},
      {P::kResumed, {S::kConfirm, P::kConfirmed}},
      {P::kConfirmed, {S::kSwitch, P::kSwitched}},
      {P::kSwitched, {S::kCommit, P::kCommitted}},
      {P::kCommitted, {S::kReopenGate, P::kEnded}},
      {P::kCancelling, {S::kCancel, P::kCancelled}},
  };
  const std::map<Phase, std::pair<Step, Phase>> forward = {
      {P::kAccepted, {S::kPrepare, P::kPrepared}},
      {P::kPrepared, {S::kCloseGate, P::kGateClosed}},
      {P::kCancelled, {S::kReopenGate, P::kEnded}},
  };
  for (int w = 0; w <= static_cast<int>(kLastWay); ++w) {
    for (int p = 0; p <= static_cast<int>(kLastPhase); ++p) {
      const auto way = static_cast<Way>(w);
      const auto phase = static_cast<Phase>(p);
      SCOPED_TRACE(testing::Message() << Name(phase) << ", " << Name(way));
      auto want = both.find(phase);
      bool some = want != both.end();
      if (!some && way == Way::kForward) {
        want = forward.find(phase);
        some = want != forward.end();
      }
      const std::optional<Arc> got = ArcOutOf(way, phase);
      ASSERT_EQ(got.has_value(), some);
      if (!some) continue;
      EXPECT_EQ(got->from, phase);
      EXPECT_EQ(got->step, want->second.first);
      EXPECT_EQ(got->to, want->second.second);
    }
  }
}

}  // namespace
}  // namespace baton::agent::core
