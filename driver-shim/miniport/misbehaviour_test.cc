// Each build that misbehaves, under a real host with guests at work: what it
// does is noticed, rule and entry point are named, the update ends as the table
// of faults.h says, and guests lose nothing that the device still has.

#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/mutex.h"
#include "base/reason.h"
#include "driver-shim/miniport/faults.h"
#include "driver-shim/port/adapter.h"
#include "driver-shim/port/order.h"
#include "driver-shim/port/update_steps.h"
#include "driver-shim/softgpu/board.h"
#include "driver-shim/softgpu/device_control.h"
#include "driver-shim/softgpu/guest/tenant.h"
#include "gtest/gtest.h"

namespace baton::miniport {

void PrintTo(const FaultRow& row, std::ostream* os) { *os << row.name; }

namespace {

using Step = port::AdapterStep;
using State = port::AdapterState;

constexpr absl::Duration kPatient = absl::Seconds(30);
constexpr absl::Duration kImpatient = absl::Milliseconds(500);
constexpr int kGuests = 2;

port::DriverImage Image(const std::string& name) {
  const std::string path =
      absl::StrCat("driver-shim/miniport/softgpu_", name, ".so");
  return {.path = path,
          .digest = *Sha256OfFile(path),
          .driver = "softgpu",
          .version = name};
}

std::string ImageOf(const FaultRow& row) {
  return absl::StrCat(row.acts_in, "_0_",
                      absl::StrReplaceAll(row.name, {{"-", "_"}}));
}

// Whether the build with the fault is the driver that is to go.
bool IsOld(const FaultRow& row) {
  return row.acts_in == 1 || row.fault == Fault::kFormatSkew;
}

// Whether it takes from the device what guests have there.
bool Destroys(const FaultRow& row) {
  return row.fault == Fault::kStopResets || row.fault == Fault::kStartsFresh;
}

int OpenDescriptors() {
  DIR* const directory = opendir("/proc/self/fd");
  int count = 0;
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

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

// A host below its agent, and this agent's part of an update.
class Host {
 public:
  explicit Host(const port::DriverImage& driver) : old_(driver) {
    directory_ = testing::TempDir() + "/misbehaviour.XXXXXX";
    EXPECT_NE(mkdtemp(directory_.data()), nullptr);
    board_ = *softgpu::Board::Create({.directory = directory_ + "/gpu",
                                      .functions = kGuests,
                                      .vram_bytes = kGuests << 20});
    device_ = *softgpu::DeviceControl::Open(directory_ + "/gpu");
    auto steps = port::UpdateSteps::Create(
        {.executable = "driver-shim/port/testdata/driver_host",
         .state_directory = directory_,
         .memory_bytes = size_t{4} << 20,
         .tenants = {{"red", "S1-1"}, {"blue", "S1-1"}}},
        *device_, RealClock());
    EXPECT_TRUE(steps.ok()) << steps.status();
    adapter_ = std::make_unique<port::DdiAdapter>("gpu0", *device_, RealClock(),
                                                  *std::move(steps));
    const absl::Status started = adapter_->Start(old_, kPatient);
    EXPECT_TRUE(started.ok()) << started;
    StartGuests();
  }

  ~Host() {
    EndGuests();
    adapter_->Stop(kPatient);
    adapter_ = nullptr;
    device_ = nullptr;
    board_ = nullptr;
    EXPECT_EQ(rmdir(directory_.c_str()), 0) << "files were left";
  }

  Ending Update(const port::DriverImage& next, const FaultRow& row) {
    ++attempt_;
    if (!Try(Step::kPrepare, next, row)) return Ending::kCancelled;
    const bool saved =
        Try(Step::kPause, next, row) && Try(Step::kSave, next, row);
    if (!saved || row.fault == Fault::kRefusesCancel) {
      if (state() != State::kBroken) Try(Step::kCancel, next, row);
      return state() == State::kRunning ? Ending::kCancelled
                                        : Ending::kQuarantined;
    }
    Try(Step::kUnload, next, row);
    if (LoadAndGoOn(next, row)) return Ending::kDone;
    // Once guests went on there is no other way back than a reverse update,
    // and that needs a driver that answers.
    if (state() == State::kBroken) return Ending::kQuarantined;
    Try(Step::kUnload, old_, row);
    return LoadAndGoOn(old_, row) ? Ending::kRolledBack : Ending::kQuarantined;
  }

  // Whether a report named all that the row says.
  bool Told(const FaultRow& row) const {
    return std::any_of(reports_.begin(), reports_.end(), [&](const auto& r) {
      const std::string reason = Reason(r.status);
      // A driver that is gone for good has not failed the step that ended it.
      const bool said =
          r.status.ok() ? row.ending == Ending::kDone : reason == row.reason;
      return said && r.entry_point == row.entry_point && r.rule == row.rule;
    });
  }

  std::string All() const {
    std::string all;
    for (const port::StepReport& r : reports_) {
      absl::StrAppend(&all, r.status.ToString(), " entry '", r.entry_point,
                      "' rule '", r.rule, "'\n");
    }
    return all;
  }

  State state() { return adapter_->Inspect().state; }
  port::DriverImage image() { return adapter_->Inspect().image; }
  const std::vector<port::StepReport>& reports() const { return reports_; }

  // Waits until each guest has moved on.
  void AwaitProgress() {
    EXPECT_TRUE(device_->ResumeEngines(kPatient).ok());
    const auto before = *device_->Functions();
    for (size_t i = 0; i < before.size(); ++i) {
      while ((*device_->Functions())[i].commands_completed <
             before[i].commands_completed + 50) {
        std::this_thread::yield();
      }
    }
  }

  const std::vector<softgpu::Report>& EndGuests() {
    bell_.Ring();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    return guest_reports_;
  }

 private:
  void StartGuests() {
    guest_reports_.resize(kGuests);
    for (int i = 0; i < kGuests; ++i) {
      tenants_.push_back(
          *softgpu::Tenant::Create({.directory = directory_ + "/gpu",
                                    .function = static_cast<uint32_t>(i),
                                    .rate = 4000,
                                    .mailbox_period = absl::Milliseconds(2),
                                    .stall = kPatient,
                                    .drain = absl::Seconds(2),
                                    .working_bytes = 64 << 10,
                                    .seed = static_cast<uint64_t>(i) + 1,
                                    .on_ready = [this] { ++guests_ready_; }}));
    }
    for (int i = 0; i < kGuests; ++i) {
      threads_.emplace_back(
          [this, i] { guest_reports_[i] = tenants_[i]->Run(bell_); });
    }
    while (guests_ready_ < kGuests) std::this_thread::yield();
  }

  // What the fault makes hang is not waited for as long as the rest.
  static absl::Duration DeadlineOf(Step step, const FaultRow& row) {
    const bool hangs = std::string(row.reason) == "DRIVER_HUNG";
    const bool may = step != Step::kPrepare && step != Step::kPause &&
                     step != Step::kCancel && step != Step::kResume;
    return hangs && may ? kImpatient : kPatient;
  }

  bool Try(Step step, const port::DriverImage& image, const FaultRow& row) {
    // The way back is not what hangs.
    const bool back = image == old_ && step != Step::kSave;
    auto report =
        adapter_->Take({.step = step,
                        .attempt = attempt_,
                        .deadline = back ? kPatient : DeadlineOf(step, row),
                        .image = image});
    EXPECT_TRUE(report.ok()) << port::Name(step) << ": " << report.status();
    if (!report.ok()) return false;
    reports_.push_back(*report);
    return report->status.ok();
  }

  bool LoadAndGoOn(const port::DriverImage& image, const FaultRow& row) {
    for (const Step step : {Step::kRestore, Step::kVerify, Step::kResume,
                            Step::kConfirm, Step::kCommit}) {
      if (!Try(step, image, row)) return false;
    }
    return true;
  }

  const port::DriverImage old_;
  std::string directory_;
  std::unique_ptr<softgpu::Board> board_;
  std::unique_ptr<softgpu::DeviceControl> device_;
  std::unique_ptr<port::DdiAdapter> adapter_;
  std::vector<std::unique_ptr<softgpu::Tenant>> tenants_;
  std::vector<softgpu::Report> guest_reports_;
  std::vector<std::thread> threads_;
  std::atomic<int> guests_ready_ = 0;
  Bell bell_;
  std::vector<port::StepReport> reports_;
  uint64_t attempt_ = 0;
};

class MisbehaviourTest : public testing::TestWithParam<FaultRow> {
 protected:
  void SetUp() override { descriptors_ = OpenDescriptors(); }
  void TearDown() override {
    EXPECT_EQ(OpenDescriptors(), descriptors_);
    EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "a process was left";
  }

 private:
  int descriptors_ = 0;
};

void ExpectGuestsLostNothing(Host& host, const FaultRow& row) {
  host.AwaitProgress();
  for (const softgpu::Report& report : host.EndGuests()) {
    EXPECT_EQ(report.lost + report.duplicated + report.reordered + report.wrong,
              0u)
        << report.ToJson();
    EXPECT_GT(report.commands, 0u);
    // Only a driver answers; where none is left, nobody does.
    if (row.ending != Ending::kQuarantined) {
      EXPECT_TRUE(report.Clean()) << report.ToJson();
    }
  }
}

TEST_P(MisbehaviourTest, IsNoticedAndEndsAsTheTableSays) {
  const FaultRow row = GetParam();
  const port::DriverImage old = Image(IsOld(row) ? ImageOf(row) : "1_0");
  const port::DriverImage next = Image(!IsOld(row)        ? ImageOf(row)
                                       : row.acts_in == 1 ? "2_0"
                                                          : "1_0");
  Host host(old);
  EXPECT_EQ(host.Update(next, row), row.ending) << host.All();
  // What a driver leaves behind is seen when it goes.
  if (row.ending == Ending::kDone && !IsOld(row)) {
    EXPECT_EQ(host.Update(Image("2_0"), row), Ending::kDone) << host.All();
  }
  EXPECT_TRUE(host.Told(row)) << host.All();
  switch (row.ending) {
    case Ending::kDone:
    case Ending::kCancelled:
    case Ending::kRolledBack:
      EXPECT_EQ(host.state(), State::kRunning);
      break;
    case Ending::kQuarantined:
      break;
  }
  if (!Destroys(row)) ExpectGuestsLostNothing(host, row);
}

INSTANTIATE_TEST_SUITE_P(
    Faults, MisbehaviourTest, testing::ValuesIn(kFaults), [](const auto& test) {
      return absl::StrReplaceAll(test.param.name, {{"-", "_"}});
    });

}  // namespace
}  // namespace baton::miniport
