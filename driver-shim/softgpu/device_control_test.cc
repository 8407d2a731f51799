#include "driver-shim/softgpu/device_control.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/reason.h"
#include "driver-shim/softgpu/testing/test_board.h"
#include "gtest/gtest.h"

namespace baton::softgpu {
namespace {

std::unique_ptr<DeviceControl> ControlOf(const TestBoard& board) {
  auto control = DeviceControl::Open(board.directory());
  CHECK(control.ok());
  return std::move(*control);
}

softgpu_command Fence(uint64_t value) {
  softgpu_command command = {};
  command.opcode = SOFTGPU_FENCE;
  command.value = value;
  return command;
}

TEST(DeviceControlTest, TellsWhatTheBoardIs) {
  TestBoard board(4, 9);
  auto control = ControlOf(board);
  const port::DeviceIdentity identity = control->Identity();
  EXPECT_EQ(identity.vendor_id, SOFTGPU_VENDOR_ID);
  EXPECT_EQ(identity.device_id, SOFTGPU_DEVICE_ID);
  EXPECT_EQ(identity.revision, 9u);
  EXPECT_EQ(identity.model, "Baton SoftGPU");
  EXPECT_EQ(identity.functions_max, 4u);
  EXPECT_EQ(identity.vram_bytes, uint64_t{4} << 20);
  ASSERT_EQ(control->Bars().size(), 6u);
  EXPECT_EQ(control->Bars()[1].path, board.directory() + "/vram");
  EXPECT_EQ(control->Bars()[1].bytes, uint64_t{4} << 20);
  EXPECT_EQ(control->Bars()[5].path, board.directory() + "/vf3");
  EXPECT_EQ(control->InterruptPath(), board.directory() + "/irq");
}

TEST(DeviceControlTest, ListsEnabledFunctionsWithTheirOwners) {
  TestBoard board;
  auto control = ControlOf(board);
  board.EnableFunction(3);
  board.EnableFunction(1);
  ASSERT_TRUE(control->Assign(3, "vm-3").ok());
  auto page = board.MapFunction(3);
  TestRing ring(page->As<softgpu_vf>());
  ring.Await(ring.Submit(Fence(11)));
  auto functions = control->Functions();
  ASSERT_TRUE(functions.ok());
  ASSERT_EQ(functions->size(), 2u);
  EXPECT_EQ((*functions)[0].partition_id, 1u);
  EXPECT_EQ((*functions)[0].guest, "");
  EXPECT_EQ((*functions)[1].partition_id, 3u);
  EXPECT_EQ((*functions)[1].guest, "vm-3");
  EXPECT_EQ((*functions)[1].vram_bytes, uint64_t{1} << 20);
  EXPECT_EQ((*functions)[1].commands_submitted, 1u);
  EXPECT_EQ((*functions)[1].commands_completed, 1u);
  EXPECT_EQ((*functions)[1].fence_value, 11u);
}

TEST(DeviceControlTest, RefusesAnAssignmentThatDoesNotFit) {
  TestBoard board;
  auto control = ControlOf(board);
  EXPECT_EQ(Reason(control->Assign(4, "vm")), "DEVICE_ASSIGNMENT");
  EXPECT_EQ(Reason(control->Assign(0, std::string(48, 'x'))),
            "DEVICE_ASSIGNMENT");
  EXPECT_TRUE(control->Assign(0, std::string(47, 'x')).ok());
}

TEST(DeviceControlTest, PausedEnginesExecuteNothingUntilResumed) {
  TestBoard board;
  auto control = ControlOf(board);
  board.EnableFunction(0);
  board.EnableFunction(1);
  auto page = board.MapFunction(0);
  TestRing ring(page->As<softgpu_vf>());
  ring.Await(ring.Submit(Fence(1)));
  ASSERT_TRUE(control->PauseEngines(absl::Seconds(30)).ok());
  ASSERT_TRUE(control->PauseEngines(absl::Seconds(30)).ok());
  auto paused = control->Functions();
  ASSERT_TRUE(paused.ok());
  EXPECT_GT((*paused)[0].stopped_at, (*paused)[0].started_at);
  const uint64_t later = ring.Submit(Fence(2));
  auto still = control->Functions();
  ASSERT_TRUE(still.ok());
  EXPECT_EQ((*still)[0].commands_submitted, 2u);
  EXPECT_EQ((*still)[0].commands_completed, 1u);
  EXPECT_EQ((*still)[0].registers, (*paused)[0].registers);

  ASSERT_TRUE(control->ResumeEngines(absl::Seconds(30)).ok());
  EXPECT_EQ(ring.Await(later)->executions, 1u);
  auto running = control->Functions();
  ASSERT_TRUE(running.ok());
  EXPECT_GT((*running)[0].started_at, (*running)[0].stopped_at);
  EXPECT_NE((*running)[0].registers, (*paused)[0].registers);
}

TEST(DeviceControlTest, ResumedEnginesInterrupt) {
  TestBoard board;
  auto control = ControlOf(board);
  board.EnableFunction(2);
  const int line = open(control->InterruptPath().c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(line, 0);
  ASSERT_TRUE(control->PauseEngines(absl::Seconds(30)).ok());
  ASSERT_TRUE(control->ResumeEngines(absl::Seconds(30)).ok());
  uint8_t message = 0;
  ASSERT_EQ(read(line, &message, 1), 1);
  EXPECT_EQ(message, SOFTGPU_INTERRUPT_STARTED | 2);
  close(line);
}

TEST(DeviceControlTest, WitnessSeesEachRegisterThatADriverCouldReset) {
  TestBoard board;
  auto control = ControlOf(board);
  board.EnableFunction(0);
  auto page = board.MapFunction(0);
  ASSERT_TRUE(control->PauseEngines(absl::Seconds(30)).ok());
  softgpu_function* registers = &board.pf()->functions[0];
  softgpu_mailbox* mailbox = &page->As<softgpu_vf>()->mailbox;
  const std::pair<const char*, uint64_t*> kRegisters[] = {
      {"window base", &registers->window_base},
      {"window bytes", &registers->window_bytes},
      {"completed", &registers->completed},
      {"fence", &registers->fence_value},
      {"fault count", &registers->fault_count},
      {"hash chain", &registers->hash_chain[15]},
      {"context", reinterpret_cast<uint64_t*>(&registers->contexts[15])},
      {"mailbox", &mailbox->response_sequence},
  };
  const Digest128 before = (*control->Functions())[0].registers;
  for (const auto& [name, word] : kRegisters) {
    *word ^= 1;
    EXPECT_NE((*control->Functions())[0].registers, before) << name;
    *word ^= 1;
  }
  EXPECT_EQ((*control->Functions())[0].registers, before);
  ASSERT_TRUE(control->ResumeEngines(absl::Seconds(30)).ok());
}

TEST(DeviceControlTest, NamesTheEngineThatDoesNotStop) {
  TestBoard board;
  auto control = ControlOf(board);
  board.EnableFunction(0);
  // Says that it is enabled but has no engine.
  board.pf()->functions[2].enabled = 1;
  const absl::Status stuck = control->PauseEngines(absl::Milliseconds(20));
  EXPECT_EQ(stuck.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(Reason(stuck), "ENGINE_STUCK");
  EXPECT_NE(stuck.message().find("function 2"), absl::string_view::npos);
  board.pf()->functions[2].enabled = 0;
  EXPECT_TRUE(control->ResumeEngines(absl::Seconds(30)).ok());
  EXPECT_EQ(board.pf()->functions[0].run_state,
            static_cast<uint32_t>(SOFTGPU_RUN));
}

TEST(DeviceControlTest, SaysThatTheDeviceIsGone) {
  TestBoard board;
  auto control = ControlOf(board);
  board.PowerOff();
  EXPECT_EQ(Reason(control->Functions().status()), "DEVICE_GONE");
  EXPECT_EQ(Reason(control->PauseEngines(absl::Seconds(1))), "DEVICE_GONE");
  EXPECT_EQ(Reason(control->ResumeEngines(absl::Seconds(1))), "DEVICE_GONE");
  EXPECT_EQ(Reason(control->Assign(0, "vm")), "DEVICE_GONE");
}

TEST(DeviceControlTest, FindsNoDeviceWhereThereIsNone) {
  EXPECT_EQ(DeviceControl::Open("/dev/shm/no-such-device").status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace baton::softgpu
