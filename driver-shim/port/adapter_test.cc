#include "driver-shim/port/adapter.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/reason.h"
#include "driver-shim/port/block_index.h"
#include "driver-shim/port/kernel_memory.h"
#include "driver-shim/port/named_memory.h"
#include "driver-shim/port/order.h"
#include "driver-shim/port/testdata/fake_device.h"
#include "driver-shim/port/update_steps.h"
#include "gtest/gtest.h"

namespace baton::port {
namespace {

using Step = AdapterStep;
using State = AdapterState;

constexpr absl::Duration kPatient = absl::Seconds(20);
constexpr absl::Duration kImpatient = absl::Milliseconds(100);

DriverImage Image(const std::string& fault) {
  const std::string path =
      absl::StrCat("driver-shim/port/testdata/miniport_", fault, ".so");
  return {.path = path,
          .digest = *Sha256OfFile(path),
          .driver = "test",
          .version = fault};
}

// Real driver hosts and small drivers, on a device without hardware.
class AdapterTest : public testing::Test {
 protected:
  void Serve(const std::string& fault) {
    device_.enabled = 2;
    auto steps = UpdateSteps::Create(
        {.executable = "driver-shim/port/testdata/driver_host",
         .state_directory = testing::TempDir(),
         .memory_bytes = size_t{4} << 20,
         .tenants = {{"red", "S1-64"}, {"blue", "S1-64"}},
         .luid_high_part = 7},
        device_, RealClock());
    ASSERT_TRUE(steps.ok()) << steps.status();
    adapter_ = std::make_unique<DdiAdapter>("gpu0", device_, RealClock(),
                                            *std::move(steps));
    const absl::Status started = adapter_->Start(Image(fault), kPatient);
    ASSERT_TRUE(started.ok()) << started;
    old_ = Image(fault);
  }

  void TearDown() override {
    if (adapter_ != nullptr) adapter_->Stop(kPatient);
    EXPECT_NE(access((testing::TempDir() + "/memory").c_str(), F_OK), 0);
    EXPECT_NE(access((testing::TempDir() + "/blocks").c_str(), F_OK), 0);
  }

  absl::StatusOr<StepReport> Try(Step step, const DriverImage& image = {},
                                 absl::Duration deadline = kPatient) {
    return adapter_->Take({.step = step,
                           .attempt = attempt_,
                           .deadline = deadline,
                           .image = image});
  }

  // Takes a step that must be carried out, whatever comes of it.
  StepReport Take(Step step, const DriverImage& image = {},
                  absl::Duration deadline = kPatient) {
    auto report = Try(step, image, deadline);
    EXPECT_TRUE(report.ok()) << Name(step) << ": " << report.status();
    return report.ok() ? *report : StepReport{};
  }

  void TakeAll(const std::vector<Step>& steps, const DriverImage& image) {
    for (const Step step : steps) {
      const StepReport report = Take(step, image);
      EXPECT_TRUE(report.status.ok()) << Name(step) << ": " << report.status;
    }
  }

  State state() { return adapter_->Inspect().state; }

  // Of driver hosts, loaded or waiting; each has a named file as long as it is
  // kept.
  static size_t Hosts() {
    const std::filesystem::directory_iterator files(testing::TempDir());
    return static_cast<size_t>(
        std::count_if(begin(files), end(files), [](const auto& file) {
          const std::string name = file.path().filename();
          return absl::StartsWith(name, "host-") &&
                 !absl::EndsWith(name, ".sock");
        }));
  }

  // The one that is broken is its guests'; nobody else is left.
  void ExpectOneHost() {
    const absl::Duration end = RealClock().Monotonic() + kPatient;
    while (Hosts() > 1 && RealClock().Monotonic() < end) adapter_->Watch();
    EXPECT_LE(Hosts(), 1u);
  }

  // What every ending must leave: a driver that answers, engines that run.
  void ExpectServes(const DriverImage& image) {
    const AdapterReport report = adapter_->Inspect();
    EXPECT_EQ(report.state, State::kRunning);
    EXPECT_EQ(report.image, image);
    EXPECT_EQ(report.vgpus.size(), 2u);
    EXPECT_EQ(report.attempt, 0u);
    EXPECT_FALSE(device_.paused);
    // It can be asked, and saved again.
    ++attempt_;
    TakeAll({Step::kPrepare, Step::kPause, Step::kSave, Step::kCancel},
            Image("none"));
    EXPECT_EQ(state(), State::kRunning);
  }

