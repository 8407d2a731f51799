#include "driver-shim/port/driver_process.h"

#include <cstdlib>
#include <memory>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "driver-shim/port/block_index.h"
#include "driver-shim/port/kernel_memory.h"
#include "driver-shim/port/testdata/fake_device.h"
#include "gtest/gtest.h"

namespace baton::port {
namespace {

constexpr absl::Duration kPatient = absl::Seconds(20);
constexpr absl::Duration kImpatient = absl::Milliseconds(50);

std::string Data(const std::string& name) {
  return absl::StrCat("driver-shim/port/testdata/", name);
}

class DriverProcessTest : public testing::Test {
 protected:
  void SetUp() override {
    memory_ = *NamedMemory::Create(dir_ + "/memory", size_t{4} << 20);
    index_ = *NamedMemory::Create(dir_ + "/index", BlockIndex::kBytes);
    memory_->Remove();
    index_->Remove();
  }

  absl::StatusOr<std::unique_ptr<DriverProcess>> TryStart(
      const std::string& image) {
    return DriverProcess::Start({.executable = Data("driver_host"),
                                 .name = absl::StrCat(dir_, "/host-", ++hosts_),
                                 .memory_fd = memory_->fd(),
                                 .index_fd = index_->fd(),
                                 .image = image,
                                 .bars = device_.Bars(),
                                 .interrupts = device_.InterruptPath()},
                                RealClock(), kPatient);
  }

  std::unique_ptr<DriverProcess> Start(const std::string& fault) {
    auto process = TryStart(Data(absl::StrCat("miniport_", fault, ".so")));
    EXPECT_TRUE(process.ok()) << process.status();
    return std::move(*process);
  }

  // A driver that serves two virtual GPUs.
  std::unique_ptr<DriverProcess> Serve(const std::string& fault) {
    auto process = Start(fault);
    const auto loaded = process->Call(HostCommand::kLoad, kPatient);
    EXPECT_TRUE(loaded.ok()) << loaded.status();
    const auto created = process->CreateVirtualGpus(
        {{.partition_id = 0, .luid = {8, 0}, .vram_bytes = 64 << 20},
         {.partition_id = 1, .luid = {9, 0}, .vram_bytes = 64 << 20}},
        kPatient);
    EXPECT_TRUE(created.ok()) << created.status();
    EXPECT_TRUE(process->Call(HostCommand::kRun, kPatient).ok());
    return process;
  }

