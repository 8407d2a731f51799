// The whole of a host below its agent: a real device with guests at work, real
// driver hosts, the reference driver and its builds that misbehave.

#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/mutex.h"
#include "base/reason.h"
#include "driver-shim/port/adapter.h"
#include "driver-shim/port/order.h"
#include "driver-shim/port/update_steps.h"
#include "driver-shim/softgpu/board.h"
#include "driver-shim/softgpu/device_control.h"
#include "driver-shim/softgpu/guest/tenant.h"
#include "gtest/gtest.h"

namespace baton::shim {
namespace {

using Step = port::AdapterStep;
using State = port::AdapterState;

constexpr absl::Duration kPatient = absl::Seconds(20);
constexpr absl::Duration kImpatient = absl::Milliseconds(300);
constexpr int kGuests = 2;

port::DriverImage Image(const std::string& name) {
  const std::string path =
      absl::StrCat("driver-shim/miniport/softgpu_", name, ".so");
  return {.path = path,
          .digest = *Sha256OfFile(path),
          .driver = "softgpu",
          .version = name};
}

// Ends all guests at once; each asks from its own thread.
class Bell final : public softgpu::Stop {
 public:
  bool WaitFor(absl::Duration timeout) override {
    MutexLock lock(mu_);
    if (!rung_) rung_changed_.WaitFor(mu_, timeout);
    return rung_;
  }
  void Ring() {
    MutexLock lock(mu_);
    rung_ = true;
    rung_changed_.SignalAll();
  }

 private:
  Mutex mu_;
  CondVar rung_changed_;
  bool rung_ ABSL_GUARDED_BY(mu_) = false;
};

class UpdateTest : public testing::Test {
 protected:
  void Serve(const std::string& driver) {
    char directory[] = "/tmp/update_test.XXXXXX";
    ASSERT_NE(mkdtemp(directory), nullptr);
    directory_ = directory;
    auto board = softgpu::Board::Create({.directory = directory_ + "/gpu",
                                         .functions = kGuests,
                                         .vram_bytes = kGuests << 23});
    ASSERT_TRUE(board.ok()) << board.status();
    board_ = *std::move(board);
    auto device = softgpu::DeviceControl::Open(directory_ + "/gpu");
    ASSERT_TRUE(device.ok()) << device.status();
    device_ = *std::move(device);
    auto steps = port::UpdateSteps::Create(
        {.executable = "driver-shim/baton-shim",
         .state_directory = directory_,
         .memory_bytes = size_t{8} << 20,
         .tenants = {{"red", "S1-8"}, {"blue", "S1-8"}}},
        *device_, RealClock());
    ASSERT_TRUE(steps.ok()) << steps.status();
    adapter_ = std::make_unique<port::DdiAdapter>("gpu0", *device_, RealClock(),
                                                  *std::move(steps));
    old_ = Image(driver);
    const absl::Status started = adapter_->Start(old_, kPatient);
    ASSERT_TRUE(started.ok()) << started;
    StartGuests();
  }

  void StartGuests() {
    for (int i = 0; i < kGuests; ++i) {
      auto tenant =
          softgpu::Tenant::Create({.directory = directory_ + "/gpu",
                                   .function = static_cast<uint32_t>(i),
                                   .rate = 4000,
                                   .mailbox_period = absl::Milliseconds(2),
                                   .working_bytes = 64 << 10,
                                   .seed = static_cast<uint64_t>(i) + 1,
                                   .on_ready = [this] { ++guests_ready_; }});
      ASSERT_TRUE(tenant.ok()) << tenant.status();
      tenants_.push_back(*std::move(tenant));
      reports_.emplace_back();
    }
    for (int i = 0; i < kGuests; ++i) {
      threads_.emplace_back(
          [this, i] { reports_[i] = tenants_[i]->Run(bell_); });
    }
    while (guests_ready_ < kGuests) std::this_thread::yield();
  }

  // Ends the guests and asks what they saw.
  void ExpectGuestsLostNothing() {
    EndGuests();
    for (const softgpu::Report& report : reports_) {
      EXPECT_TRUE(report.Clean()) << report.ToJson();
      EXPECT_GT(report.commands, 0u);
      EXPECT_GT(report.mailbox_requests, 0u);
    }
  }

