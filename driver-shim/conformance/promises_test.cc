#include "driver-shim/conformance/promises.h"

#include "gtest/gtest.h"

namespace baton::conformance {
namespace {

TEST(PromisesTest, EveryPairOfStateAndVerbHasItsAnswer) {
  // D done, R repeated, - refused; in the order of kVerbs.
  const std::vector<std::pair<v1::AdapterState, std::string>> kTable = {
      {v1::ADAPTER_STATE_RUNNING, "D--D------"},
      {v1::ADAPTER_STATE_PREPARED, "RD-D------"},
      {v1::ADAPTER_STATE_PAUSED, "-RDD------"},
      {v1::ADAPTER_STATE_SAVED, "--RDD-----"},
      {v1::ADAPTER_STATE_UNLOADED, "----DD----"},
      {v1::ADAPTER_STATE_RESTORED, "----DRD---"},
      {v1::ADAPTER_STATE_VERIFIED, "----D-RD--"},
      {v1::ADAPTER_STATE_RESUMED, "-D-----RD-"},
      {v1::ADAPTER_STATE_CONFIRMED, "-D------RD"},
  };
  ASSERT_EQ(kTable.size(), kStates.size());
  for (const auto& [state, row] : kTable) {
    std::string found;
    for (const Verb verb : kVerbs) {
      switch (Expect(state, verb)) {
        case Expected::kDone:
          found += 'D';
          break;
        case Expected::kRepeated:
          found += 'R';
          break;
        case Expected::kRefused:
          found += '-';
          break;
      }
    }
    EXPECT_EQ(found, row) << Name(state);
  }
}

TEST(PromisesTest, PathLeadsThroughStepsWhoseTurnItIs) {
  for (const v1::AdapterState goal : kStates) {
    v1::AdapterState state = v1::ADAPTER_STATE_RUNNING;
    for (const Verb verb : PathTo(goal)) {
      EXPECT_EQ(Expect(state, verb), Expected::kDone)
          << Name(verb) << " in " << Name(state);
      state = After(verb);
    }
    EXPECT_EQ(state, goal);
  }
}

TEST(PromisesTest, NamesAreThoseOfTheWire) {
  EXPECT_EQ(Name(v1::ADAPTER_STATE_CONFIRMED), "CONFIRMED");
  EXPECT_EQ(Name(Verb::kConfirm), "Confirm");
}

}  // namespace
}  // namespace baton::conformance
