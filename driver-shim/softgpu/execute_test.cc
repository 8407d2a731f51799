#include "driver-shim/softgpu/execute.h"

#include <cstring>
#include <vector>

#include "gtest/gtest.h"

namespace baton::softgpu {
namespace {

constexpr uint64_t kBytes = 4096;

struct Fixture {
  std::vector<uint8_t> vram = std::vector<uint8_t>(kBytes);
  softgpu_context contexts[SOFTGPU_CONTEXTS] = {};
  uint64_t chain = 7;
  uint64_t fence = 0;

  Fixture() { contexts[3] = {1, 42}; }
  Window window() { return {vram.data(), kBytes}; }
  uint64_t WordAt(uint64_t offset) const {
    uint64_t word = 0;
    std::memcpy(&word, vram.data() + offset, 8);
    return word;
  }
};

softgpu_command Command(uint32_t opcode, uint64_t dst, uint64_t src,
                        uint32_t bytes) {
  softgpu_command command = {};
  command.opcode = opcode;
  command.context = 3;
  command.context_tag = 42;
  command.dst = dst;
  command.src = src;
  command.bytes = bytes;
  command.value = 0x1122334455667788;
  return command;
}

TEST(CheckTest, LetsPassWhatIsInsideAndNothingElse) {
  Fixture board;
  const struct {
    softgpu_command command;
    uint32_t fault;
  } kCases[] = {
      {Command(SOFTGPU_FILL, 0, 0, kBytes), SOFTGPU_FAULT_NONE},
      {Command(SOFTGPU_FILL, 8, 0, kBytes), SOFTGPU_FAULT_BOUNDS},
      {Command(SOFTGPU_FILL, 4, 0, 8), SOFTGPU_FAULT_BOUNDS},
      {Command(SOFTGPU_FILL, 0, 0, 12), SOFTGPU_FAULT_BOUNDS},
      {Command(SOFTGPU_FILL, ~uint64_t{7}, 0, 16), SOFTGPU_FAULT_BOUNDS},
      {Command(SOFTGPU_COPY, 0, 64, 64), SOFTGPU_FAULT_NONE},
      {Command(SOFTGPU_COPY, 0, 56, 64), SOFTGPU_FAULT_BOUNDS},
      {Command(SOFTGPU_COPY, 0, kBytes, 64), SOFTGPU_FAULT_BOUNDS},
      {Command(SOFTGPU_HASH, kBytes - 8, 0, 64), SOFTGPU_FAULT_NONE},
      {Command(SOFTGPU_HASH, kBytes, 0, 64), SOFTGPU_FAULT_BOUNDS},
      {Command(SOFTGPU_HASH, 0, kBytes - 8, 64), SOFTGPU_FAULT_BOUNDS},
      {Command(SOFTGPU_FENCE, kBytes - 8, 0, 0), SOFTGPU_FAULT_NONE},
      {Command(SOFTGPU_FENCE, kBytes, 0, 0), SOFTGPU_FAULT_BOUNDS},
      {Command(0, 0, 0, 8), SOFTGPU_FAULT_OPCODE},
      {Command(5, 0, 0, 8), SOFTGPU_FAULT_OPCODE},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(Check(c.command, board.window(), board.contexts), c.fault)
        << "opcode " << c.command.opcode << " dst " << c.command.dst;
  }
}

TEST(CheckTest, RefusesAContextThatIsNotTheGuests) {
  Fixture board;
  softgpu_command command = Command(SOFTGPU_FILL, 0, 0, 8);
  command.context = SOFTGPU_CONTEXTS;
  EXPECT_EQ(Check(command, board.window(), board.contexts),
            SOFTGPU_FAULT_CONTEXT);
  command.context = 2;
  EXPECT_EQ(Check(command, board.window(), board.contexts),
            SOFTGPU_FAULT_CONTEXT);
  command.context = 3;
  command.context_tag = 41;
  EXPECT_EQ(Check(command, board.window(), board.contexts),
            SOFTGPU_FAULT_CONTEXT);
}

TEST(ExecuteTest, FillCopyAndFenceWriteWhatTheySay) {
  Fixture board;
  Execute(Command(SOFTGPU_FILL, 16, 0, 16), board.window(), &board.chain,
          &board.fence);
  EXPECT_EQ(board.WordAt(8), 0u);
  EXPECT_EQ(board.WordAt(16), 0x1122334455667788u);
  EXPECT_EQ(board.WordAt(24), 0x1122334455667788u);
  EXPECT_EQ(board.WordAt(32), 0u);
  Execute(Command(SOFTGPU_COPY, 64, 16, 8), board.window(), &board.chain,
          &board.fence);
  EXPECT_EQ(board.WordAt(64), 0x1122334455667788u);
  EXPECT_EQ(board.WordAt(72), 0u);
  Execute(Command(SOFTGPU_FENCE, 128, 0, 0), board.window(), &board.chain,
          &board.fence);
  EXPECT_EQ(board.fence, 0x1122334455667788u);
  EXPECT_EQ(board.WordAt(128), 0x1122334455667788u);
  EXPECT_EQ(board.chain, 7u);
}

TEST(ExecuteTest, HashGoesOnFromTheChain) {
  Fixture board;
  const uint64_t word = 5;
  std::memcpy(board.vram.data(), &word, 8);
  const uint64_t mixed = 7 ^ 5;
  const uint64_t want =
      ((mixed << 27) | (mixed >> 37)) * 0x9e3779b97f4a7c15u + 0x52dce729u;
  Execute(Command(SOFTGPU_HASH, 512, 0, 8), board.window(), &board.chain,
          &board.fence);
  EXPECT_EQ(board.chain, want);
  EXPECT_EQ(board.WordAt(512), want);
}

}  // namespace
}  // namespace baton::softgpu