  void EndGuests() {
    bell_.Ring();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  void TearDown() override {
    if (!threads_.empty()) EndGuests();
    if (adapter_ != nullptr) adapter_->Stop(kPatient);
    adapter_ = nullptr;
    device_ = nullptr;
    board_ = nullptr;
    EXPECT_EQ(rmdir(directory_.c_str()), 0) << "files were left";
  }

  port::StepReport Take(Step step, const port::DriverImage& image = {},
                        absl::Duration deadline = kPatient) {
    auto report = adapter_->Take({.step = step,
                                  .attempt = attempt_,
                                  .deadline = deadline,
                                  .image = image});
    EXPECT_TRUE(report.ok()) << port::Name(step) << ": " << report.status();
    return report.ok() ? *report : port::StepReport{};
  }

  void TakeAll(const std::vector<Step>& steps, const port::DriverImage& image) {
    for (const Step step : steps) {
      const port::StepReport report = Take(step, image);
      EXPECT_TRUE(report.status.ok())
          << port::Name(step) << ": " << report.status;
    }
  }

  void Update(const port::DriverImage& image) {
    TakeAll({Step::kPrepare, Step::kPause, Step::kSave, Step::kUnload,
             Step::kRestore, Step::kVerify, Step::kResume, Step::kConfirm,
             Step::kCommit},
            image);
    ++attempt_;
  }

  // Waits until every guest has moved on: the driver serves them.
  void AwaitProgress() {
    const auto before = *device_->Functions();
    for (size_t i = 0; i < before.size(); ++i) {
      while ((*device_->Functions())[i].commands_completed <
             before[i].commands_completed + 200) {
        std::this_thread::yield();
      }
    }
  }

  std::string directory_;
  std::unique_ptr<softgpu::Board> board_;
  std::unique_ptr<softgpu::DeviceControl> device_;
  std::unique_ptr<port::DdiAdapter> adapter_;
  std::vector<std::unique_ptr<softgpu::Tenant>> tenants_;
  std::vector<softgpu::Report> reports_;
  std::vector<std::thread> threads_;
  std::atomic<int> guests_ready_ = 0;
  Bell bell_;
  port::DriverImage old_;
  uint64_t attempt_ = 1;
};

TEST_F(UpdateTest, ForwardAndBackAgainWhileGuestsCompute) {
  Serve("1_0");
  for (int round = 0; round < 2; ++round) {
    for (const char* const version : {"2_0", "2_0", "1_0", "1_0"}) {
      Update(Image(version));
      AwaitProgress();
      EXPECT_EQ(adapter_->Inspect().image.version, version);
    }
  }
  const port::AdapterReport report = adapter_->Inspect();
  ASSERT_EQ(report.vgpus.size(), 2u);
  EXPECT_EQ(report.vgpus[1].guest, "blue");
  EXPECT_EQ(report.vgpus[1].profile, "S1-8");
  ExpectGuestsLostNothing();
}

TEST_F(UpdateTest, SaveInAllThreeFormsIsCancelledWithoutTrace) {
  Serve("1_0");
  TakeAll({Step::kPrepare, Step::kPause}, Image("2_0"));
  const port::StepReport saved = Take(Step::kSave);
  EXPECT_EQ(saved.saved.blocks, 1u + 2 * kGuests);
  const port::StepReport cancelled = Take(Step::kCancel);
  EXPECT_TRUE(cancelled.status.ok()) << cancelled.status;
  for (const port::VirtualGpuResult& vgpu : cancelled.vgpus) {
    EXPECT_TRUE(vgpu.preserved) << vgpu.difference;
  }
  AwaitProgress();
  ++attempt_;
  Update(Image("2_0"));
  ExpectGuestsLostNothing();
}

TEST_F(UpdateTest, SaveThatFailsIsCancelled) {
  Serve("1_0_save_fails");
  TakeAll({Step::kPrepare, Step::kPause}, Image("2_0"));
  const port::StepReport report = Take(Step::kSave);
  EXPECT_EQ(Reason(report.status), "DRIVER_REFUSED");
  EXPECT_EQ(report.entry_point, "DxgkDdiSaveMemoryForHotUpdate");
  TakeAll({Step::kCancel}, {});
  EXPECT_EQ(adapter_->Inspect().state, State::kRunning);
  AwaitProgress();
  ExpectGuestsLostNothing();
}

TEST_F(UpdateTest, SaveThatHangsIsCancelledOnceItReturns) {
  Serve("1_0_save_hangs");
  TakeAll({Step::kPrepare, Step::kPause}, Image("2_0"));
  const port::StepReport report = Take(Step::kSave, {}, kImpatient);
  EXPECT_EQ(Reason(report.status), "DRIVER_HUNG");
  const port::StepReport cancelled = Take(Step::kCancel);
  EXPECT_TRUE(cancelled.status.ok()) << cancelled.status;
  for (const port::VirtualGpuResult& vgpu : cancelled.vgpus) {
    EXPECT_TRUE(vgpu.preserved) << vgpu.difference;
  }
  EXPECT_EQ(adapter_->Inspect().state, State::kRunning);
  AwaitProgress();
  ExpectGuestsLostNothing();
}

TEST_F(UpdateTest, ReverseUpdateAfterEnginesRan) {
  Serve("1_0");
  TakeAll({Step::kPrepare, Step::kPause, Step::kSave, Step::kUnload,
           Step::kRestore, Step::kVerify, Step::kResume},
          Image("2_0"));
  AwaitProgress();
  TakeAll({Step::kPause, Step::kSave, Step::kUnload, Step::kRestore,
           Step::kVerify, Step::kResume, Step::kConfirm, Step::kCommit},
          old_);
  EXPECT_EQ(adapter_->Inspect().image, old_);
  AwaitProgress();
  ExpectGuestsLostNothing();
}

struct Bad {
  const char* driver = "";
  Step fails = Step::kRestore;
  const char* reason = "";
  const char* entry_point = "";
  State state = State::kUnloaded;
};

class BadDriverTest : public UpdateTest,
                      public testing::WithParamInterface<Bad> {};

TEST_P(BadDriverTest, IsRolledBackAndGuestsLoseNothing) {
  const Bad& c = GetParam();
  Serve("1_0");
  const port::DriverImage next = Image(c.driver);
  TakeAll({Step::kPrepare, Step::kPause, Step::kSave, Step::kUnload}, next);
  if (c.fails == Step::kVerify) TakeAll({Step::kRestore}, next);
  const bool hangs = std::string(c.reason) == "DRIVER_HUNG";
  const port::StepReport report =
      Take(c.fails, next, hangs ? kImpatient : kPatient);
  EXPECT_EQ(Reason(report.status), c.reason) << report.status;
  EXPECT_EQ(report.entry_point, c.entry_point);
  EXPECT_EQ(adapter_->Inspect().state, c.state);
  TakeAll({Step::kUnload, Step::kRestore, Step::kVerify, Step::kResume,
           Step::kConfirm, Step::kCommit},
          old_);
  EXPECT_EQ(adapter_->Inspect().image, old_);
  AwaitProgress();
  // And the way forward is open.
  ++attempt_;
  Update(Image("2_0"));
  AwaitProgress();
  ExpectGuestsLostNothing();
}

INSTANTIATE_TEST_SUITE_P(
    All, BadDriverTest,
    testing::Values(Bad{"2_0_start_fails", Step::kRestore, "DRIVER_REFUSED",
                        "DxgkDdiStartDevice"},
                    Bad{"2_0_start_crashes", Step::kRestore, "DRIVER_CRASHED",
                        "DxgkDdiStartDevice"},
                    Bad{"2_0_start_hangs", Step::kRestore, "DRIVER_HUNG",
                        "DxgkDdiStartDevice"},
                    Bad{"2_0_restore_fails", Step::kRestore, "DRIVER_REFUSED",
                        "DxgkDdiRestoreMemoryForHotUpdate"},
                    Bad{"2_0_loses_vgpu", Step::kVerify, "VGPU_MISSING", "",
                        State::kRestored},
                    Bad{"2_0_wrong_state", Step::kVerify, "VGPU_CHANGED", "",
                        State::kRestored}),
    [](const auto& test) { return std::string(test.param.driver + 4); });

TEST_F(UpdateTest, OldDriverThatResetsAFunctionIsToldFromTheNewOne) {
  Serve("1_0_stop_resets");
  TakeAll({Step::kPrepare, Step::kPause, Step::kSave, Step::kUnload,
           Step::kRestore},
          Image("2_0"));
  const port::StepReport report = Take(Step::kVerify);
  EXPECT_EQ(Reason(report.status), "VGPU_CHANGED");
  EXPECT_EQ(report.rule, "R14");
  EXPECT_EQ(report.entry_point, "DxgkDdiStopDevice");
  EXPECT_TRUE(absl::StrContains(report.status.message(), "'"));
  // Nobody can undo that. The engines are let go for the test's own end.
  ASSERT_TRUE(device_->ResumeEngines(kPatient).ok());
}

}  // namespace
}  // namespace baton::shim
