#include "driver-shim/port/order.h"

#include <map>
#include <string>

#include "gtest/gtest.h"

namespace baton::port {
namespace {

// One row a state, one letter a step in the order of kAdapterSteps: carried
// out, recorded result, or refused. Written by hand: a change here is a change
// of what an agent may rely on.
TEST(OrderTest, EveryStepInEveryStateIsAsInTheTable) {
  //                       prep paus save canc unld rest veri resu conf comm
  const std::map<AdapterState, std::string> kTable = {
      {AdapterState::kEmpty, "----------"},
      {AdapterState::kRunning, "C--C-----r"},
      {AdapterState::kPrepared, "rC-C------"},
      {AdapterState::kPaused, "-rCC------"},
      {AdapterState::kSaved, "--rCC-----"},
      {AdapterState::kUnloaded, "----CC----"},
      {AdapterState::kRestored, "----CrC---"},
      {AdapterState::kVerified, "----C-rC--"},
      {AdapterState::kResumed, "-C-----rC-"},
      {AdapterState::kConfirmed, "-C------rC"},
      {AdapterState::kBroken, "---C------"},
  };
  ASSERT_EQ(kTable.size(), kAdapterStates.size());
  for (const AdapterState state : kAdapterStates) {
    std::string row;
    for (const AdapterStep step : kAdapterSteps) {
      switch (Judge(state, step)) {
        case OrderVerdict::kCarryOut:
          row += 'C';
          break;
        case OrderVerdict::kRepeat:
          row += 'r';
          break;
        case OrderVerdict::kRefuse:
          row += '-';
          break;
      }
    }
    EXPECT_EQ(row, kTable.at(state)) << Name(state);
  }
}

TEST(OrderTest, TheWholeWayForwardIsLegal) {
  AdapterState state = AdapterState::kRunning;
  for (const AdapterStep step :
       {AdapterStep::kPrepare, AdapterStep::kPause, AdapterStep::kSave,
        AdapterStep::kUnload, AdapterStep::kRestore, AdapterStep::kVerify,
        AdapterStep::kResume, AdapterStep::kConfirm, AdapterStep::kCommit}) {
    EXPECT_EQ(Judge(state, step), OrderVerdict::kCarryOut) << Name(step);
    state = After(step);
  }
  EXPECT_EQ(state, AdapterState::kRunning);
}

}  // namespace
}  // namespace baton::port
