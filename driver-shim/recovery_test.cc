// A shim that is killed at every one of its fail points, on a real device with
// guests at work and real driver hosts, and the one that takes over from it.
// The test's own program plays the shim that is killed, as `--shim`.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/fail_point.h"
#include "base/reason.h"
#include "driver-shim/port/adapter.h"
#include "driver-shim/port/driver_host.h"
#include "driver-shim/port/driver_process.h"
#include "driver-shim/port/order.h"
#include "driver-shim/port/update_steps.h"
#include "driver-shim/softgpu/board.h"
#include "driver-shim/softgpu/device_control.h"
#include "driver-shim/verify/guests.h"
#include "gtest/gtest.h"

namespace baton::shim {
namespace {

using Step = port::AdapterStep;
using State = port::AdapterState;

constexpr absl::Duration kPatient = absl::Seconds(20);
constexpr int kGuests = 2;
constexpr uint64_t kAttempt = 7;

port::DriverImage Image(const std::string& name) {
  const std::string path =
      absl::StrCat("driver-shim/miniport/softgpu_", name, ".so");
  return {.path = path,
          .digest = *Sha256OfFile(path),
          .driver = "softgpu",
          .version = name};
}

port::StepOrder Order(Step step, const port::DriverImage& image = {}) {
  return {
      .step = step, .attempt = kAttempt, .deadline = kPatient, .image = image};
}

// A shim without its socket.
struct Shim {
  std::unique_ptr<softgpu::DeviceControl> device;
  std::unique_ptr<port::DdiAdapter> adapter;

  // `life`    of vGPUs that it makes, at most one digit
  // `driver`  where there is none
  static Shim Start(const std::string& directory, const std::string& life,
                    const std::string& boot,
                    const std::string& driver = "1_0") {
    Shim shim;
    auto device = softgpu::DeviceControl::Open(directory + "/gpu");
    CHECK(device.ok());
    shim.device = *std::move(device);
    auto steps = port::UpdateSteps::Create(
        {.state_directory = directory,
         .memory_bytes = size_t{8} << 20,
         .tenants = {{"red", "S1-8"}, {"blue", "S1-8"}},
         .life = life,
         .luid_high_part = std::atoi(life.c_str())},
        *shim.device, RealClock());
    CHECK(steps.ok());
    shim.adapter = std::make_unique<port::DdiAdapter>(
        "gpu0", *shim.device, RealClock(), *std::move(steps));
    const absl::Status started =
        shim.adapter->Start(Image(driver), kPatient, boot);
    if (!started.ok()) std::fprintf(stderr, "%s\n", started.ToString().c_str());
    CHECK(started.ok());
    return shim;
  }

  // Takes what is left of a run, as ShimService does.
  void GoOn() {
    port::OrderedRun run = adapter->Kept();
    while (run.reports.size() < run.orders.size()) {
      auto report = adapter->Take(run.orders[run.reports.size()]);
      if (!report.ok() || !report->status.ok()) return;
      run.reports.push_back(*std::move(report));
    }
  }