  const std::string dir_ = testing::TempDir();
  int hosts_ = 0;
  FakeDevice device_{testing::TempDir()};
  std::unique_ptr<NamedMemory> memory_;
  std::unique_ptr<NamedMemory> index_;
};

TEST_F(DriverProcessTest, ServesVirtualGpus) {
  const auto driver = Serve("none");
  const auto census = driver->Census(HostCommand::kCensus, 4, kPatient);
  ASSERT_TRUE(census.ok()) << census.status();
  ASSERT_EQ(census->census.size(), 2u);
  EXPECT_EQ(census->census[1].state.VirtualGpuLuid.LowPart, 9u);
  EXPECT_EQ(census->census[1].vram_bytes, uint64_t{64} << 20);
  EXPECT_NE(census->gpup_caps & 2, 0u);
  EXPECT_EQ(driver->LastLines(),
            std::vector<std::string>{"test: device added"});
}

TEST_F(DriverProcessTest, InterruptsReachTheDriverOnlyWhileItRuns) {
  const auto driver = Serve("none");
  const auto value = [&](HostCommand command) {
    const auto census = driver->Census(command, 1, kPatient);
    EXPECT_TRUE(census.ok()) << census.status();
    return census->census.at(0).state.Digest[0];
  };
  device_.Interrupt(3);
  // The interrupt and the command arrive in an order that is not defined, but
  // the one does not overtake the other twice.
  while (value(HostCommand::kCensus) != 101) {
  }
  EXPECT_EQ(value(HostCommand::kQuiesce), 101);
  device_.Interrupt(3);
  EXPECT_EQ(value(HostCommand::kCensus), 101);
  EXPECT_EQ(value(HostCommand::kCensus), 101);
  EXPECT_TRUE(driver->Call(HostCommand::kRun, kPatient).ok());
  while (value(HostCommand::kCensus) != 102) {
  }
}

TEST_F(DriverProcessTest, SavedStateComesBackInTheNextDriver) {
  auto old = Serve("none");
  const auto before = old->Census(HostCommand::kQuiesce, 4, kPatient);
  ASSERT_TRUE(before.ok());
  const auto saved = old->Call(HostCommand::kSave, kPatient);
  ASSERT_TRUE(saved.ok()) << saved.status();
  const auto blocks = BlockIndex(index_->data()).Read();
  ASSERT_TRUE(blocks.ok()) << blocks.status();
  ASSERT_EQ(blocks->size(), 5u);
  EXPECT_EQ((*blocks)[0].kind, BlockKind::kMdl);
  EXPECT_EQ((*blocks)[1].kind, BlockKind::kData);
  EXPECT_EQ((*blocks)[1].bytes, 5000u);
  EXPECT_EQ((*blocks)[2].kind, BlockKind::kRanges);
  const auto stopped = old->Call(HostCommand::kStop, kPatient);
  EXPECT_TRUE(stopped.ok()) << stopped.status();
  old->Kill();

  for (int round = 0; round < 2; ++round) {
    const auto next = Start("none");
    const auto loaded = next->Call(HostCommand::kLoadSaved, kPatient);
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    std::vector<std::string> calls;
    for (const EntryPointCall& call : next->Calls()) {
      calls.push_back(call.entry_point);
    }
    EXPECT_EQ(calls,
              (std::vector<std::string>{
                  "DriverEntry", "DxgkDdiAddDevice",
                  "DxgkDdiRestoreMemoryForHotUpdate",
                  "DxgkDdiRestoreMemoryForHotUpdate",
                  "DxgkDdiRestoreMemoryForHotUpdate",
                  "DxgkDdiRestoreMemoryForHotUpdate",
                  "DxgkDdiRestoreMemoryForHotUpdate", "DxgkDdiStartDevice",
                  "DxgkDdiQueryInterface", "DxgkDdiQueryAdapterInfo"}));
    const auto after = next->Census(HostCommand::kCensus, 4, kPatient);
    ASSERT_TRUE(after.ok()) << after.status();
    ASSERT_EQ(after->census.size(), before->census.size());
    for (size_t i = 0; i < after->census.size(); ++i) {
      EXPECT_EQ(std::memcmp(&after->census[i], &before->census[i],
                            sizeof(CensusAnswer)),
                0);
    }
    // What this one does is not seen by the one after it.
    EXPECT_TRUE(next->Call(HostCommand::kRun, kPatient).ok());
    device_.Interrupt(0);
    while (next->Census(HostCommand::kCensus, 1, kPatient)
               ->census.at(0)
               .state.Digest[0] != 101) {
    }
  }
  for (const SavedBlock& block : *blocks) {
    // What stays in place is digested by the shim, and not in here.
    if (block.kind != BlockKind::kData) continue;
    EXPECT_EQ(DigestOf(block, memory_->data(), kFirstPage), block.digest);
  }
}

struct FaultCase {
  const char* fault = "";
  HostCommand command = HostCommand::kLoad;
  const char* reason = "";
  const char* entry_point = "";
  int rule = 0;
  const char* in_message = "";
};

class FaultTest : public DriverProcessTest,
                  public testing::WithParamInterface<FaultCase> {};

TEST_P(FaultTest, IsAnEventWithACause) {
  const FaultCase& c = GetParam();
  const bool at_load = c.command == HostCommand::kLoad;
  const auto driver = at_load ? Start(c.fault) : Serve(c.fault);
  if (!at_load) {
    ASSERT_TRUE(driver->Census(HostCommand::kQuiesce, 4, kPatient).ok());
  }
  const bool hangs = std::string(c.reason) == "DRIVER_HUNG";
  const auto answer = driver->Call(c.command, hangs ? kImpatient : kPatient);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(Reason(answer.status()), c.reason) << answer.status();
  EXPECT_TRUE(absl::StrContains(answer.status().message(), c.in_message))
      << answer.status();
  EXPECT_EQ(driver->failed_entry_point(), c.entry_point);
  EXPECT_EQ(driver->broken_rule().value_or(Violation{}).rule, c.rule);
  EXPECT_EQ(driver->busy(), hangs);
  EXPECT_EQ(driver->Alive(), std::string(c.reason) != "DRIVER_CRASHED");
}

INSTANTIATE_TEST_SUITE_P(
    All, FaultTest,
    testing::Values(
        FaultCase{"crash_in_start", HostCommand::kLoad, "DRIVER_CRASHED",
                  "DxgkDdiStartDevice", 0, "signal 11 at address 0x8"},
        FaultCase{"hoards_in_start", HostCommand::kLoad, "DRIVER_CRASHED",
                  "DxgkDdiStartDevice", 0, "in DxgkDdiStartDevice"},
        FaultCase{"hang_in_start", HostCommand::kLoad, "DRIVER_HUNG",
                  "DxgkDdiStartDevice", 17, "it is in DxgkDdiStartDevice"},
        FaultCase{"start_fails", HostCommand::kLoad, "DRIVER_REFUSED",
                  "DxgkDdiStartDevice", 0, "0xc00000a3"},
        FaultCase{"abort_in_add", HostCommand::kLoad, "DRIVER_CRASHED",
                  "DxgkDdiAddDevice", 0, "signal 6"},
        FaultCase{"exit_in_stop", HostCommand::kStop, "DRIVER_CRASHED",
                  "DxgkDdiStopDevice", 0, "exited with 7"},
        FaultCase{"saves_outside", HostCommand::kLoad, "RULE_BROKEN",
                  "DxgkDdiQueryAdapterInfo", 2, "outside of Save"},
        FaultCase{"saves_page_twice", HostCommand::kSave, "RULE_BROKEN",
                  "DxgkDdiSaveMemoryForHotUpdate", 4, "saved twice"},
        FaultCase{"saves_data_twice", HostCommand::kSave, "RULE_BROKEN",
                  "DxgkDdiSaveMemoryForHotUpdate", 4, "saved twice"},
        FaultCase{"saves_two_forms", HostCommand::kSave, "RULE_BROKEN",
                  "DxgkDdiSaveMemoryForHotUpdate", 3, "block has 2"},
        FaultCase{"saves_too_much", HostCommand::kSave, "RULE_BROKEN",
                  "DxgkDdiSaveMemoryForHotUpdate", 16,
                  "block needs 16384 pages"},
        FaultCase{"writes_vram_in_stop", HostCommand::kStop, "DRIVER_CRASHED",
                  "DxgkDdiStopDevice", 14, "wrote to VRAM"},
        FaultCase{"leaks", HostCommand::kStop, "RULE_BROKEN", "DxgkDdiUnload",
                  7, "1 lists and 2 pages"},
        FaultCase{"crash_in_save", HostCommand::kSave, "DRIVER_CRASHED",
                  "DxgkDdiSaveMemoryForHotUpdate", 0, "signal 6"},
        FaultCase{"fails_after_a_block", HostCommand::kSave, "DRIVER_REFUSED",
                  "DxgkDdiSaveMemoryForHotUpdate", 0, "0xc0000001"}),
    [](const auto& test) { return std::string(test.param.fault); });

TEST_F(DriverProcessTest, RestoreFaultsAreTheNewDrivers) {
  const auto old = Serve("none");
  ASSERT_TRUE(old->Census(HostCommand::kQuiesce, 4, kPatient).ok());
  ASSERT_TRUE(old->Call(HostCommand::kSave, kPatient).ok());
  const auto twice = Start("frees_twice");
  EXPECT_EQ(Reason(twice->Call(HostCommand::kLoadSaved, kPatient).status()),
            "RULE_BROKEN");
  EXPECT_EQ(twice->broken_rule()->rule, 7);
  const auto fails = Start("frees_and_fails");
  EXPECT_EQ(Reason(fails->Call(HostCommand::kLoadSaved, kPatient).status()),
            "RULE_BROKEN");
  EXPECT_EQ(fails->broken_rule()->rule, 8);
  const auto writes = Start("writes_vram_in_start");
  EXPECT_EQ(Reason(writes->Call(HostCommand::kLoadSaved, kPatient).status()),
            "DRIVER_CRASHED");
  EXPECT_EQ(writes->broken_rule()->rule, 14);
}

TEST_F(DriverProcessTest, AnswerThatComesLateIsStillHad) {
  const auto driver = Serve("slow_save");
  const auto saved = driver->Call(HostCommand::kSave, kImpatient);
  EXPECT_EQ(Reason(saved.status()), "DRIVER_HUNG");
  EXPECT_EQ(driver->failed_entry_point(), "DxgkDdiSaveMemoryForHotUpdate");
  driver->RefuseSaves();
  const auto late = driver->AwaitLate(kPatient);
  EXPECT_EQ(Reason(late.status()), "RULE_BROKEN") << late.status();
  EXPECT_EQ(driver->broken_rule()->rule, 2);
  EXPECT_FALSE(driver->busy());
  EXPECT_TRUE(driver->Call(HostCommand::kCancelSave, kPatient).ok());
}

TEST_F(DriverProcessTest, ImageThatCannotBeOpenedSaysWhy) {
  const auto missing = TryStart("/nowhere/driver.so");
  EXPECT_EQ(Reason(missing.status()), "IMAGE_NOT_LOADABLE");
  EXPECT_TRUE(
      absl::StrContains(missing.status().message(), "/nowhere/driver.so"))
      << missing.status();
  EXPECT_EQ(Reason(TryStart(Data("driver_host")).status()),
            "IMAGE_NOT_LOADABLE");
}

TEST_F(DriverProcessTest, HostThatCannotBeStartedIsAnError) {
  EXPECT_EQ(Reason(DriverProcess::Start({.executable = "/nowhere/host",
                                         .name = dir_ + "/host-1",
                                         .memory_fd = memory_->fd(),
                                         .index_fd = index_->fd()},
                                        RealClock(), kPatient)
                       .status()),
            "DRIVER_NOT_STARTED");
}

}  // namespace
}  // namespace baton::port
