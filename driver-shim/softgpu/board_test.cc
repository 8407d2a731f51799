#include "driver-shim/softgpu/board.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "base/reason.h"
#include "driver-shim/softgpu/testing/test_board.h"
#include "gtest/gtest.h"

namespace baton::softgpu {
namespace {

softgpu_command Fill(uint64_t dst, uint64_t value) {
  softgpu_command command = {};
  command.opcode = SOFTGPU_FILL;
  command.dst = dst;
  command.bytes = 64;
  command.value = value;
  return command;
}

TEST(BoardTest, ExecutesInItsOwnWindowInOrder) {
  TestBoard board;
  board.EnableFunction(2);
  auto page = board.MapFunction(2);
  TestRing ring(page->As<softgpu_vf>());
  const softgpu_command* first = ring.Await(ring.Submit(Fill(128, 5)));
  EXPECT_EQ(first->executions, 1u);
  EXPECT_EQ(first->order, 1u);
  EXPECT_EQ(first->fault, SOFTGPU_FAULT_NONE);
  const softgpu_command* second = ring.Await(ring.Submit(Fill(0, 6)));
  EXPECT_EQ(second->order, 2u);
  uint64_t word = 0;
  std::memcpy(&word, board.vram() + (2 << 20) + 128, 8);
  EXPECT_EQ(word, 5u);
  EXPECT_EQ(board.pf()->functions[2].completed, 2u);
}

TEST(BoardTest, RecordsAFaultAndSkipsTheCommand) {
  TestBoard board;
  board.EnableFunction(0);
  auto page = board.MapFunction(0);
  TestRing ring(page->As<softgpu_vf>());
  const softgpu_command* outside =
      ring.Await(ring.Submit(Fill(uint64_t{1} << 20, 5)));
  EXPECT_EQ(outside->fault, SOFTGPU_FAULT_BOUNDS);
  EXPECT_EQ(board.pf()->functions[0].fault_count, 1u);
  EXPECT_EQ(board.pf()->functions[0].fault_code, SOFTGPU_FAULT_BOUNDS);
  EXPECT_EQ(board.pf()->functions[0].fault_sequence, 1u);
  EXPECT_EQ(ring.Await(ring.Submit(Fill(0, 6)))->fault, SOFTGPU_FAULT_NONE);
}

TEST(BoardTest, RefusesAWindowOutsideVramOrOverAnother) {
  TestBoard board;
  board.EnableFunction(0);
  softgpu_function* control = &board.pf()->functions[1];
  control->window_base = uint64_t{4} << 20;
  control->window_bytes = 4096;
  board.SetEnable(1, 1);
  EXPECT_EQ(control->enabled, 0u);
  control->window_base = 4096;
  board.SetEnable(1, 1);
  EXPECT_EQ(control->enabled, 0u);
  control->window_base = uint64_t{1} << 20;
  board.SetEnable(1, 1);
  EXPECT_EQ(control->enabled, 1u);
}

TEST(BoardTest, EnablingAgainScrubsAndResets) {
  TestBoard board;
  board.EnableFunction(1);
  auto page = board.MapFunction(1);
  TestRing ring(page->As<softgpu_vf>());
  ring.Await(ring.Submit(Fill(0, 77)));
  board.SetEnable(1, 0);
  EXPECT_EQ(page->As<softgpu_vf>()->enabled, 0u);
  board.EnableFunction(1);
  EXPECT_EQ(board.vram()[1 << 20], 0);
  EXPECT_EQ(page->As<softgpu_vf>()->submitted, 0u);
  EXPECT_EQ(ring.Await(ring.Submit(Fill(0, 78)))->order, 1u);
}

TEST(BoardTest, ARequestInTheMailboxIsAnInterrupt) {
  TestBoard board;
  board.EnableFunction(3);
  const int line =
      open((board.directory() + "/irq").c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(line, 0);
  auto page = board.MapFunction(3);
  softgpu_vf* registers = page->As<softgpu_vf>();
  softgpu_write64(&registers->mailbox.request_sequence, 1);
  softgpu_ring(&registers->doorbell);
  uint8_t message = 0xff;
  ASSERT_EQ(read(line, &message, 1), 1);
  EXPECT_EQ(message, SOFTGPU_INTERRUPT_MAILBOX | 3);
  close(line);
}

TEST(BoardTest, RefusesASecondBoardInTheSameDirectory) {
  TestBoard board;
  auto second =
      Board::Create({.directory = board.directory(), .vram_bytes = 4096});
  EXPECT_EQ(Reason(second.status()), "DEVICE_IN_USE");
}

TEST(BoardTest, RefusesOptionsOutOfRange) {
  const Board::Options kCases[] = {
      {.directory = "", .vram_bytes = 4096},
      {.directory = "/dev/shm/x", .functions = 0, .vram_bytes = 4096},
      {.directory = "/dev/shm/x", .functions = 65, .vram_bytes = 4096},
      {.directory = "/dev/shm/x", .vram_bytes = 0},
      {.directory = "/dev/shm/x", .vram_bytes = 4095},
      {.directory = "/dev/shm/x",
       .vram_bytes = 4096,
       .model = "a name of more than thirty-one bytes"},
  };
  for (const Board::Options& options : kCases) {
    EXPECT_EQ(Reason(Board::Create(options).status()), "DEVICE_OPTION");
  }
}

TEST(BoardTest, RemovesItsFilesWhenItEnds) {
  TestBoard board;
  board.PowerOff();
  struct stat info = {};
  EXPECT_NE(stat(board.directory().c_str(), &info), 0);
}

}  // namespace
}  // namespace baton::softgpu