  port::StepReport Take(Step step, const port::DriverImage& image = {}) {
    auto report = adapter->Take(Order(step, image));
    if (report.ok()) return *std::move(report);
    return {.status = report.status()};
  }
};

// ---- the shim that is killed ----

// Takes every step of an update; or of one that is cancelled after Save; or of
// one whose driver does not stop.
int RunAsShim(const std::string& directory, const std::string& way) {
  const bool hangs = way == "stop-hangs";
  const Shim shim =
      Shim::Start(directory, "1", "boot", hangs ? "1_0_stop_hangs" : "1_0");
  if (write(STDOUT_FILENO, "r", 1) != 1) return 1;
  char go = 0;
  if (read(STDIN_FILENO, &go, 1) != 1) return 1;
  const port::DriverImage next = Image("2_0");
  const auto take = [&](const port::OrderedRun& run) {
    shim.adapter->Keep(run);
    for (const port::StepOrder& order : run.orders) {
      const auto report = shim.adapter->Take(order);
      if (report.ok() && report->status.ok()) continue;
      std::fprintf(
          stderr, "%s: %s\n", std::string(Name(order.step)).c_str(),
          (report.ok() ? report->status : report.status()).ToString().c_str());
      return;
    }
  };
  take({.orders = {Order(Step::kPrepare, next)}});
  if (way == "cancel") {
    take({.orders = {Order(Step::kPause), Order(Step::kSave)}});
    take({.orders = {Order(Step::kCancel)}});
  } else {
    port::StepOrder unload = Order(Step::kUnload);
    if (hangs) unload.deadline = absl::Milliseconds(500);
    take({.orders = {Order(Step::kPause), Order(Step::kSave), unload,
                     Order(Step::kRestore, next), Order(Step::kVerify),
                     Order(Step::kResume)}});
    take({.orders = {Order(Step::kConfirm)}});
    take({.orders = {Order(Step::kCommit)}});
  }
  raise(SIGKILL);
  return 1;
}

// ---- the test ----

class RecoveryTest : public testing::Test {
 protected:
  void SetUp() override {
    char directory[] = "/dev/shm/recovery_test.XXXXXX";
    ASSERT_NE(mkdtemp(directory), nullptr);
    directory_ = directory;
    auto board = softgpu::Board::Create({.directory = directory_ + "/gpu",
                                         .functions = kGuests,
                                         .vram_bytes = kGuests << 23});
    ASSERT_TRUE(board.ok()) << board.status();
    board_ = *std::move(board);
  }

  void TearDown() override {
    guests_ = nullptr;
    if (shim_.adapter != nullptr) shim_.adapter->Stop(kPatient);
    shim_ = {};
    board_ = nullptr;
    EXPECT_EQ(rmdir(directory_.c_str()), 0) << "files were left";
  }

  // Has a shim serve guests and then do its work, until it is killed, with the
  // fail point in its environment and that of its driver hosts.
  void KillOne(const std::string& way, const std::string& fail_point,
               int hit = 1) {
    std::array<int, 2> in = {};
    std::array<int, 2> out = {};
    ASSERT_EQ(pipe(in.data()), 0);
    ASSERT_EQ(pipe(out.data()), 0);
    const pid_t pid = fork();
    if (pid == 0) {
      dup2(in[0], STDIN_FILENO);
      dup2(out[1], STDOUT_FILENO);
      for (const int fd : {in[0], in[1], out[0], out[1]}) close(fd);
      if (!fail_point.empty()) {
        // One thread only. NOLINTNEXTLINE(concurrency-mt-unsafe)
        setenv("BATON_FAIL_POINT",
               absl::StrCat(fail_point, "=kill@", hit).c_str(), 1);
        // Of the shim and a driver host, which have the same environment, one.
        // NOLINTNEXTLINE(concurrency-mt-unsafe)
        setenv("BATON_FAIL_POINT_ONCE", (directory_ + "/once").c_str(), 1);
      }
      execl("/proc/self/exe", "recovery_test", "--shim", directory_.c_str(),
            way.c_str(), nullptr);
      _exit(9);
    }
    close(in[0]);
    close(out[1]);
    char ready = 0;
    // It may be killed before it is ready.
    if (read(out[0], &ready, 1) == 1) {
      auto guests = verify::Guests::Start(
          {.directory = directory_ + "/gpu", .count = kGuests});
      ASSERT_TRUE(guests.ok()) << guests.status();
      guests_ = *std::move(guests);
      std::fclose(std::fopen((directory_ + "/once").c_str(), "w"));
      EXPECT_EQ(write(in[1], "g", 1), 1);
    }
    int status = 0;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
    close(in[1]);
    close(out[0]);
    acted_ = unlink((directory_ + "/once").c_str()) != 0;
  }

  void TakeOver() {
    const absl::Duration begin = RealClock().Monotonic();
    shim_ = Shim::Start(directory_, "2", "boot");
    took_ = RealClock().Monotonic() - begin;
    found_ = shim_.adapter->Inspect();
    shim_.GoOn();
  }

