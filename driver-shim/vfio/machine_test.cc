#include "driver-shim/vfio/machine.h"

#include <signal.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/vfio/memory_lock.h"
#include "driver-shim/vfio/testing/fake_processes.h"
#include "driver-shim/vfio/testing/fake_qemu.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::vfio {
namespace {

using core::DeviceState;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kUuid[] = "b9a70000-0000-4000-8000-000000000000";
constexpr char kState[] = "what the guest computed";

// A kernel of which only devices are asked.
class DeviceKernel final : public Kernel {
 public:
  explicit DeviceKernel(FakeProcesses& processes) : processes_(processes) {}

  std::string BootId() override { return "boot"; }
  std::string Release() override { return "6.1"; }
  bool Loaded(const std::string&) override { return true; }
  std::string BuildIdOf(const std::string&) override { return ""; }
  absl::Status Load(const std::string&, const std::string&) override {
    return absl::OkStatus();
  }
  absl::Status Unload(const std::string&, const Budget&) override {
    return absl::OkStatus();
  }
  bool HasVgpu(const std::string&) override { return true; }
  std::string NodeOf(const std::string&) override { return "/dev/vfio/3"; }
  std::optional<Access> AccessTo(const std::string&) override { return {}; }
  absl::Status Admit(const std::string&, const Access&) override {
    return absl::OkStatus();
  }
  absl::Status CreateVgpu(const VgpuType&, const std::string&) override {
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> ReadAttribute(const std::string&) override {
    return absl::UnavailableError("none");
  }
  std::vector<Occupant> HoldersOf(const std::string&) override { return {}; }
  absl::StatusOr<std::unique_ptr<Device>> DeviceOf(
      const Process& process) override {
    FakeQemu* const qemu = processes_.Qemu(process.pid);
    if (qemu == nullptr || qemu->vgpu() == nullptr) {
      return ErrorWithReason(absl::StatusCode::kUnavailable, "DEVICE_GONE",
                             "it holds none");
    }
    return FakeVgpu::Open(qemu->vgpu());
  }

 private:
  FakeProcesses& processes_;
};

class MachineTest : public testing::Test {
 protected:
  // A unix socket's path has at most 107 bytes, and Bazel's are longer.
  static std::string NewDirectory() {
    std::string path = "/tmp/baton-vfio-XXXXXX";
    EXPECT_NE(mkdtemp(path.data()), nullptr);
    return path;
  }

  void TearDown() override { std::filesystem::remove_all(directory_); }

  void SetUp() override {
    signal(SIGPIPE, SIG_IGN);
    std::ofstream(memory_()) << "memory";
    processes_.AddFirst(
        std::make_unique<FakeQemu>(FakeQemu::Options{
            .socket = qmp_(), .vgpu = std::make_shared<FakeVgpu>(kState)}),
        CommandLine());
    processes_.make = [this](std::string socket, std::string log) {
      return FakeQemu::Options{.socket = std::move(socket),
                               .log = std::move(log),
                               .incoming = true,
                               .plug = [this] {
                                 auto vgpu = std::make_shared<FakeVgpu>("");
                                 vgpu->set_behaviour(behaviour_);
                                 return vgpu;
                               }};
    };
    NewShim();
  }

  void NewShim() {
    machine_ = std::make_unique<Machine>(
        Machine::Options{.name = {.guest = "vm-a",
                                  .uuid = kUuid,
                                  .qmp = qmp_(),
                                  .next_qmp = qmp_() + ".next"},
                         .log_directory = directory_},
        kernel_, processes_, RealClock());
  }

  // The memory's lock, as somebody else would take it.
  absl::StatusOr<Fd> Lock() const {
    ASSIGN_OR_RETURN(Fd memory, OpenMemory(memory_()));
    RETURN_IF_ERROR(LockMemory(memory, memory_()));
    return memory;
  }

  std::string memory_() const { return directory_ + "/memory"; }
  std::string qmp_() const { return directory_ + "/qmp"; }

