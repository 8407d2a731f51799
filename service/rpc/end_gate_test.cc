#include "service/rpc/end_gate.h"

#include <atomic>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace baton::rpc {
namespace {

TEST(EndGateTest, FinishesAtOnceWhenNobodyHoldsIt) {
  EndGate gate;
  EXPECT_EQ(gate.End(absl::AbortedError("a")), absl::AbortedError("a"));
  EXPECT_EQ(gate.End(absl::OkStatus()), std::nullopt);
  EXPECT_FALSE(gate.Enter());
}

TEST(EndGateTest, FinishesWithTheFirstReasonOnceTheLastHoldIsGivenBack) {
  EndGate gate;
  ASSERT_TRUE(gate.Enter());
  ASSERT_TRUE(gate.Enter());
  EXPECT_EQ(gate.End(absl::OkStatus()), std::nullopt);
  EXPECT_EQ(gate.End(absl::AbortedError("late")), std::nullopt);
  EXPECT_FALSE(gate.Enter());
  EXPECT_EQ(gate.Leave(), std::nullopt);
  EXPECT_EQ(gate.Leave(), absl::OkStatus());
}

TEST(EndGateTest, StaysOpenUntilSomebodyWantsItsEnd) {
  EndGate gate;
  ASSERT_TRUE(gate.Enter());
  EXPECT_EQ(gate.Leave(), std::nullopt);
  EXPECT_TRUE(gate.Enter());
}

TEST(EndGateTest, TellsExactlyOneThreadToFinish) {
  for (int round = 0; round < 200; ++round) {
    EndGate gate;
    std::atomic<int> finishes = 0;
    std::vector<std::thread> threads(4);
    for (std::thread& thread : threads) {
      thread = std::thread([&] {
        if (gate.Enter() && gate.Leave().has_value()) ++finishes;
        if (gate.End(absl::OkStatus()).has_value()) ++finishes;
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(finishes, 1);
  }
}

}  // namespace
}  // namespace baton::rpc