  // As an agent would that asks what is, and orders the rest.
  void BringToAnEnd() {
    for (int i = 0; i < 20; ++i) {
      const State state = shim_.adapter->Inspect().state;
      SCOPED_TRACE(port::Name(state));
      switch (state) {
        case State::kEmpty:
        case State::kBroken:
        case State::kRunning:
          return;
        case State::kPrepared:
        case State::kPaused:
        case State::kSaved:
          ExpectOk(shim_.Take(Step::kCancel));
          break;
        case State::kUnloaded:
          ExpectOk(shim_.Take(Step::kRestore, Image("2_0")));
          break;
        case State::kRestored:
          ExpectOk(shim_.Take(Step::kVerify));
          break;
        case State::kVerified:
          ExpectOk(shim_.Take(Step::kResume));
          break;
        case State::kResumed:
          ExpectOk(shim_.Take(Step::kConfirm));
          break;
        case State::kConfirmed:
          ExpectOk(shim_.Take(Step::kCommit));
          break;
      }
    }
    ADD_FAILURE() << "does not come to an end";
  }

  void ExpectOk(const port::StepReport& report) {
    EXPECT_TRUE(report.status.ok()) << report.status;
    for (const port::VirtualGpuResult& vgpu : report.vgpus) {
      EXPECT_TRUE(vgpu.preserved) << vgpu.difference;
    }
  }

  // The same vGPUs as ever, which go through another update.
  void ExpectServes() {
    const port::AdapterReport report = shim_.adapter->Inspect();
    EXPECT_EQ(report.state, State::kRunning) << report.fault;
    EXPECT_EQ(report.fault, "");
    EXPECT_EQ(report.attempt, 0u);
    EXPECT_EQ(shim_.adapter->life(), "1");
    ASSERT_EQ(report.vgpus.size(), 2u);
    EXPECT_EQ(report.vgpus[0].luid, "0000000100001000");
    EXPECT_EQ(report.vgpus[1].guest, "blue");
    for (const Step step : {Step::kPrepare, Step::kPause, Step::kSave,
                            Step::kUnload, Step::kRestore, Step::kVerify,
                            Step::kResume, Step::kConfirm, Step::kCommit}) {
      port::StepOrder order = Order(step, Image("1_0"));
      ++order.attempt;
      const auto taken = shim_.adapter->Take(order);
      ASSERT_TRUE(taken.ok()) << port::Name(step) << taken.status();
      ExpectOk(*taken);
    }
  }

  void ExpectGuestsLostNothing() {
    ASSERT_NE(guests_, nullptr);
    for (const softgpu::Report& report : guests_->Stop()) {
      EXPECT_TRUE(report.Clean()) << report.ToJson();
      EXPECT_GT(report.commands, 0u);
    }
    guests_ = nullptr;
  }

