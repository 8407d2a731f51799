#include "driver-shim/softgpu/guest/model.h"

#include <vector>

#include "gtest/gtest.h"

namespace baton::softgpu {
namespace {

constexpr uint64_t kWindow = 1 << 20;

TEST(ModelTest, CommandsStayInsideTheWorkingSet) {
  Model model(kWindow, 3);
  model.SetWorkingSet(65536, 65536);
  bool seen[5] = {};
  for (uint32_t i = 0; i < 5000; ++i) {
    const softgpu_command command = model.Next(i % 512);
    ASSERT_GE(command.opcode, 1u);
    ASSERT_LE(command.opcode, 4u);
    seen[command.opcode] = true;
    const Written written = WrittenBy(command);
    ASSERT_GE(written.offset, 65536u);
    ASSERT_LE(written.offset + written.bytes, 131072u);
    ASSERT_EQ(written.offset % 8, 0u);
    if (command.opcode == SOFTGPU_COPY || command.opcode == SOFTGPU_HASH) {
      ASSERT_GE(command.src, 65536u + 16384);
      ASSERT_LE(command.src + command.bytes, 131072u);
    }
  }
  for (int opcode = 1; opcode <= 4; ++opcode) EXPECT_TRUE(seen[opcode]);
}

TEST(ModelTest, TheSameSeedGivesTheSameWork) {
  Model one(kWindow, 9), other(kWindow, 9);
  one.SetWorkingSet(0, 65536);
  other.SetWorkingSet(0, 65536);
  for (uint32_t i = 0; i < 100; ++i) {
    const softgpu_command a = one.Next(i);
    const softgpu_command b = other.Next(i);
    ASSERT_EQ(a.opcode, b.opcode);
    ASSERT_EQ(a.dst, b.dst);
    ASSERT_EQ(a.value, b.value);
  }
}

TEST(ModelTest, FindsOneWrongByteAndCountsItOnce) {
  Model model(kWindow, 3);
  std::vector<uint8_t> window(kWindow);
  EXPECT_TRUE(model.Check(window.data(), 0, kWindow));
  window[4097] = 1;
  EXPECT_TRUE(model.Check(window.data(), 0, 4096));
  EXPECT_FALSE(model.Check(window.data(), 4096, 4096));
  EXPECT_TRUE(model.Check(window.data(), 4096, 4096));
}

}  // namespace
}  // namespace baton::softgpu
