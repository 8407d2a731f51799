#include "driver-shim/miniport/testing/live_host.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/reason.h"
#include "driver-shim/miniport/testing/footprint.h"
#include "driver-shim/port/order.h"
#include "driver-shim/port/update_steps.h"
#include "gtest/gtest.h"

namespace baton::miniport {
namespace {

using Step = port::AdapterStep;
using State = port::AdapterState;

constexpr absl::Duration kPatient = absl::Seconds(30);
constexpr absl::Duration kImpatient = absl::Milliseconds(500);
constexpr int kGuests = 2;

// What the fault makes hang is not waited for as long as the rest.
absl::Duration DeadlineOf(Step step, const FaultRow& row) {
  const bool hangs = std::string(row.reason) == "DRIVER_HUNG";
  const bool may = step != Step::kPrepare && step != Step::kPause &&
                   step != Step::kCancel && step != Step::kResume;
  return hangs && may ? kImpatient : kPatient;
}

}  // namespace

port::DriverImage ImageOf(const std::string& name) {
  const std::string path =
      absl::StrCat("driver-shim/miniport/softgpu_", name, ".so");
  return {.path = path,
          .digest = *Sha256OfFile(path),
          .driver = "softgpu",
          .version = name};
}

port::DriverImage ImageOf(const FaultRow& row) {
  return ImageOf(absl::StrCat(row.acts_in, "_0_",
                              absl::StrReplaceAll(row.name, {{"-", "_"}})));
}

bool IsOld(const FaultRow& row) {
  return row.acts_in == 1 || row.fault == Fault::kFormatSkew;
}

port::DriverImage OldOf(const FaultRow& row) {
  return IsOld(row) ? ImageOf(row) : ImageOf("1_0");
}

port::DriverImage NextOf(const FaultRow& row) {
  if (!IsOld(row)) return ImageOf(row);
  return ImageOf(row.acts_in == 1 ? "2_0" : "1_0");
}

bool Bell::WaitFor(absl::Duration timeout) {
  MutexLock lock(mu_);
  if (!rung_) rung_changed_.WaitFor(mu_, timeout);
  return rung_;
}

void Bell::Ring() {
  MutexLock lock(mu_);
  rung_ = true;
  rung_changed_.SignalAll();
}

LiveHost::LiveHost(const port::DriverImage& driver) : old_(driver) {
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
  if (started.ok()) StartGuests();
}

LiveHost::~LiveHost() {
  EndGuests();
  adapter_->Stop(kPatient);
  adapter_ = nullptr;
  device_ = nullptr;
  board_ = nullptr;
  EXPECT_EQ(rmdir(directory_.c_str()), 0) << "files were left";
}

void LiveHost::StartGuests() {
  guest_reports_.resize(kGuests);
  for (int i = 0; i < kGuests; ++i) {
    tenants_.push_back(
        *softgpu::Tenant::Create({.directory = directory_ + "/gpu",
                                  .function = static_cast<uint32_t>(i),
                                  .rate = 4000,
                                  .mailbox_period = absl::Milliseconds(2),
                                  .stall = kPatient,
                                  .drain = absl::Seconds(2),
                                  // Each its own, so that a driver that
                                  // takes one's for the other's is wrong.
                                  .working_bytes = uint64_t{64 << 10} << i,
                                  .seed = static_cast<uint64_t>(i) + 1,
                                  .on_ready = [this] { ++guests_ready_; }}));
  }
  for (int i = 0; i < kGuests; ++i) {
    threads_.emplace_back(
        [this, i] { guest_reports_[i] = tenants_[i]->Run(bell_); });
  }
  const absl::Duration end = RealClock().Monotonic() + kPatient;
  while (guests_ready_ < kGuests && RealClock().Monotonic() < end) {
    std::this_thread::yield();
  }
  EXPECT_EQ(guests_ready_, kGuests) << "guests never got what they need";
}

const std::vector<softgpu::Report>& LiveHost::EndGuests() {
  bell_.Ring();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  return guest_reports_;
}

void LiveHost::AwaitEndOfStandbys() {
  const absl::Duration begin = RealClock().Monotonic();
  while (TakeFootprint(directory_).processes > 1 &&
         RealClock().Monotonic() - begin < kPatient) {
    adapter_->Watch();
    std::this_thread::yield();
  }
  EXPECT_EQ(TakeFootprint(directory_).processes, 1);
}

void LiveHost::AwaitProgress() {
  EXPECT_TRUE(device_->ResumeEngines(kPatient).ok());
  const auto before = *device_->Functions();
  for (size_t i = 0; i < before.size(); ++i) {
    while ((*device_->Functions())[i].commands_completed <
           before[i].commands_completed + 50) {
      std::this_thread::yield();
    }
  }
}

bool LiveHost::Try(Step step, const port::DriverImage& image,
                   const FaultRow& row) {
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

bool LiveHost::LoadAndGoOn(const port::DriverImage& image,
                           const FaultRow& row) {
  for (const Step step : {Step::kRestore, Step::kVerify, Step::kResume,
                          Step::kConfirm, Step::kCommit}) {
    if (!Try(step, image, row)) return false;
  }
  return true;
}

Ending LiveHost::Update(const port::DriverImage& next, const FaultRow& row) {
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
  if (state() == State::kResumed &&
      !(Try(Step::kPause, old_, row) && Try(Step::kSave, old_, row))) {
    return Ending::kQuarantined;
  }
  Try(Step::kUnload, old_, row);
  return LoadAndGoOn(old_, row) ? Ending::kRolledBack : Ending::kQuarantined;
}

bool LiveHost::Told(const FaultRow& row) const {
  return std::any_of(reports_.begin(), reports_.end(), [&](const auto& r) {
    const std::string reason = Reason(r.status);
    // A driver that is gone for good has not failed the step that ended it.
    const bool said =
        r.status.ok() ? row.ending == Ending::kDone : reason == row.reason;
    return said && r.entry_point == row.entry_point && r.rule == row.rule;
  });
}

std::string LiveHost::All() const {
  std::string all;
  for (const port::StepReport& r : reports_) {
    absl::StrAppend(&all, r.status.ToString(), " entry '", r.entry_point,
                    "' rule '", r.rule, "'\n");
  }
  return all;
}

}  // namespace baton::miniport