  std::string directory_;
  std::unique_ptr<softgpu::Board> board_;
  std::unique_ptr<verify::Guests> guests_;
  bool acted_ = false;
  Shim shim_;
  absl::Duration took_;
  port::AdapterReport found_;
};

TEST_F(RecoveryTest, AShimThatWasKilledIsFoundAgainWithItsVgpus) {
  KillOne("update", "shim.before_prepare");
  TakeOver();
  EXPECT_EQ(found_.state, State::kRunning);
  EXPECT_EQ(found_.image, Image("1_0"));
  EXPECT_TRUE(found_.hot_update_capable);
  BringToAnEnd();
  ExpectServes();
  ExpectGuestsLostNothing();
}

// It took the answer to the command before for that to its own, and stopped the
// host's process in the middle of the driver's StopDevice.
TEST_F(RecoveryTest, RegressionTheDriverIsUnloadedToItsEnd) {
  KillOne("stop-hangs", "shim.before_unload");
  TakeOver();
  const port::OrderedRun run = shim_.adapter->Kept();
  ASSERT_EQ(run.reports.size(), 6u);
  EXPECT_EQ(run.reports[2].rule, "R17");
  EXPECT_EQ(run.reports[2].entry_point, "DxgkDdiStopDevice");
  BringToAnEnd();
  ExpectServes();
  ExpectGuestsLostNothing();
}

// It ended the driver's host that it was to find.
TEST_F(RecoveryTest, RegressionAnotherPathLeadsToTheSameHost) {
  KillOne("update", "shim.before_prepare");
  shim_ = Shim::Start(directory_ + "/.", "2", "boot");
  EXPECT_EQ(shim_.adapter->Inspect().state, State::kRunning);
  shim_.GoOn();
  BringToAnEnd();
  ExpectServes();
  ExpectGuestsLostNothing();
}

// ---- every place of the shim ----

class PlaceTest : public RecoveryTest,
                  public testing::WithParamInterface<std::string> {};

TEST_P(PlaceTest, IsRecoveredFrom) {
  const std::string& place = GetParam();
  KillOne(absl::StrContains(place, "cancel") ? "cancel" : "update", place);
  EXPECT_TRUE(acted_) << "nobody came by";
  TakeOver();
  BringToAnEnd();
  ExpectServes();
  ExpectGuestsLostNothing();
}

// Those that are passed once guests are served.
std::vector<std::string> Places(const std::string& room) {
  std::vector<std::string> places;
  for (const std::string& name : FailPointNames()) {
    const bool early = absl::StrContains(name, "record") ||
                       name == "host.after_accept" || name == "host.in_load";
    if (absl::StartsWith(name, room) && !early) places.push_back(name);
  }
  return places;
}

std::string TestName(const testing::TestParamInfo<std::string>& test) {
  return test.param.substr(test.param.find('.') + 1);
}

// In the middle of what it writes down, each time that it does: the first time
// is when it starts.
class RecordTest : public RecoveryTest,
                   public testing::WithParamInterface<int> {};

TEST_P(RecordTest, WhatIsHalfWrittenIsNotRead) {
  KillOne("update", "shim.in_record", GetParam());
  EXPECT_TRUE(acted_) << "nobody came by";
  TakeOver();
  BringToAnEnd();
  ExpectServes();
  ExpectGuestsLostNothing();
}

// Prepare, Pause with five steps ahead, Confirm, Commit.
INSTANTIATE_TEST_SUITE_P(All, RecordTest, testing::Range(2, 2 + 13));

// ---- every place of a driver host, whose shim is killed when it has seen it
// ----

class HostPlaceTest : public RecoveryTest,
                      public testing::WithParamInterface<std::string> {};

TEST_P(HostPlaceTest, EndsWithGuestsThatRun) {
  const std::string& place = GetParam();
  KillOne(absl::StrContains(place, "cancel") ? "cancel" : "update", place);
  EXPECT_TRUE(acted_) << "nobody came by";
  TakeOver();
  BringToAnEnd();
  const auto functions = shim_.device->Functions();
  ASSERT_TRUE(functions.ok());
  for (const port::FunctionState& function : *functions) {
    EXPECT_GT(function.started_at, function.stopped_at) << "stands still";
  }
  // What its driver knew is nowhere else before it is saved, and once guests
  // went on without it.
  const bool lost = place == "host.in_quiesce" || place == "host.in_save" ||
                    place == "host.in_restore_complete" ||
                    place == "host.in_settle";
  if (!lost) {
    ExpectServes();
    ExpectGuestsLostNothing();
    return;
  }
  const port::AdapterReport report = shim_.adapter->Inspect();
  EXPECT_EQ(report.state, State::kBroken);
  EXPECT_NE(report.fault, "");
  EXPECT_EQ(report.vgpus.size(), 2u);
  EXPECT_EQ(shim_.adapter->life(), "1");
}

INSTANTIATE_TEST_SUITE_P(All, HostPlaceTest, testing::ValuesIn(Places("host.")),
                         TestName);

INSTANTIATE_TEST_SUITE_P(All, PlaceTest, testing::ValuesIn(Places("shim.")),
                         TestName);

}  // namespace
}  // namespace baton::shim

int main(int argc, char** argv) {
  if (baton::port::IsDriverHost(argc, argv)) {
    return baton::port::RunDriverHost();
  }
  if (argc == 4 && std::strcmp(argv[1], "--shim") == 0) {
    return baton::shim::RunAsShim(argv[2], argv[3]);
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