  FakeDevice device_{testing::TempDir()};
  std::unique_ptr<DdiAdapter> adapter_;
  DriverImage old_;
  uint64_t attempt_ = 1;
};

const std::vector<Step> kToUnload = {Step::kPrepare, Step::kPause, Step::kSave,
                                     Step::kUnload};
const std::vector<Step> kFromRestore = {Step::kRestore, Step::kVerify,
                                        Step::kResume, Step::kConfirm,
                                        Step::kCommit};

TEST_F(AdapterTest, UpdatesAndTellsWhatItDid) {
  Serve("none");
  const DriverImage next = Image("leaks");
  EXPECT_EQ(adapter_->Inspect().pci_id, "1b70:0001");
  EXPECT_TRUE(adapter_->Inspect().hot_update_capable);
  TakeAll({Step::kPrepare}, next);
  const StepReport paused = Take(Step::kPause);
  EXPECT_TRUE(device_.paused);
  ASSERT_EQ(paused.census.size(), 2u);
  EXPECT_EQ(paused.census[1].vgpu,
            (VirtualGpu{.partition_id = 1,
                        .luid = "0000000700001001",
                        .profile = "S1-64",
                        .guest = "blue",
                        .vram_bytes = uint64_t{64} << 20}));
  const StepReport saved = Take(Step::kSave);
  EXPECT_EQ(saved.saved.blocks, 5u);
  EXPECT_EQ(saved.saved.bytes, 2 * 4096u + 4 + 5000 + 4096 + 200);
  EXPECT_EQ(adapter_->Inspect().saved->blocks, 5u);
  const StepReport unloaded = Take(Step::kUnload);
  ASSERT_EQ(unloaded.calls.size(), 3u);
  EXPECT_EQ(unloaded.calls[0].entry_point, "DxgkDdiStopDevice");
  EXPECT_EQ(adapter_->Inspect().image.path, "");
  TakeAll({Step::kRestore, Step::kVerify}, next);
  const StepReport resumed = Take(Step::kResume);
  EXPECT_FALSE(device_.paused);
  ASSERT_EQ(resumed.vgpus.size(), 2u);
  EXPECT_TRUE(resumed.vgpus[0].preserved);
  EXPECT_GT(resumed.vgpus[0].blackout.value_or(absl::ZeroDuration()),
            absl::ZeroDuration());
  TakeAll({Step::kConfirm, Step::kCommit}, next);
  EXPECT_EQ(adapter_->Inspect().saved, std::nullopt);
  ExpectServes(next);
}

TEST_F(AdapterTest, ManyUpdatesInARowLoseNoMemory) {
  Serve("none");
  for (attempt_ = 1; attempt_ <= 5; ++attempt_) {
    TakeAll(kToUnload, Image("none"));
    TakeAll(kFromRestore, Image("none"));
  }
  ExpectServes(Image("none"));
}

TEST_F(AdapterTest, GuestStateAdvancesBetweenUpdatesAndIsCarriedAlong) {
  Serve("none");
  TakeAll(kToUnload, Image("none"));
  device_.Interrupt(1);  // waits until the engines run again
  TakeAll({Step::kRestore, Step::kVerify, Step::kResume}, Image("none"));
  TakeAll({Step::kConfirm, Step::kCommit}, {});
  ++attempt_;
  TakeAll(kToUnload, Image("none"));
  TakeAll(kFromRestore, Image("none"));
}

// ---- before the point of no return ----

TEST_F(AdapterTest, CancelIsPossibleAfterEachStepBeforeUnload) {
  Serve("none");
  const std::vector<Step> kSteps = {Step::kPrepare, Step::kPause, Step::kSave};
  for (size_t count = 0; count <= kSteps.size(); ++count) {
    TakeAll({kSteps.begin(), kSteps.begin() + static_cast<long>(count)},
            Image("none"));
    const StepReport report = Take(Step::kCancel);
    EXPECT_TRUE(report.status.ok()) << report.status;
    EXPECT_EQ(state(), State::kRunning);
    EXPECT_FALSE(device_.paused);
    if (count < 2) continue;
    ASSERT_EQ(report.vgpus.size(), 2u);
    EXPECT_TRUE(report.vgpus[0].preserved) << report.vgpus[0].difference;
    EXPECT_TRUE(report.vgpus[0].blackout.has_value());
    EXPECT_EQ(report.calls.size(), count == 3 ? 1u : 0u);
  }
  ExpectServes(old_);
}

TEST_F(AdapterTest, PrepareRefusesWhatCannotBeUpdatedTo) {
  Serve("none");
  DriverImage wrong = Image("none");
  wrong.digest = Sha256Of("something else");
  EXPECT_EQ(Reason(Take(Step::kPrepare, wrong).status),
            "IMAGE_DIGEST_MISMATCH");
  wrong.path = "/nowhere.so";
  EXPECT_EQ(Take(Step::kPrepare, wrong).status.code(),
            absl::StatusCode::kNotFound);
  wrong.path = "driver-shim/port/testdata/driver_host";
  wrong.digest = *Sha256OfFile(wrong.path);
  EXPECT_EQ(Reason(Take(Step::kPrepare, wrong).status), "IMAGE_NOT_LOADABLE");
  ExpectServes(old_);
}

TEST_F(AdapterTest, DriverWithoutTheCapabilityIsNotUpdated) {
  Serve("no_caps");
  const StepReport report = Take(Step::kPrepare, Image("none"));
  EXPECT_EQ(Reason(report.status), "HOT_UPDATE_UNSUPPORTED");
  EXPECT_EQ(report.rule, "R12");
  EXPECT_EQ(state(), State::kRunning);
}

struct SaveCase {
  const char* fault = "";
  const char* reason = "";
  const char* rule = "";
  size_t calls_of_cancel = 1;
};

class SaveFaultTest : public AdapterTest,
                      public testing::WithParamInterface<SaveCase> {};

TEST_P(SaveFaultTest, IsCancelledAndNothingIsLost) {
  Serve(GetParam().fault);
  TakeAll({Step::kPrepare, Step::kPause}, Image("none"));
  const StepReport report = Take(Step::kSave);
  EXPECT_EQ(Reason(report.status), GetParam().reason) << report.status;
  EXPECT_EQ(report.rule, GetParam().rule);
  EXPECT_FALSE(report.driver_log.empty());
  EXPECT_EQ(state(), State::kPaused);
  EXPECT_EQ(Reason(Try(Step::kUnload).status()), "STEP_OUT_OF_ORDER");
  const StepReport cancelled = Take(Step::kCancel);
  EXPECT_TRUE(cancelled.status.ok()) << cancelled.status;
  EXPECT_EQ(cancelled.calls.size(), GetParam().calls_of_cancel);
  EXPECT_EQ(state(), State::kRunning);
  EXPECT_FALSE(device_.paused);
  for (const VirtualGpuResult& vgpu : cancelled.vgpus) {
    EXPECT_TRUE(vgpu.preserved) << vgpu.difference;
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, SaveFaultTest,
    testing::Values(SaveCase{"fails_after_a_block", "DRIVER_REFUSED", ""},
                    SaveCase{"saves_page_twice", "RULE_BROKEN", "R4"},
                    SaveCase{"saves_two_forms", "RULE_BROKEN", "R3"},
                    SaveCase{"saves_too_much", "RULE_BROKEN", "R16"},
                    SaveCase{"saves_nothing", "RULE_BROKEN", "R1"}),
    [](const auto& test) { return std::string(test.param.fault); });

TEST_F(AdapterTest, SaveThatIsSlowIsCancelledOnceItReturns) {
  Serve("slow_save");
  TakeAll({Step::kPrepare, Step::kPause}, Image("none"));
  const StepReport report = Take(Step::kSave, {}, kImpatient);
  EXPECT_EQ(Reason(report.status), "DRIVER_HUNG");
  EXPECT_EQ(report.entry_point, "DxgkDdiSaveMemoryForHotUpdate");
  EXPECT_EQ(state(), State::kPaused);
  const StepReport cancelled = Take(Step::kCancel);
  EXPECT_TRUE(cancelled.status.ok()) << cancelled.status;
  EXPECT_EQ(state(), State::kRunning);
  EXPECT_FALSE(device_.paused);
}

TEST_F(AdapterTest, SaveThatNeverReturnsBreaksTheAdapterButEnginesRun) {
  Serve("hang_in_save");
  TakeAll({Step::kPrepare, Step::kPause}, Image("none"));
  EXPECT_EQ(Reason(Take(Step::kSave, {}, kImpatient).status), "DRIVER_HUNG");
  const StepReport cancelled = Take(Step::kCancel, {}, kImpatient);
  EXPECT_EQ(Reason(cancelled.status), "DRIVER_HUNG");
  EXPECT_EQ(state(), State::kBroken);
  EXPECT_FALSE(device_.paused);
  EXPECT_TRUE(absl::StrContains(adapter_->Inspect().fault,
                                "DxgkDdiSaveMemoryForHotUpdate"));
}

TEST_F(AdapterTest, RegressionAFaultThatPassedIsNotShownForEver) {
  Serve("slow_save");
  TakeAll({Step::kPrepare, Step::kPause}, Image("none"));
  EXPECT_EQ(Reason(Take(Step::kSave, {}, kImpatient).status), "DRIVER_HUNG");
  const auto early = Take(Step::kCancel, {}, absl::Milliseconds(1));
  EXPECT_EQ(adapter_->Inspect().fault == "", early.status.ok());
  EXPECT_TRUE(Take(Step::kCancel).status.ok());
  EXPECT_EQ(state(), State::kRunning);
  EXPECT_EQ(adapter_->Inspect().fault, "");
}

TEST_F(AdapterTest, RegressionNobodyIsPreservedByADriverThatIsGone) {
  Serve("crash_in_save");
  TakeAll({Step::kPrepare, Step::kPause}, Image("none"));
  const StepReport report = Take(Step::kSave);
  ASSERT_FALSE(report.vgpus.empty());
  for (const VirtualGpuResult& vgpu : report.vgpus) {
    EXPECT_FALSE(vgpu.preserved);
    EXPECT_TRUE(absl::StrContains(vgpu.difference, "its driver is gone"))
        << vgpu.difference;
  }
}

TEST_F(AdapterTest, DriverThatDiesInSaveBreaksTheAdapterButEnginesRun) {
  Serve("crash_in_save");
  TakeAll({Step::kPrepare, Step::kPause}, Image("none"));
  const StepReport report = Take(Step::kSave);
  EXPECT_EQ(Reason(report.status), "DRIVER_CRASHED");
  EXPECT_EQ(report.entry_point, "DxgkDdiSaveMemoryForHotUpdate");
  EXPECT_EQ(state(), State::kBroken);
  EXPECT_FALSE(device_.paused);
  EXPECT_EQ(Reason(Take(Step::kCancel).status), "DRIVER_CRASHED");
  EXPECT_EQ(state(), State::kBroken);
}

TEST_F(AdapterTest, DriverThatRefusesCancelGoesOnAndIsReported) {
  Serve("refuses_cancel");
  TakeAll({Step::kPrepare, Step::kPause, Step::kSave}, Image("none"));
  const StepReport report = Take(Step::kCancel);
  EXPECT_EQ(Reason(report.status), "DRIVER_REFUSED");
  EXPECT_EQ(report.rule, "R11");
  EXPECT_EQ(state(), State::kRunning);
  EXPECT_FALSE(device_.paused);
  EXPECT_NE(adapter_->Inspect().fault, "");
}

TEST_F(AdapterTest, EnginesThatDoNotPauseTouchNothing) {
  Serve("none");
  TakeAll({Step::kPrepare}, Image("none"));
  device_.pause_result = ErrorWithReason(absl::StatusCode::kDeadlineExceeded,
                                         "ENGINE_STUCK", "engine 1 is stuck");
  EXPECT_EQ(Reason(Take(Step::kPause).status), "ENGINE_STUCK");
  EXPECT_EQ(state(), State::kPrepared);
  device_.pause_result = absl::OkStatus();
  TakeAll({Step::kCancel}, {});
  ExpectServes(old_);
}

TEST_F(AdapterTest, VgpuThatOnlyTheDeviceKnowsStopsThePause) {
  Serve("none");
  TakeAll({Step::kPrepare}, Image("none"));
  device_.enabled = 3;
  const StepReport report = Take(Step::kPause);
  EXPECT_EQ(Reason(report.status), "VGPU_MISSING");
  EXPECT_TRUE(absl::StrContains(report.status.message(), "partition 2"));
  EXPECT_EQ(state(), State::kPrepared);
  EXPECT_FALSE(device_.paused);
}

// ---- the way back ----

struct BackCase {
  const char* fault = "";
  Step fails = Step::kRestore;
  const char* reason = "";
  const char* entry_point = "";
  const char* rule = "";
  State state = State::kUnloaded;
};

class WayBackTest : public AdapterTest,
                    public testing::WithParamInterface<BackCase> {};

TEST_P(WayBackTest, OldDriverGetsTheSameBlocks) {
  const BackCase& c = GetParam();
  Serve("none");
  const DriverImage next = Image(c.fault);
  TakeAll(kToUnload, next);
  if (c.fails == Step::kVerify) TakeAll({Step::kRestore}, next);
  const bool hangs = std::string(c.reason) == "DRIVER_HUNG";
  const StepReport report =
      Take(c.fails, next, hangs ? kImpatient * 5 : kPatient);
  EXPECT_EQ(Reason(report.status), c.reason) << report.status;
  EXPECT_EQ(report.entry_point, c.entry_point);
  EXPECT_EQ(report.rule, c.rule);
  EXPECT_EQ(state(), c.state);
  EXPECT_TRUE(device_.paused);

  const StepReport unloaded = Take(Step::kUnload);
  EXPECT_TRUE(unloaded.status.ok()) << unloaded.status;
  EXPECT_EQ(state(), State::kUnloaded);
  for (const Step step : {Step::kRestore, Step::kVerify}) {
    const StepReport back = Take(step, old_);
    EXPECT_TRUE(back.status.ok()) << Name(step) << ": " << back.status;
  }
  TakeAll({Step::kResume, Step::kConfirm, Step::kCommit}, {});
  ExpectServes(old_);
}

INSTANTIATE_TEST_SUITE_P(
    All, WayBackTest,
    testing::Values(BackCase{"start_fails", Step::kRestore, "DRIVER_REFUSED",
                             "DxgkDdiStartDevice", ""},
                    BackCase{"crash_in_start", Step::kRestore, "DRIVER_CRASHED",
                             "DxgkDdiStartDevice", ""},
                    BackCase{"hang_in_start", Step::kRestore, "DRIVER_HUNG",
                             "DxgkDdiStartDevice", "R17"},
                    BackCase{"abort_in_add", Step::kRestore, "DRIVER_CRASHED",
                             "DxgkDdiAddDevice", ""},
                    BackCase{"frees_twice", Step::kRestore, "RULE_BROKEN",
                             "DxgkDdiRestoreMemoryForHotUpdate", "R7"},
                    BackCase{"frees_and_fails", Step::kRestore, "RULE_BROKEN",
                             "DxgkDdiRestoreMemoryForHotUpdate", "R8"},
                    BackCase{"writes_vram_in_start", Step::kRestore,
                             "DRIVER_CRASHED", "DxgkDdiStartDevice", "R14"},
                    BackCase{"saves_outside", Step::kRestore, "RULE_BROKEN",
                             "DxgkDdiQueryAdapterInfo", "R2"},
                    BackCase{"no_caps", Step::kRestore,
                             "HOT_UPDATE_UNSUPPORTED", "", "R12"},
                    BackCase{"loses_vgpu", Step::kVerify, "VGPU_MISSING", "",
                             "", State::kRestored},
                    BackCase{"changes_vgpu", Step::kVerify, "VGPU_CHANGED", "",
                             "", State::kRestored}),
    [](const auto& test) { return std::string(test.param.fault); });

TEST_F(AdapterTest, MissingVgpuIsNamedWithItsOwner) {
  Serve("none");
  TakeAll(kToUnload, Image("loses_vgpu"));
  TakeAll({Step::kRestore}, Image("loses_vgpu"));
  const StepReport report = Take(Step::kVerify);
  EXPECT_EQ(report.status.message(), "partition 1 ('blue') is missing");
  ASSERT_EQ(report.vgpus.size(), 2u);
  EXPECT_TRUE(report.vgpus[0].preserved);
  EXPECT_FALSE(report.vgpus[1].preserved);
}

TEST_F(AdapterTest, WhatWentWrongIsKeptUntilTheNextAttempt) {
  Serve("none");
  TakeAll(kToUnload, Image("loses_vgpu"));
  TakeAll({Step::kRestore}, Image("loses_vgpu"));
  EXPECT_EQ(adapter_->Inspect().incident, nullptr);
  ASSERT_FALSE(Take(Step::kVerify).status.ok());
  const auto incident = adapter_->Inspect().incident;
  ASSERT_NE(incident, nullptr);
  EXPECT_EQ(incident->attempt, 1u);
  EXPECT_EQ(incident->blocks.size(), adapter_->Inspect().saved->blocks);
  for (const BlockFacts& block : incident->blocks) {
    EXPECT_GT(block.bytes, 0u);
    EXPECT_NE(block.digest, Digest128{});
  }
  EXPECT_EQ(incident->before.size(), 2u);
  EXPECT_EQ(incident->after.size(), 1u);
  // What follows from it changes nothing.
  TakeAll({Step::kUnload, Step::kRestore, Step::kVerify, Step::kResume,
           Step::kConfirm, Step::kCommit},
          Image("none"));
  EXPECT_EQ(adapter_->Inspect().incident, incident);
}

TEST_F(AdapterTest, RegistersThatChangedAreSaidToBeWhose) {
  Serve("none");
  TakeAll({Step::kPrepare, Step::kPause, Step::kSave}, Image("none"));
  device_.functions[1].registers.low = 77;
  TakeAll({Step::kUnload, Step::kRestore}, Image("none"));
  const StepReport report = Take(Step::kVerify);
  EXPECT_EQ(Reason(report.status), "VGPU_CHANGED");
  EXPECT_EQ(report.rule, "R14");
  EXPECT_EQ(report.entry_point, "DxgkDdiStopDevice");
  EXPECT_TRUE(absl::StrContains(report.status.message(), "'blue'"));
}

struct UnloadCase {
  const char* fault = "";
  const char* entry_point = "";
  const char* rule = "";
};

class UnloadFaultTest : public AdapterTest,
                        public testing::WithParamInterface<UnloadCase> {};

// The state is saved: a driver that cannot be stopped is ended.
TEST_P(UnloadFaultTest, DoesNotStopTheUpdate) {
  Serve(GetParam().fault);
  TakeAll({Step::kPrepare, Step::kPause, Step::kSave}, Image("none"));
  const StepReport report = Take(Step::kUnload, {}, absl::Milliseconds(500));
  EXPECT_TRUE(report.status.ok()) << report.status;
  EXPECT_EQ(report.entry_point, GetParam().entry_point);
  EXPECT_EQ(report.rule, GetParam().rule);
  TakeAll(kFromRestore, Image("none"));
  ExpectServes(Image("none"));
}

INSTANTIATE_TEST_SUITE_P(
    All, UnloadFaultTest,
    testing::Values(UnloadCase{"exit_in_stop", "DxgkDdiStopDevice", ""},
                    UnloadCase{"stop_hangs", "DxgkDdiStopDevice", "R17"},
                    UnloadCase{"writes_vram_in_stop", "DxgkDdiStopDevice",
                               "R14"},
                    UnloadCase{"stop_queues_dpc", "DxgkDdiStopDevice", "R13"}),
    [](const auto& test) { return std::string(test.param.fault); });

TEST_F(AdapterTest, BlocksThatChangedAfterSaveAreNotHandedOver) {
  Serve("changes_after_save");
  TakeAll(kToUnload, Image("none"));
  const StepReport report = Take(Step::kRestore, Image("none"));
  EXPECT_EQ(Reason(report.status), "SAVED_STATE_DAMAGED") << report.status;
  EXPECT_EQ(report.rule, "R5");
  EXPECT_EQ(state(), State::kUnloaded);
}

// What is digested before the pause could change after it: so nothing is.
TEST_F(AdapterTest, EveryBlockIsDigestedAfterThePauseAndCheckedAtHandOver) {
  Serve("none");
  const auto index = NamedMemory::Attach(
      open((testing::TempDir() + "/blocks").c_str(), O_RDWR | O_CLOEXEC));
  const auto memory = NamedMemory::Attach(
      open((testing::TempDir() + "/memory").c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_TRUE(index.ok() && memory.ok());
  const BlockIndex blocks((*index)->data());
  for (const Step step : {Step::kPrepare, Step::kPause}) {
    TakeAll({step}, Image("leaks"));
    const auto before = blocks.Read();
    ASSERT_TRUE(before.ok()) << before.status();
    EXPECT_TRUE(before->empty()) << Name(step);
  }
  TakeAll({Step::kSave, Step::kUnload}, Image("leaks"));
  const auto saved = blocks.Read();
  ASSERT_TRUE(saved.ok()) << saved.status();
  ASSERT_EQ(saved->size(), 5u);
  for (const SavedBlock& block : *saved) {
    EXPECT_EQ(block.digest, DigestOf(block, (*memory)->data(), kFirstPage));
    std::byte& byte =
        (*memory)->data()[(block.runs[0].first - kFirstPage) * PAGE_SIZE +
                          block.byte_offset];
    byte ^= std::byte{1};
    EXPECT_EQ(Reason(Take(Step::kRestore, Image("leaks")).status),
              "SAVED_STATE_DAMAGED");
    byte ^= std::byte{1};
  }
  TakeAll(kFromRestore, Image("leaks"));
}

TEST_F(AdapterTest, EnginesThatDoNotResumeLeaveTheWayBackOpen) {
  Serve("none");
  TakeAll(kToUnload, Image("leaks"));
  TakeAll({Step::kRestore, Step::kVerify}, Image("leaks"));
  device_.resume_result = ErrorWithReason(absl::StatusCode::kDeadlineExceeded,
                                          "ENGINE_STUCK", "engine 1 is stuck");
  EXPECT_EQ(Reason(Take(Step::kResume).status), "ENGINE_STUCK");
  EXPECT_EQ(state(), State::kVerified);
  device_.resume_result = absl::OkStatus();
  TakeAll({Step::kUnload}, {});
  TakeAll(kFromRestore, old_);
  ExpectServes(old_);
}

TEST_F(AdapterTest, ReverseUpdateAfterConfirmFailed) {
  Serve("none");
  TakeAll(kToUnload, Image("leaks"));
  TakeAll({Step::kRestore, Step::kVerify, Step::kResume}, Image("leaks"));
  device_.engines = FakeDevice::Engines::kStand;
  const StepReport report = Take(Step::kConfirm, {}, kImpatient);
  EXPECT_EQ(Reason(report.status), "VGPU_NO_PROGRESS");
  EXPECT_EQ(report.rule, "R15");
  EXPECT_TRUE(absl::StrContains(report.status.message(), "('blue')"));
  EXPECT_EQ(state(), State::kResumed);
  ASSERT_EQ(report.vgpus.size(), 2u);
  EXPECT_EQ(report.vgpus[1].difference, "makes no progress");

  device_.engines = FakeDevice::Engines::kWork;
  TakeAll({Step::kPause, Step::kSave, Step::kUnload}, {});
  TakeAll(kFromRestore, old_);
  ExpectServes(old_);
}

TEST_F(AdapterTest, ReverseUpdateThatIsCancelledLeavesTheNewDriver) {
  Serve("none");
  TakeAll(kToUnload, Image("leaks"));
  TakeAll({Step::kRestore, Step::kVerify, Step::kResume}, Image("leaks"));
  TakeAll({Step::kPause, Step::kSave, Step::kCancel}, {});
  EXPECT_EQ(state(), State::kResumed);
  EXPECT_FALSE(device_.paused);
  TakeAll({Step::kConfirm, Step::kCommit}, {});
  ExpectServes(Image("leaks"));
}

TEST_F(AdapterTest, RegressionReverseUpdateIsForgottenOnceItEnded) {
  Serve("none");
  TakeAll(kToUnload, Image("leaks"));
  TakeAll({Step::kRestore, Step::kVerify, Step::kResume}, Image("leaks"));
  TakeAll({Step::kPause, Step::kSave, Step::kUnload}, {});
  TakeAll(kFromRestore, old_);
  ++attempt_;
  // Too short for any answer but a very quick one, after which the rest holds
  // as well.
  (void)Take(Step::kPrepare, Image("none"), absl::ZeroDuration());
  const StepReport cancelled = Take(Step::kCancel);
  EXPECT_TRUE(cancelled.status.ok()) << cancelled.status;
  EXPECT_EQ(state(), State::kRunning);
  EXPECT_EQ(cancelled.calls.size(), 0u);  // it has not saved
  ExpectServes(old_);
}

TEST_F(AdapterTest, RegressionCommitThatHangsLeavesADriverThatCanBeSaved) {
  Serve("none");
  TakeAll(kToUnload, Image("leaks"));
  TakeAll({Step::kRestore, Step::kVerify, Step::kResume, Step::kConfirm},
          Image("leaks"));
  // Too short for any answer but a very quick one: then nothing is cancelled.
  (void)Take(Step::kCommit, {}, absl::ZeroDuration());
  const StepReport cancelled = Take(Step::kCancel);
  EXPECT_TRUE(cancelled.status.ok()) << cancelled.status;
  ExpectServes(Image("leaks"));
  ++attempt_;
  TakeAll(kToUnload, Image("none"));
  TakeAll(kFromRestore, Image("none"));
}

TEST_F(AdapterTest, DriverThatHangsOnceEnginesRunIsBroken) {
  Serve("none");
  TakeAll(kToUnload, Image("hang_in_interrupt"));
  device_.Interrupt(0);
  TakeAll({Step::kRestore, Step::kVerify, Step::kResume},
          Image("hang_in_interrupt"));
  const StepReport report = Take(Step::kConfirm, {}, kImpatient);
  EXPECT_EQ(Reason(report.status), "DRIVER_HUNG");
  EXPECT_EQ(report.entry_point, "DxgkDdiInterruptRoutine");
  EXPECT_EQ(state(), State::kBroken);
}

// ./dev faults --only matrix --way stop --point host.in_restore_complete
TEST_F(AdapterTest, RegressionNobodyWaitsForABrokenAdapter) {
  Serve("none");
  TakeAll(kToUnload, Image("hang_in_interrupt"));
  device_.Interrupt(0);
  TakeAll({Step::kRestore, Step::kVerify, Step::kResume},
          Image("hang_in_interrupt"));
  EXPECT_GT(Hosts(), 1u);  // the old driver's waits for a way back
  (void)Take(Step::kConfirm, {}, kImpatient);
  EXPECT_EQ(state(), State::kBroken);
  ExpectOneHost();
}

TEST_F(AdapterTest, RegressionNobodyWaitsOnceADriverDiedByItself) {
  Serve("none");
  TakeAll(kToUnload, Image("crash_in_interrupt"));
  TakeAll({Step::kRestore, Step::kVerify, Step::kResume, Step::kConfirm},
          Image("crash_in_interrupt"));
  device_.Interrupt(0);
  while (state() == State::kConfirmed) adapter_->Watch();
  EXPECT_EQ(state(), State::kBroken);
  ExpectOneHost();
}

// Nobody asked for anything when it happened.
TEST_F(AdapterTest, RegressionRuleBrokenBetweenTwoStepsIsTold) {
  Serve("frees_twice_in_dpc");
  device_.Interrupt(0);
  const StepReport report = Take(Step::kPrepare, Image("none"));
  EXPECT_TRUE(report.status.ok()) << report.status;
  EXPECT_EQ(report.rule, "R7");
  EXPECT_EQ(report.entry_point, "DxgkDdiDpcRoutine");
  // It is told once.
  EXPECT_EQ(Take(Step::kPause).rule, "");
}

TEST_F(AdapterTest, RegressionNewDriverThatBreaksARuleAtWorkIsNotConfirmed) {
  Serve("none");
  TakeAll(kToUnload, Image("frees_twice_in_dpc"));
  device_.Interrupt(0);
  TakeAll({Step::kRestore, Step::kVerify, Step::kResume},
          Image("frees_twice_in_dpc"));
  const StepReport report = Take(Step::kConfirm);
  EXPECT_EQ(Reason(report.status), "RULE_BROKEN") << report.status;
  EXPECT_EQ(report.rule, "R7");
  EXPECT_EQ(report.entry_point, "DxgkDdiDpcRoutine");
  // Nor does it stand in the way back.
  device_.Interrupt(0);
  TakeAll({Step::kPause, Step::kSave, Step::kUnload}, {});
  TakeAll(kFromRestore, old_);
  ExpectServes(old_);
}

// ---- attempts and repeats ----

TEST_F(AdapterTest, RepeatedStepGivesTheRecordedResult) {
  Serve("none");
  for (const Step step : {Step::kPrepare, Step::kPause, Step::kSave}) {
    const StepReport first = Take(step, Image("none"));
    const StepReport again = Take(step, Image("none"));
    EXPECT_TRUE(again.status.ok());
    EXPECT_EQ(again.elapsed, first.elapsed) << Name(step);
    EXPECT_EQ(again.census, first.census);
  }
  TakeAll({Step::kUnload}, {});
  TakeAll({Step::kUnload}, {});
  for (const Step step : kFromRestore) {
    const StepReport first = Take(step, Image("none"));
    const StepReport again = Take(step, Image("none"));
    EXPECT_EQ(again.elapsed, first.elapsed) << Name(step);
  }
}

TEST_F(AdapterTest, AttemptsDoNotMix) {
  Serve("none");
  attempt_ = 5;
  TakeAll({Step::kPrepare}, Image("none"));
  attempt_ = 6;
  EXPECT_EQ(Reason(Try(Step::kPause).status()), "STALE_ATTEMPT");
  EXPECT_EQ(Reason(Try(Step::kCancel).status()), "STALE_ATTEMPT");
  attempt_ = 5;
  TakeAll({Step::kCancel, Step::kCancel}, {});
  attempt_ = 4;
  EXPECT_EQ(Reason(Try(Step::kPrepare, Image("none")).status()),
            "STALE_ATTEMPT");
  // One that was cancelled may be tried again; one that was committed, not.
  attempt_ = 5;
  TakeAll(kToUnload, Image("none"));
  TakeAll(kFromRestore, Image("none"));
  EXPECT_EQ(Reason(Try(Step::kPrepare, Image("none")).status()),
            "STALE_ATTEMPT");
  EXPECT_EQ(Reason(Try(Step::kPause).status()), "STEP_OUT_OF_ORDER");
}

TEST_F(AdapterTest, DriverThatDiesWhileNothingHappensIsNoticed) {
  Serve("crash_in_interrupt");
  adapter_->Watch();
  EXPECT_EQ(state(), State::kRunning);
  device_.Interrupt(0);
  while (state() == State::kRunning) adapter_->Watch();
  EXPECT_EQ(state(), State::kBroken);
  EXPECT_EQ(adapter_->Inspect().fault,
            "driver host died in DxgkDdiInterruptRoutine");
  EXPECT_EQ(Reason(Try(Step::kPrepare, Image("none")).status()),
            "STEP_OUT_OF_ORDER");
}

TEST_F(AdapterTest, RegressionADeviceThatIsGoneIsAFault) {
  Serve("none");
  EXPECT_EQ(adapter_->Inspect().fault, "");
  device_.functions_result = absl::UnavailableError("device is gone");
  EXPECT_EQ(adapter_->Inspect().fault, "device is gone");
}

TEST_F(AdapterTest, RegressionAStandbyIsKnownByThePathThatWasOpened) {
  Serve("none");
  const DriverImage next = Image("none");
  TakeAll(kToUnload, next);
  DriverImage elsewhere = next;
  elsewhere.path = "/nonexistent/image.so";
  EXPECT_TRUE(Take(Step::kRestore, elsewhere).status.ok());
  EXPECT_EQ(adapter_->Inspect().image.path, next.path);
}

}  // namespace
}  // namespace baton::port