  std::vector<std::string> CommandLine() const {
    return {
        "qemu",
        "-object",
        absl::StrCat("memory-backend-file,id=m,share=on,mem-path=", memory_()),
        "-qmp",
        absl::StrCat("unix:", qmp_(), ",server=on,wait=off"),
        "-device",
        absl::StrCat("vfio-pci,sysfsdev=/sys/bus/mdev/devices/", kUuid,
                     ",bus=pci.0,addr=0x4,enable-migration=on,x-flag=on")};
  }

  Budget budget_() const { return Budget(RealClock(), absl::Seconds(20)); }

  absl::Status MakeReady() {
    EXPECT_THAT(machine_->Preflight(), IsEmpty());
    return machine_->Prepare(budget_());
  }

  // Up to where the first QEMU has ended and what it had lies in a stream.
  absl::Status GoOut() {
    RETURN_IF_ERROR(MakeReady());
    RETURN_IF_ERROR(machine_->Stop(budget_()));
    auto stream = machine_->Save(directory_ + "/stream", budget_());
    RETURN_IF_ERROR(stream.status());
    stream_ = *stream;
    return machine_->Release(budget_());
  }

  const std::string directory_ = NewDirectory();
  FakeProcesses processes_;
  DeviceKernel kernel_{processes_};
  FakeVgpu::Behaviour behaviour_;
  std::unique_ptr<Machine> machine_;
  Stream stream_;
};

TEST_F(MachineTest, IsCarriedOverByANextQemu) {
  ASSERT_TRUE(GoOut().ok());
  EXPECT_EQ(processes_.Alive(), 1u);
  const absl::Status restored = machine_->Restore(stream_, budget_());
  ASSERT_TRUE(restored.ok()) << restored;
  FakeQemu& next = *processes_.Last();
  EXPECT_EQ(next.status(), "paused");
  // It is we who had the driver say that it takes the state.
  EXPECT_EQ(next.vgpu()->state(), DeviceState::kStop);
  ASSERT_TRUE(machine_->Adopt(budget_()).ok());
  EXPECT_EQ(next.status(), "paused");
  ASSERT_TRUE(machine_->Resume(budget_()).ok());
  EXPECT_EQ(next.status(), "running");
  EXPECT_EQ(next.vgpu()->state(), DeviceState::kRunning);
  EXPECT_EQ(next.vgpu()->content(), kState);
  EXPECT_TRUE(machine_->Confirm(budget_()).ok());
  machine_->Dismiss();
  EXPECT_EQ(processes_.Alive(), 1u);
  // And again, from the socket that it had at first.
  const absl::Status again = GoOut();
  ASSERT_TRUE(again.ok()) << again;
  ASSERT_TRUE(machine_->Restore(stream_, budget_()).ok());
  ASSERT_TRUE(machine_->Adopt(budget_()).ok());
  ASSERT_TRUE(machine_->Resume(budget_()).ok());
  EXPECT_EQ(processes_.Last()->vgpu()->content(), kState);
}

// The trap: QEMU loads, says "paused" as after success, and on `cont` resets.
TEST_F(MachineTest, ALateRefusalIsCaughtBeforeTheGuestGoesOn) {
  ASSERT_TRUE(GoOut().ok());
  behaviour_.refuses_late = true;
  const absl::Status refused = machine_->Restore(stream_, budget_());
  EXPECT_EQ(Reason(refused), "STREAM_REFUSED");
  EXPECT_THAT(std::string(refused.message()), HasSubstr("'vm-a'"));
  EXPECT_THAT(processes_.Last()->commands(), testing::Not(Contains("cont")));
  // And back, with the same stream, in a QEMU that knows nothing of it.
  ASSERT_TRUE(machine_->Release(budget_()).ok());
  behaviour_.refuses_late = false;
  ASSERT_TRUE(machine_->Restore(stream_, budget_()).ok());
  ASSERT_TRUE(machine_->Adopt(budget_()).ok());
  ASSERT_TRUE(machine_->Resume(budget_()).ok());
  EXPECT_EQ(processes_.Last()->vgpu()->content(), kState);
  EXPECT_EQ(processes_.Alive(), 1u);
}

TEST_F(MachineTest, ACancelledSaveLeavesTheFirstQemuRunning) {
  ASSERT_TRUE(MakeReady().ok());
  ASSERT_TRUE(machine_->Stop(budget_()).ok());
  ASSERT_TRUE(machine_->Save(directory_ + "/stream", budget_()).ok());
  ASSERT_TRUE(machine_->Adopt(budget_()).ok());
  ASSERT_TRUE(machine_->Resume(budget_()).ok());
  machine_->Dismiss();
  EXPECT_EQ(processes_.Alive(), 1u);
  EXPECT_EQ(processes_.Last()->status(), "running");
}

// QEMU does not migrate twice out of one stop.
TEST_F(MachineTest, SavesAgainWhatWasSavedAndNotKept) {
  ASSERT_TRUE(MakeReady().ok());
  ASSERT_TRUE(machine_->Stop(budget_()).ok());
  ASSERT_TRUE(machine_->Save(directory_ + "/stream", budget_()).ok());
  const std::string record = machine_->Record();
  NewShim();
  ASSERT_TRUE(machine_->Recall(record, core::Phase::kSaving));
  ASSERT_TRUE(machine_->Stop(budget_()).ok());
  EXPECT_TRUE(machine_->Save(directory_ + "/stream", budget_()).ok());
}

TEST_F(MachineTest, AMachineThatWasPausedStaysSo) {
  // Its owner did that, by another monitor.
  auto owner = Qmp::Connect(qmp_(), budget_());
  ASSERT_TRUE(owner.ok());
  ASSERT_TRUE((*owner)->Run("stop", Json::object(), budget_()).ok());
  owner->reset();
  ASSERT_TRUE(GoOut().ok());
  ASSERT_TRUE(machine_->Restore(stream_, budget_()).ok());
  ASSERT_TRUE(machine_->Adopt(budget_()).ok());
  ASSERT_TRUE(machine_->Resume(budget_()).ok());
  EXPECT_EQ(processes_.Last()->status(), "paused");
  EXPECT_TRUE(machine_->Confirm(budget_()).ok());
}

// Its next Pause finds it paused, and that is our doing.
TEST_F(MachineTest, OneWhoseContFailedIsNotTakenForOneThatWasPaused) {
  ASSERT_TRUE(GoOut().ok());
  ASSERT_TRUE(machine_->Restore(stream_, budget_()).ok());
  ASSERT_TRUE(machine_->Adopt(budget_()).ok());
  processes_.Last()->Refuse("cont", "not now");
  EXPECT_EQ(Reason(machine_->Resume(budget_())), "QMP_REFUSED");
  const absl::Status out = GoOut();
  ASSERT_TRUE(out.ok()) << out;
  ASSERT_TRUE(machine_->Restore(stream_, budget_()).ok());
  ASSERT_TRUE(machine_->Adopt(budget_()).ok());
  ASSERT_TRUE(machine_->Resume(budget_()).ok());
  EXPECT_EQ(processes_.Last()->status(), "running");
}

TEST_F(MachineTest, NobodyElseRunsOnItsMemory) {
  ASSERT_TRUE(MakeReady().ok());
  // The QEMU that runs has the lock, whoever drives it.
  EXPECT_EQ(Reason(Lock().status()), "MEMORY_IN_USE");
  machine_->Dismiss();
  NewShim();
  EXPECT_EQ(Reason(Lock().status()), "MEMORY_IN_USE");
  ASSERT_TRUE(GoOut().ok());
  // With it the lock has ended, until another may run.
  const absl::StatusOr<Fd> stranger = Lock();
  ASSERT_TRUE(stranger.ok());
  ASSERT_TRUE(machine_->Restore(stream_, budget_()).ok());
}

TEST_F(MachineTest, ASecondQemuThatRunsOnTheMemoryKeepsItFromGoingOn) {
  ASSERT_TRUE(GoOut().ok());
  ASSERT_TRUE(machine_->Restore(stream_, budget_()).ok());
  absl::StatusOr<Fd> other = Lock();
  ASSERT_TRUE(other.ok());
  EXPECT_EQ(Reason(machine_->Adopt(budget_())), "MEMORY_IN_USE");
  EXPECT_EQ(processes_.Last()->status(), "paused");
  other->Close();
  EXPECT_TRUE(machine_->Adopt(budget_()).ok());
}

TEST_F(MachineTest, TheNextQemuIsStartedAgainWhereItHasEnded) {
  ASSERT_TRUE(GoOut().ok());
  processes_.Kill({.pid = processes_.LastPid(), .start = 1});
  ASSERT_TRUE(machine_->Restore(stream_, budget_()).ok());
  EXPECT_EQ(processes_.launched, 2);
}

TEST_F(MachineTest, AnotherLifeEndsWhatTheOneBeforeStartedAndDidNotRecord) {
  ASSERT_TRUE(MakeReady().ok());
  EXPECT_EQ(processes_.Alive(), 2u);
  NewShim();
  ASSERT_TRUE(MakeReady().ok());
  machine_->Dismiss();
  EXPECT_EQ(processes_.Alive(), 1u);
}

TEST_F(MachineTest, AnotherLifeKnowsWhereTheMachineIs) {
  ASSERT_TRUE(GoOut().ok());
  std::string record = machine_->Record();
  NewShim();
  ASSERT_TRUE(machine_->Recall(record, core::Phase::kReleased));
  ASSERT_TRUE(machine_->Restore(stream_, budget_()).ok());
  // The socket is renamed, and nobody wrote that down.
  record = machine_->Record();
  ASSERT_TRUE(machine_->Adopt(budget_()).ok());
  NewShim();
  ASSERT_TRUE(machine_->Recall(record, core::Phase::kRestored));
  ASSERT_TRUE(machine_->Adopt(budget_()).ok());
  ASSERT_TRUE(machine_->Resume(budget_()).ok());
  EXPECT_EQ(processes_.Last()->status(), "running");
  EXPECT_EQ(processes_.Last()->vgpu()->content(), kState);
}

TEST_F(MachineTest, SaysInQemusWordsWhatItRefuses) {
  ASSERT_TRUE(GoOut().ok());
  ASSERT_TRUE(machine_->Restore(stream_, budget_()).ok());
  ASSERT_TRUE(machine_->Release(budget_()).ok());
  ASSERT_TRUE(machine_->Restore(stream_, budget_()).ok());
  processes_.Last()->Refuse("cont", "cannot go on");
  ASSERT_TRUE(machine_->Adopt(budget_()).ok());
  const absl::Status refused = machine_->Resume(budget_());
  EXPECT_EQ(Reason(refused), "QMP_REFUSED");
  EXPECT_THAT(std::string(refused.message()), HasSubstr("cannot go on"));
}

TEST_F(MachineTest, FindsOutWhatStandsInTheWay) {
  EXPECT_THAT(machine_->Preflight(), IsEmpty());
  std::filesystem::remove(memory_());
  ASSERT_EQ(machine_->Preflight().size(), 1u);
  EXPECT_EQ(machine_->Preflight()[0].reason, "MACHINE_MEMORY_NOT_A_FILE");
  std::ofstream(memory_()) << "memory";
  processes_.Last()->vgpu()->set_behaviour({.migrates = false});
  ASSERT_EQ(machine_->Preflight().size(), 1u);
  EXPECT_EQ(machine_->Preflight()[0].reason, "MIGRATION_UNSUPPORTED");
}

TEST_F(MachineTest, AnOldQemuIsNamed) {
  processes_.Kill({.pid = getpid(), .start = 1});
  processes_.AddFirst(std::make_unique<FakeQemu>(FakeQemu::Options{
                          .socket = qmp_(),
                          .vgpu = std::make_shared<FakeVgpu>(kState),
                          .version = {7, 2}}),
                      CommandLine());
  ASSERT_EQ(machine_->Preflight().size(), 1u);
  EXPECT_EQ(machine_->Preflight()[0].reason, "MACHINE_QEMU_TOO_OLD");
  EXPECT_THAT(machine_->Preflight()[0].message, HasSubstr("7.2"));
}

TEST_F(MachineTest, TheNextQemuIsStartedAsTheOneThatRunsStands) {
  core::Standing standing = {.user = 64055,
                             .group = 108,
                             .groups = {36},
                             .umask = 027,
                             .limits = {{1, 2}},
                             .cgroups = {{"", "/machines/vm-a"}}};
  processes_.facts->standing = standing;
  EXPECT_THAT(machine_->Preflight(), IsEmpty());
  // It may change while it runs.
  standing.limits[0].hard = 3;
  processes_.facts->standing = standing;
  ASSERT_TRUE(GoOut().ok());
  EXPECT_EQ(processes_.launched_as, standing);
  // Also by a shim that never saw the one that ran.
  const std::string record = machine_->Record();
  NewShim();
  ASSERT_TRUE(machine_->Recall(record, core::Phase::kReleased));
  processes_.Kill({.pid = processes_.LastPid(), .start = 1});
  processes_.launched_as = std::nullopt;
  ASSERT_TRUE(machine_->Restore(stream_, budget_()).ok());
  EXPECT_EQ(processes_.launched_as, standing);
}

// A scope of systemd's is gone with its limits once nobody is in it.
TEST_F(MachineTest, OnTheWayBackThereIsAlwaysSomebodyInItsControlGroup) {
  ASSERT_TRUE(GoOut().ok());
  behaviour_.refuses_late = true;
  EXPECT_EQ(Reason(machine_->Restore(stream_, budget_())), "STREAM_REFUSED");
  // Twice in a row: each next one listens where the one before does not.
  EXPECT_EQ(Reason(machine_->Restore(stream_, budget_())), "STREAM_REFUSED");
  ASSERT_TRUE(machine_->Release(budget_()).ok());
  EXPECT_EQ(processes_.fewest, 1u);
  EXPECT_EQ(processes_.Last()->vgpu(), nullptr);
  behaviour_.refuses_late = false;
  ASSERT_TRUE(machine_->Restore(stream_, budget_()).ok());
  EXPECT_EQ(processes_.launched, 3);
  EXPECT_EQ(processes_.Alive(), 1u);
}

TEST_F(MachineTest, LetsGoOfItsDeviceAlsoWhereNoOtherQemuCanBeStarted) {
  ASSERT_TRUE(GoOut().ok());
  ASSERT_TRUE(machine_->Restore(stream_, budget_()).ok());
  processes_.launches_fail = true;
  ASSERT_TRUE(machine_->Release(budget_()).ok());
  EXPECT_EQ(processes_.Alive(), 0u);
  EXPECT_EQ(Reason(machine_->Restore(stream_, budget_())),
            "PROCESS_NOT_STARTED");
  processes_.launches_fail = false;
  ASSERT_TRUE(machine_->Restore(stream_, budget_()).ok());
}

// Whoever asks costs the shim, and guests are about to stop.
TEST_F(MachineTest, WhichFilesItsUserReachesIsNotAskedAgainAndAgain) {
  ASSERT_TRUE(MakeReady().ok());
  EXPECT_THAT(machine_->Preflight(), IsEmpty());
  EXPECT_EQ(processes_.reaches_asked, 1);
  processes_.facts->standing.user = 64055;
  EXPECT_THAT(machine_->Preflight(), IsEmpty());
  EXPECT_EQ(processes_.reaches_asked, 2);
}

TEST_F(MachineTest, WhatTheNextQemuCouldNotComeBackWithStandsInTheWay) {
  const auto expect = [&](const std::string& reason) {
    const std::vector<core::Blocker> blockers = machine_->Preflight();
    ASSERT_EQ(blockers.size(), 1u) << reason;
    EXPECT_EQ(blockers[0].reason, reason);
    EXPECT_THAT(blockers[0].message, testing::StartsWith("machine 'vm-a': "));
  };
  processes_.facts = std::nullopt;
  expect("MACHINE_STANDING_UNKNOWN");
  processes_.facts = core::ProcessFacts();
  processes_.facts->surroundings.namespaces["net"] = "net:[9]";
  expect("MACHINE_NAMESPACE_OTHER");
  processes_.facts = core::ProcessFacts();
  processes_.facts->standing.user = 64055;
  for (const std::string& path :
       {directory_ + "/", memory_(), std::string("/dev/vfio/3")}) {
    processes_.only_for_root = {path};
    expect("MACHINE_FILE_OUT_OF_REACH");
    EXPECT_THAT(machine_->Preflight()[0].message,
                HasSubstr(absl::StrCat("'", path, "' as user 64055")));
  }
}

TEST_F(MachineTest, OneThatNobodyHasLookedAtIsNotMadeReady) {
  EXPECT_EQ(Reason(machine_->Prepare(budget_())), "SOCKET_CLOSED");
  EXPECT_THAT(machine_->Preflight(), IsEmpty());
  processes_.Kill({.pid = getpid(), .start = 1});
  EXPECT_EQ(Reason(machine_->Prepare(budget_())), "SOCKET_CLOSED");
  EXPECT_EQ(processes_.launched, 0);
}

TEST_F(MachineTest, NobodyIsThereOnceItHasEnded) {
  EXPECT_TRUE(machine_->Present());
  processes_.Kill({.pid = getpid(), .start = 1});
  EXPECT_FALSE(machine_->Present());
  EXPECT_THAT(machine_->Preflight(), IsEmpty());
}

class Regression : public MachineTest {
 protected:
  void Replace(FakeQemu::Options options) {
    processes_.Kill({.pid = getpid(), .start = 1});
    options.socket = qmp_();
    processes_.AddFirst(std::make_unique<FakeQemu>(std::move(options)),
                        CommandLine());
  }
};

// It writes with its big lock held, which its answer needs too.
TEST_F(Regression, AQemuMayFillThePipeBeforeItAnswers) {
  const std::string state(1 << 20, 'x');
  Replace({.vgpu = std::make_shared<FakeVgpu>(state)});
  ASSERT_TRUE(GoOut().ok());
  EXPECT_GT(stream_.bytes, state.size());
}

TEST_F(Regression, ARefusedMigrationIsNotWaitedFor) {
  Replace({.vgpu = std::make_shared<FakeVgpu>(kState),
           .refuses = {{"migrate", "cannot be migrated"}}});
  EXPECT_EQ(Reason(GoOut()), "QMP_REFUSED");
}

TEST_F(Regression, AnAnswerThatComesTooLateIsToNoOtherCommand) {
  Replace({.vgpu = std::make_shared<FakeVgpu>(kState), .answers_late = "stop"});
  auto qmp = Qmp::Connect(qmp_(), budget_());
  ASSERT_TRUE(qmp.ok());
  const Budget none(RealClock(), absl::Milliseconds(20));
  EXPECT_EQ(Reason((*qmp)->Run("stop", Json::object(), none).status()),
            "STEP_TOO_SLOW");
  const auto status = (*qmp)->Status(budget_());
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(*status, "paused");
}

// A record said who runs, and not what stands in the way: after a restart of
// the shim the plan held nothing against a machine that could not be carried.
TEST_F(Regression, AnotherLifeKnowsWhatStandsInTheWay) {
  processes_.Kill({.pid = getpid(), .start = 1});
  std::vector<std::string> line = CommandLine();
  line.back() += ",enable-migration=off";
  line.back().replace(line.back().find("enable-migration=on"), 19, "x-a=on");
  processes_.AddFirst(
      std::make_unique<FakeQemu>(FakeQemu::Options{
          .socket = qmp_(), .vgpu = std::make_shared<FakeVgpu>(kState)}),
      line);
  const std::vector<core::Blocker> before = machine_->Preflight();
  ASSERT_EQ(before.size(), 1u);
  EXPECT_EQ(before[0].reason, "MACHINE_MIGRATION_OFF");
  const std::string record = machine_->Record();
  NewShim();
  ASSERT_TRUE(machine_->Recall(record, core::Phase::kRuns));
  EXPECT_EQ(machine_->Preflight(), before);
}

// The machine then stood for ever: it was taken for one that its owner paused.
TEST_F(Regression, AShimThatDiesOnceItHasStoppedAMachineLeavesItToTheNext) {
  ASSERT_TRUE(MakeReady().ok());
  const std::string record = machine_->Record();
  ASSERT_TRUE(machine_->Stop(budget_()).ok());
  NewShim();
  ASSERT_TRUE(machine_->Recall(record, core::Phase::kStopping));
  ASSERT_TRUE(MakeReady().ok());
  ASSERT_TRUE(machine_->Resume(budget_()).ok());
  EXPECT_EQ(processes_.Qemu(getpid())->status(), "running");
}

// The shim opened as root whatever its path led to, and gave it to the QEMU.
TEST_F(Regression, AFileThatItsUserSwapsForTheMemoryIsNotGivenToIt) {
  const std::string secret = directory_ + "/secret";
  std::ofstream(secret) << "of root's";
  EXPECT_THAT(machine_->Preflight(), IsEmpty());
  std::filesystem::remove(memory_());
  std::filesystem::create_symlink(secret, memory_());
  EXPECT_EQ(Reason(OpenMemory(memory_()).status()),
            "MACHINE_MEMORY_NOT_A_FILE");
  EXPECT_EQ(Reason(machine_->Prepare(budget_())), "MACHINE_MEMORY_NOT_A_FILE");
  std::filesystem::remove(memory_());
  std::filesystem::create_hard_link(secret, memory_());
  EXPECT_EQ(Reason(machine_->Prepare(budget_())), "MACHINE_MEMORY_OTHER");
  EXPECT_FALSE(processes_.Qemu(getpid())->Has("baton-memory"));
  EXPECT_EQ(processes_.launched, 0);
}

// It was dropped from the record while it lived: two QEMUs on one memory.
TEST_F(Regression, TheNextQemuThatIsRecordedIsEndedWhateverItsWordsAre) {
  ASSERT_TRUE(MakeReady().ok());
  const std::string record = machine_->Record();
  processes_.words_are_others = true;
  NewShim();
  ASSERT_TRUE(machine_->Recall(record, core::Phase::kRuns));
  machine_->Dismiss();
  EXPECT_EQ(processes_.Alive(), 1u);
  EXPECT_FALSE(processes_.Qemu(getpid())->ended());
}

// It had to have all of its control groups, and was lost without one.
TEST_F(Regression, OnceNobodyHasTheMachineItComesBackWithoutItsPlaces) {
  ASSERT_TRUE(GoOut().ok());
  EXPECT_FALSE(processes_.launched_without_places);
  processes_.Kill({.pid = processes_.LastPid(), .start = 1});
  ASSERT_TRUE(machine_->Restore(stream_, budget_()).ok());
  EXPECT_TRUE(processes_.launched_without_places);
  ASSERT_TRUE(machine_->Adopt(budget_()).ok());
  ASSERT_TRUE(machine_->Resume(budget_()).ok());
  ASSERT_TRUE(GoOut().ok());
  EXPECT_FALSE(processes_.launched_without_places);
}

// One that was started before stayed with what the machine had had then.
TEST_F(Regression, ANextQemuThatStandsAsTheMachineDidBeforeIsStartedAnew) {
  ASSERT_TRUE(MakeReady().ok());
  ASSERT_TRUE(MakeReady().ok());
  EXPECT_EQ(processes_.launched, 1);
  const std::string record = machine_->Record();
  NewShim();
  ASSERT_TRUE(machine_->Recall(record, core::Phase::kRuns));
  ASSERT_TRUE(MakeReady().ok());
  EXPECT_EQ(processes_.launched, 1);
  processes_.facts->standing.cgroups[""] = "/machines/small";
  ASSERT_TRUE(MakeReady().ok());
  EXPECT_EQ(processes_.launched, 2);
  EXPECT_EQ(processes_.launched_as, processes_.facts->standing);
  EXPECT_EQ(processes_.Alive(), 2u);
  ASSERT_TRUE(GoOut().ok());
  ASSERT_TRUE(machine_->Restore(stream_, budget_()).ok());
  EXPECT_EQ(processes_.launched, 2);
}

// Whoever is at its path was believed to be it, and told to stop and to quit.
TEST_F(Regression, AnotherMachineThatItsUserLinksToIsNotCommanded) {
  const std::string socket = directory_ + "/victim";
  const int pid = getpid() + 1000;
  processes_.Add(
      pid,
      std::make_unique<FakeQemu>(FakeQemu::Options{
          .socket = socket, .vgpu = std::make_shared<FakeVgpu>(kState)}),
      {"qemu"});
  ASSERT_TRUE(machine_->Present());
  std::filesystem::remove(qmp_());
  std::filesystem::create_symlink(socket, qmp_());
  EXPECT_EQ(Reason(MakeReady()), "MACHINE_OTHER_ANSWERS");
  EXPECT_EQ(Reason(machine_->Stop(budget_())), "MACHINE_OTHER_ANSWERS");
  EXPECT_THAT(processes_.Qemu(pid)->commands(),
              testing::Each("qmp_capabilities"));
}

// Its words are its user's, and sudo keeps them: they were run as root.
TEST_F(Regression, OneThatHasBecomeAnotherUserIsNotStartedAsThat) {
  processes_.listened_as = 0;  // and then -runas
  processes_.facts->standing.user = 1000;
  ASSERT_TRUE(MakeReady().ok());
  processes_.facts->standing.user = 0;
  const auto is_mixed =
      Contains(testing::Field(&core::Blocker::reason, "MACHINE_USER_MIXED"));
  EXPECT_THAT(machine_->Preflight(), is_mixed);
  const std::string record = machine_->Record();
  NewShim();
  ASSERT_TRUE(machine_->Recall(record, core::Phase::kRuns));
  EXPECT_THAT(machine_->Preflight(), is_mixed);
  EXPECT_EQ(Reason(machine_->Prepare(budget_())), "SOCKET_CLOSED");
  // Also where it did so before it was looked at.
  processes_.listened_as = 1000;
  NewShim();
  EXPECT_THAT(machine_->Preflight(), is_mixed);
  EXPECT_EQ(processes_.launched, 1);
  EXPECT_EQ(processes_.launched_as->user, 1000u);
}

// It was adopted, and taken for one that had run and ended by itself.
TEST_F(Regression, ANextQemuThatEndsBeforeItRunsIsNotTheMachineYet) {
  ASSERT_TRUE(GoOut().ok());
  ASSERT_TRUE(machine_->Restore(stream_, budget_()).ok());
  processes_.Kill({.pid = processes_.LastPid(), .start = 1});
  EXPECT_EQ(Reason(machine_->Adopt(budget_())), "SOCKET_CLOSED");
  ASSERT_TRUE(machine_->Release(budget_()).ok());
  ASSERT_TRUE(machine_->Restore(stream_, budget_()).ok());
  ASSERT_TRUE(machine_->Adopt(budget_()).ok());
  ASSERT_TRUE(machine_->Resume(budget_()).ok());
  EXPECT_EQ(processes_.Last()->status(), "running");
}

// That was found out once others had been stopped.
TEST_F(Regression, OneThatCannotBeStoppedIsNotMadeReady) {
  Replace(
      {.status = "guest-panicked", .vgpu = std::make_shared<FakeVgpu>(kState)});
  EXPECT_EQ(Reason(MakeReady()), "MACHINE_NOT_RUNNING");
}

}  // namespace
}  // namespace baton::vfio
