#include "driver-shim/vfio/adapter.h"

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "base/reason.h"
#include "driver-shim/port/order.h"
#include "driver-shim/vfio/proc_files.h"
#include "driver-shim/vfio/testing/fake_world.h"
#include "driver-shim/vfio/testing/module_bytes.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace baton::vfio {
namespace {

using port::AdapterState;
using port::AdapterStep;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr absl::Duration kDeadline = absl::Seconds(60);
constexpr char kVermagic[] = "6.1.0-42-amd64 SMP ";

// The real one, and how much of it was passed over.
class LateClock final : public Clock {
 public:
  absl::Time Now() const override { return RealClock().Now(); }
  absl::Duration Monotonic() const override {
    return RealClock().Monotonic() + passed;
  }
  absl::Duration passed = absl::ZeroDuration();
};

// A host with two guests, module files, and a shim that can be replaced.
class AdapterTest : public testing::Test {
 protected:
  void SetUp() override {
    Begin();
    old_ = Module("old.ko", "bgpu", kVermagic, "1.0");
    next_ = Module("next.ko", "bgpu", kVermagic, "2.0");
    ASSERT_TRUE(StartShim().ok());
  }

  void Begin() {
    directory_ = absl::StrCat(
        testing::TempDir(), "/vfio-",
        testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_ + "/streams");
    world_ = std::make_unique<FakeWorld>(guests_);
  }

  port::DriverImage Module(const std::string& file, const std::string& name,
                           const std::string& vermagic,
                           const std::string& version) {
    const std::string path = absl::StrCat(directory_, "/", file);
    std::ofstream(path, std::ios::binary) << ModuleBytes(name, vermagic, file);
    return {.path = path,
            .digest = *Sha256OfFile(path),
            .driver = "bgpu",
            .version = version};
  }

  absl::Status StartShim(const std::string& instance = "life-1") {
    adapter_ = nullptr;
    kernel_ = world_->NewKernel();
    std::vector<Steps::Vgpu> vgpus;
    for (const Config::Vgpu& vgpu : ConfigOf(guests_).vgpus) {
      vgpus.push_back(
          {.config = vgpu, .holder = world_->NewHolder(vgpu.guest)});
    }
    adapter_ = std::make_unique<VfioAdapter>(
        VfioAdapter::Identity{.name = "gpu0"}, clock_,
        std::make_unique<Steps>(ConfigOf(guests_), directory_, std::move(vgpus),
                                *kernel_, clock_));
    return adapter_->Start(old_, instance);
  }

  absl::StatusOr<port::StepReport> Take(AdapterStep step,
                                        const port::DriverImage& image = {}) {
    return adapter_->Take({.step = step,
                           .attempt = attempt_,
                           .deadline = kDeadline,
                           .image = image});
  }

  // How a step ended, whether it was tried or not.
  absl::Status Try(AdapterStep step, const port::DriverImage& image = {}) {
    const auto report = Take(step, image);
    return report.ok() ? report->status : report.status();
  }

  // A moment in which nobody orders anything.
  void Later() {
    clock_.passed += absl::Seconds(1);
    adapter_->Watch();
  }

  // The steps up to and including the last; returns the first failure.
  absl::Status Walk(AdapterStep last, const port::DriverImage& image) {
    for (const AdapterStep step : kForward) {
      absl::Status status = Try(step, image);
      if (!status.ok() || step == last) return status;
    }
    return absl::OkStatus();
  }

  // As an agent does that has nothing but what the shim says: back where
  // nobody was let go of yet, else on, with the old module if `back`.
  absl::Status Finish(bool back) {
    for (int i = 0; i < 40; ++i) {
      const port::AdapterReport seen = adapter_->Inspect();
      if (seen.attempt == 0) return absl::OkStatus();
      const absl::Status status =
          Try(StepFrom(seen.state), back ? old_ : next_);
      if (!status.ok()) last_ = status;
    }
    return absl::InternalError(
        absl::StrCat("comes to no end: ", last_.message()));
  }

  static AdapterStep StepFrom(AdapterState state) {
    switch (state) {
      case AdapterState::kUnloaded:
        return AdapterStep::kRestore;
      case AdapterState::kRestored:
        return AdapterStep::kVerify;
      case AdapterState::kVerified:
        return AdapterStep::kResume;
      case AdapterState::kResumed:
        return AdapterStep::kConfirm;
      case AdapterState::kConfirmed:
        return AdapterStep::kCommit;
      case AdapterState::kEmpty:
      case AdapterState::kRunning:
      case AdapterState::kPrepared:
      case AdapterState::kPaused:
      case AdapterState::kSaved:
      case AdapterState::kBroken:
        return AdapterStep::kCancel;
    }
    return AdapterStep::kCancel;
  }

  std::vector<std::string> Streams() const {
    std::vector<std::string> names;
    for (const auto& entry :
         std::filesystem::directory_iterator(directory_ + "/streams")) {
      names.push_back(entry.path().filename());
    }
    return names;
  }

  // Everybody runs as before with that module, and nothing is left over.
  void ExpectWell(const port::DriverImage& image, const std::string& what) {
    Later();
    EXPECT_EQ(world_->Wrong(), "") << what;
    EXPECT_EQ(world_->loaded, image.path) << what;
    const port::AdapterReport seen = adapter_->Inspect();
    EXPECT_EQ(seen.state, AdapterState::kRunning) << what;
    EXPECT_EQ(seen.attempt, 0u) << what;
    EXPECT_EQ(seen.image, image) << what;
    EXPECT_EQ(seen.saved, std::nullopt) << what;
    EXPECT_EQ(seen.vgpus.size(), guests_.size()) << what;
    EXPECT_THAT(Streams(), IsEmpty()) << what;
  }

  static constexpr AdapterStep kForward[] = {
      AdapterStep::kPrepare, AdapterStep::kPause,   AdapterStep::kSave,
      AdapterStep::kUnload,  AdapterStep::kRestore, AdapterStep::kVerify,
      AdapterStep::kResume,  AdapterStep::kConfirm, AdapterStep::kCommit};

  const std::vector<std::string> guests_ = {"a", "b"};
  LateClock clock_;
  std::string directory_;
  std::unique_ptr<FakeWorld> world_;
  std::unique_ptr<Kernel> kernel_;
  std::unique_ptr<VfioAdapter> adapter_;
  port::DriverImage old_;
  port::DriverImage next_;
  uint64_t attempt_ = 1;
  absl::Status last_;
};

TEST_F(AdapterTest, CarriesAllGuestsFromOneModuleToTheNext) {
  world_->Revive();
  ASSERT_TRUE(Walk(AdapterStep::kCommit, next_).ok());
  Later();
  EXPECT_THAT(
      world_->calls(),
      ElementsAre("prepare a", "prepare b", "prepare a", "prepare b", "stop a",
                  "stop b", "save a", "save b", "release a", "release b",
                  "unload", "load", "create", "create", "restore a",
                  "restore b", "adopt a", "resume a", "adopt b", "resume b",
                  "confirm a", "confirm b", "dismiss a", "dismiss b"));
  ExpectWell(next_, "after the update");
}

TEST_F(AdapterTest, TidiesUpOnceGuestsHadAMomentToThemselves) {
  ASSERT_TRUE(Walk(AdapterStep::kCommit, next_).ok());
  adapter_->Watch();
  EXPECT_EQ(Streams().size(), 2u);
  EXPECT_EQ(adapter_->Inspect().vgpus.size(), 2u);
  EXPECT_EQ(adapter_->Inspect().saved, std::nullopt);
  Later();
  EXPECT_THAT(Streams(), IsEmpty());
  // Nor does the next update find anything where it does not wait.
  ++attempt_;
  ASSERT_TRUE(Walk(AdapterStep::kCommit, old_).ok());
  ++attempt_;
  ASSERT_TRUE(Try(AdapterStep::kPrepare, next_).ok());
  EXPECT_THAT(Streams(), IsEmpty());
  ASSERT_TRUE(Try(AdapterStep::kCancel).ok());
  ++attempt_;
  ASSERT_TRUE(Walk(AdapterStep::kCommit, next_).ok());
  // There is nothing to cancel, and nobody who stood.
  ++attempt_;
  const auto cancelled = Take(AdapterStep::kCancel);
  ASSERT_TRUE(cancelled.ok() && cancelled->status.ok());
  EXPECT_THAT(cancelled->vgpus, IsEmpty());
  ExpectWell(next_, "after all");
}

TEST_F(AdapterTest, SaysWhatBecameOfEachGuest) {
  ASSERT_TRUE(Walk(AdapterStep::kPrepare, next_).ok());
  const auto paused = Take(AdapterStep::kPause);
  ASSERT_TRUE(paused.ok() && paused->status.ok());
  ASSERT_EQ(paused->census.size(), 2u);
  EXPECT_EQ(paused->census[0].vgpu.guest, "a");
  EXPECT_EQ(paused->census[0].vgpu, adapter_->Inspect().vgpus[0]);
  const auto saved = Take(AdapterStep::kSave);
  ASSERT_TRUE(saved.ok());
  EXPECT_EQ(saved->saved.blocks, 2u);
  EXPECT_EQ(adapter_->Inspect().saved->bytes, saved->saved.bytes);
  ASSERT_TRUE(Try(AdapterStep::kUnload).ok());
  EXPECT_EQ(adapter_->Inspect().image, port::DriverImage());
  ASSERT_TRUE(Try(AdapterStep::kRestore, next_).ok());
  ASSERT_TRUE(Try(AdapterStep::kVerify).ok());
  const auto resumed = Take(AdapterStep::kResume);
  ASSERT_TRUE(resumed.ok());
  ASSERT_EQ(resumed->vgpus.size(), 2u);
  for (const port::VirtualGpuResult& vgpu : resumed->vgpus) {
    EXPECT_TRUE(vgpu.preserved);
    EXPECT_GT(vgpu.blackout.value_or(absl::ZeroDuration()),
              absl::ZeroDuration());
  }
}

TEST_F(AdapterTest, CancelsWhereverNobodyWasLetGoOf) {
  for (const AdapterStep last :
       {AdapterStep::kPrepare, AdapterStep::kPause, AdapterStep::kSave}) {
    ASSERT_TRUE(Walk(last, next_).ok());
    ASSERT_TRUE(Try(AdapterStep::kCancel).ok());
    ExpectWell(old_, absl::StrCat("cancelled after ", port::Name(last)));
    ++attempt_;
  }
}

// It was CANCELLED, and placement reopened, as if all were well.
TEST_F(AdapterTest, ACancelNamesWhoEndedInAPauseThatFailed) {
  for (const char* const call : {"stop a", "stop b"}) {
    SetUp();
    ASSERT_TRUE(Walk(AdapterStep::kPrepare, next_).ok());
    world_->on_call = [this, call](const std::string& name) {
      if (name == call) world_->guests()["a"].there = false;
    };
    world_->Fail("stop b");
    EXPECT_FALSE(Try(AdapterStep::kPause).ok());
    const auto cancelled = Take(AdapterStep::kCancel);
    ASSERT_TRUE(cancelled.ok() && cancelled->status.ok()) << call;
    ASSERT_FALSE(cancelled->vgpus.empty()) << call;
    EXPECT_EQ(cancelled->vgpus[0].guest, "a");
    EXPECT_FALSE(cancelled->vgpus[0].preserved);
    EXPECT_TRUE(world_->guests()["b"].runs);
  }
}

// Each module that misbehaves: all guests are back on the old one, with what
// was saved.
TEST_F(AdapterTest, OneRefusalSendsAllBack) {
  struct Row {
    FakeWorld::Module module = {};
    AdapterStep fails = AdapterStep::kRestore;
    std::string reason = "";
  };
  const Row rows[] = {
      {{.load_error = "ENODEV"}, AdapterStep::kRestore, "MODULE_NOT_LOADED"},
      {{.restore_error = "no"}, AdapterStep::kRestore, "STREAM_REFUSED"},
      {{.loses = true}, AdapterStep::kVerify, "VGPU_CHANGED"},
  };
  for (const Row& row : rows) {
    world_->modules()[next_.path] = row.module;
    EXPECT_EQ(Reason(Walk(row.fails, next_)), row.reason);
    ASSERT_TRUE(Try(AdapterStep::kUnload).ok());
    ASSERT_TRUE(Finish(/*back=*/true).ok());
    ExpectWell(old_, row.reason);
    ++attempt_;
  }
}

// A device's file goes with the module, and the one that comes is root's.
TEST_F(AdapterTest, AVgpuThatIsMadeAnewIsOpenToWhoHadTheOldOne) {
  const Access kept = {.user = 5, .group = 6, .mode = 0660, .acl = "more"};
  const std::string uuid = ConfigOf(guests_).vgpus.front().uuid;
  world_->access[uuid] = kept;
  world_->guests()["a"].user = kept.user;
  ASSERT_TRUE(Walk(AdapterStep::kCommit, next_).ok());
  ExpectWell(next_, "forward");
  EXPECT_EQ(world_->access[uuid], kept);
  ++attempt_;
  ASSERT_TRUE(Walk(AdapterStep::kUnload, old_).ok());
  ASSERT_TRUE(StartShim("life-2").ok());
  ASSERT_TRUE(Finish(/*back=*/true).ok());
  ExpectWell(old_, "in another life");
  EXPECT_EQ(world_->access[uuid], kept);
}

TEST_F(AdapterTest, AVgpuThatIsGivenToOthersAsItComesIsTakenBack) {
  world_->access[ConfigOf(guests_).vgpus.front().uuid] = {.user = 5};
  world_->guests()["a"].user = 5;
  world_->udev_interferes = true;
  ASSERT_TRUE(Walk(AdapterStep::kCommit, next_).ok());
  ExpectWell(next_, "forward");
}

TEST_F(AdapterTest, AModuleThatIsHeldStaysInAndItsGuestsGoOn) {
  world_->modules()[old_.path].held = true;
  EXPECT_EQ(Reason(Walk(AdapterStep::kUnload, next_)), "MODULE_HELD");
  EXPECT_EQ(adapter_->Inspect().state, AdapterState::kUnloaded);
  ASSERT_TRUE(Try(AdapterStep::kUnload).ok());
  ASSERT_TRUE(Finish(/*back=*/true).ok());
  ExpectWell(old_, "after the way back");
}

TEST_F(AdapterTest, GoesBackInReverseOnceEnginesRan) {
  ASSERT_TRUE(Walk(AdapterStep::kConfirm, next_).ok());
  for (const AdapterStep step :
       {AdapterStep::kPause, AdapterStep::kSave, AdapterStep::kUnload}) {
    ASSERT_TRUE(Try(step).ok()) << port::Name(step);
  }
  ASSERT_TRUE(Finish(/*back=*/true).ok());
  ExpectWell(old_, "after the reverse update");
}

TEST_F(AdapterTest, ACancelledReverseLeavesTheNewModule) {
  ASSERT_TRUE(Walk(AdapterStep::kResume, next_).ok());
  ASSERT_TRUE(Try(AdapterStep::kPause).ok());
  ASSERT_TRUE(Try(AdapterStep::kSave).ok());
  ASSERT_TRUE(Try(AdapterStep::kCancel).ok());
  EXPECT_EQ(adapter_->Inspect().state, AdapterState::kResumed);
  ASSERT_TRUE(Finish(/*back=*/false).ok());
  ExpectWell(next_, "after all");
}

TEST_F(AdapterTest, AFailedPauseLetsEverybodyGoOn) {
  ASSERT_TRUE(Walk(AdapterStep::kPrepare, next_).ok());
  world_->Fail("stop b");
  EXPECT_EQ(Reason(Try(AdapterStep::kPause)), "SCRIPTED");
  EXPECT_TRUE(world_->guests()["a"].runs);
  EXPECT_TRUE(world_->guests()["b"].runs);
  EXPECT_EQ(adapter_->Inspect().state, AdapterState::kPrepared);
}

// A guest whose `cont` failed may run or not: what was saved of it is stale.
TEST_F(AdapterTest, AResumeThatFailsHalfwayGoesBackByAReverseUpdate) {
  world_->Fail("resume b");
  EXPECT_EQ(Reason(Walk(AdapterStep::kResume, next_)), "SCRIPTED");
  EXPECT_EQ(adapter_->Inspect().state, AdapterState::kResumed);
  for (const AdapterStep step :
       {AdapterStep::kPause, AdapterStep::kSave, AdapterStep::kUnload}) {
    ASSERT_TRUE(Try(step).ok()) << port::Name(step);
  }
  ASSERT_TRUE(Finish(/*back=*/true).ok());
  ExpectWell(old_, "after the reverse update");
}

// Whoever does not answer any more had all behind it stand for ever.
TEST_F(AdapterTest, OneThatCannotGoOnKeepsNobodyElse) {
  world_->Fail("resume a", 1000);
  EXPECT_EQ(Reason(Walk(AdapterStep::kResume, next_)), "SCRIPTED");
  EXPECT_FALSE(world_->guests()["a"].runs);
  EXPECT_TRUE(world_->guests()["b"].runs);
  EXPECT_EQ(adapter_->Inspect().state, AdapterState::kResumed);
}

TEST_F(AdapterTest, WhileNobodyMayRunOneThatMayNotSendsAllBackAsTheyWereSaved) {
  world_->Fail("adopt a");
  EXPECT_EQ(Reason(Walk(AdapterStep::kResume, next_)), "SCRIPTED");
  EXPECT_FALSE(world_->guests()["b"].runs);
  EXPECT_EQ(adapter_->Inspect().state, AdapterState::kVerified);
  ASSERT_TRUE(Try(AdapterStep::kUnload).ok());
  ASSERT_TRUE(Finish(/*back=*/true).ok());
  ExpectWell(old_, "after the way back");
}

// There is no other way left: all behind it stood until a person came.
TEST_F(AdapterTest, OnTheWayBackOneThatMayNotRunKeepsNobodyElse) {
  world_->Fail("restore a");
  EXPECT_EQ(Reason(Walk(AdapterStep::kRestore, next_)), "SCRIPTED");
  ASSERT_TRUE(Try(AdapterStep::kUnload).ok());
  ASSERT_TRUE(Try(AdapterStep::kRestore, old_).ok());
  ASSERT_TRUE(Try(AdapterStep::kVerify).ok());
  world_->Fail("adopt a", 1000);
  EXPECT_EQ(Reason(Try(AdapterStep::kResume)), "SCRIPTED");
  EXPECT_FALSE(world_->guests()["a"].runs);
  EXPECT_TRUE(world_->guests()["b"].runs);
  EXPECT_EQ(adapter_->Inspect().state, AdapterState::kResumed);
}

TEST_F(AdapterTest, OneThatCannotGoOnKeepsNobodyElseFromACancel) {
  for (const char* const call : {"resume a", "adopt a"}) {
    SetUp();
    ASSERT_TRUE(Walk(AdapterStep::kSave, next_).ok());
    world_->Fail(call);
    EXPECT_EQ(Reason(Try(AdapterStep::kCancel)), "SCRIPTED");
    EXPECT_TRUE(world_->guests()["b"].runs);
    EXPECT_TRUE(Try(AdapterStep::kCancel).ok());
    ExpectWell(old_, call);
  }
}

// All others stood until a person came.
TEST_F(AdapterTest, OneThatCannotBeTakenBackKeepsNobodyElse) {
  world_->Fail("restore a", 1000);
  EXPECT_EQ(Reason(Walk(AdapterStep::kRestore, next_)), "SCRIPTED");
  EXPECT_EQ(adapter_->Inspect().state, AdapterState::kUnloaded);
  ASSERT_TRUE(Try(AdapterStep::kUnload).ok());
  ASSERT_TRUE(Try(AdapterStep::kRestore, old_).ok());
  for (const AdapterStep step :
       {AdapterStep::kVerify, AdapterStep::kResume, AdapterStep::kConfirm}) {
    Later();
    const auto report = Take(step);
    ASSERT_TRUE(report.ok() && report->status.ok()) << port::Name(step);
    ASSERT_EQ(report->vgpus.size(), 2u);
    EXPECT_FALSE(report->vgpus[0].preserved);
    EXPECT_THAT(
        report->vgpus[0].difference,
        testing::AllOf(HasSubstr("was to fail"), HasSubstr("a.stream")));
    EXPECT_TRUE(report->vgpus[1].preserved);
  }
  ASSERT_TRUE(Try(AdapterStep::kCommit).ok());
  Later();
  EXPECT_TRUE(world_->guests()["b"].runs);
  EXPECT_EQ(ReadFile(directory_ + "/lost/a.stream"),
            world_->guests()["a"].truth);
  EXPECT_EQ(world_->loaded, old_.path);
}

TEST_F(AdapterTest, WhatCouldNotBeKeptIsNotSaidToBeThere) {
  std::ofstream(directory_ + "/lost") << "no folder";
  world_->Fail("restore a", 1000);
  EXPECT_EQ(Reason(Walk(AdapterStep::kRestore, next_)), "SCRIPTED");
  ASSERT_TRUE(Try(AdapterStep::kUnload).ok());
  ASSERT_TRUE(Try(AdapterStep::kRestore, old_).ok());
  const auto report = Take(AdapterStep::kVerify);
  ASSERT_TRUE(report.ok());
  EXPECT_THAT(report->vgpus[0].difference, HasSubstr("could not be kept in"));
}

TEST_F(AdapterTest, OneThatCannotBeTakenBackAtOnceIsTakenBackAfterTheOthers) {
  world_->Fail("restore a", 2);
  EXPECT_EQ(Reason(Walk(AdapterStep::kRestore, next_)), "SCRIPTED");
  ASSERT_TRUE(Try(AdapterStep::kUnload).ok());
  ASSERT_TRUE(Finish(/*back=*/true).ok());
  ExpectWell(old_, "after the way back");
}

// Those that got no time any more were given up for lost.
TEST_F(AdapterTest, NobodyIsSetAsideForWhatOthersTook) {
  world_->Fail("restore a");
  EXPECT_EQ(Reason(Walk(AdapterStep::kRestore, next_)), "SCRIPTED");
  ASSERT_TRUE(Try(AdapterStep::kUnload).ok());
  world_->on_call = [this](const std::string& name) {
    if (name == "load") clock_.passed += 2 * kDeadline;
  };
  ASSERT_TRUE(Try(AdapterStep::kRestore, old_).ok());
  ASSERT_TRUE(Try(AdapterStep::kUnload).ok());
  // Nor where it is the one before that hangs.
  world_->Fail("restore a", 1000);
  world_->on_call = [this](const std::string& name) {
    if (name == "restore a") clock_.passed += 2 * kDeadline;
  };
  ASSERT_TRUE(Try(AdapterStep::kRestore, old_).ok());
  const auto verified = Take(AdapterStep::kVerify);
  ASSERT_TRUE(verified.ok() && verified->status.ok());
  EXPECT_FALSE(verified->vgpus[0].preserved);
  EXPECT_TRUE(verified->vgpus[1].preserved);
  ASSERT_TRUE(Try(AdapterStep::kResume).ok());
  EXPECT_TRUE(world_->guests()["b"].runs);
}

// It was away, and the record said that it was there.
TEST_F(AdapterTest, WhatWasSavedIsThereForAnotherShimUntilOneIsSetAside) {
  const std::string record = directory_ + "/record";
  const std::string copy = record + ".copy";
  world_->on_cut = [&] { std::filesystem::copy_file(record, copy); };
  world_->Fail("restore a", 3);
  EXPECT_EQ(Reason(Walk(AdapterStep::kRestore, next_)), "SCRIPTED");
  ASSERT_TRUE(Try(AdapterStep::kUnload).ok());
  // The first try is followed by the other guest's.
  world_->on_call = [this, tries = 0](const std::string& name) mutable {
    if (name != "restore a" || ++tries != 2) return;
    world_->CutOff(static_cast<int>(world_->calls().size()), /*after=*/true);
  };
  static_cast<void>(Try(AdapterStep::kRestore, old_));
  ASSERT_EQ(world_->calls().back(), "dismiss a");
  std::filesystem::copy_file(copy, record,
                             std::filesystem::copy_options::overwrite_existing);
  world_->Revive();
  ASSERT_TRUE(StartShim("life-2").ok());
  ASSERT_TRUE(Finish(/*back=*/true).ok());
  ExpectWell(old_, "in another life");
}

// The module is there already: what it held keeps nobody from theirs.
TEST_F(AdapterTest, InAnotherLifeOneThatDoesNotLetGoKeepsNobodyElse) {
  const std::string record = directory_ + "/record";
  const std::string copy = record + ".copy";
  world_->on_cut = [&] { std::filesystem::copy_file(record, copy); };
  world_->Fail("restore a");
  EXPECT_EQ(Reason(Walk(AdapterStep::kRestore, next_)), "SCRIPTED");
  ASSERT_TRUE(Try(AdapterStep::kUnload).ok());
  // Two vGPUs are made of the module that was loaded.
  world_->on_call = [this](const std::string& name) {
    if (name != "load") return;
    world_->CutOff(static_cast<int>(world_->calls().size()) + 2,
                   /*after=*/true);
  };
  static_cast<void>(Try(AdapterStep::kRestore, old_));
  ASSERT_EQ(world_->calls().back(), "restore a");
  std::filesystem::copy_file(copy, record,
                             std::filesystem::copy_options::overwrite_existing);
  world_->Revive();
  world_->Fail("release a", 1000);
  ASSERT_TRUE(StartShim("life-2").ok());
  ASSERT_TRUE(Try(AdapterStep::kRestore, old_).ok());
  ASSERT_TRUE(Try(AdapterStep::kVerify).ok());
  ASSERT_TRUE(Try(AdapterStep::kResume).ok());
  EXPECT_FALSE(world_->guests()["a"].runs);
  EXPECT_TRUE(world_->guests()["b"].runs);
}

TEST_F(AdapterTest, WhereNobodyCanBeTakenBackNobodyIsGivenUp) {
  world_->Fail("restore a", 2);
  world_->Fail("restore b", 2);
  EXPECT_EQ(Reason(Walk(AdapterStep::kRestore, next_)), "SCRIPTED");
  ASSERT_TRUE(Try(AdapterStep::kUnload).ok());
  EXPECT_EQ(Reason(Try(AdapterStep::kRestore, old_)), "SCRIPTED");
  EXPECT_EQ(adapter_->Inspect().state, AdapterState::kUnloaded);
  ASSERT_TRUE(Try(AdapterStep::kUnload).ok());
  world_->Fail("restore b", 0);
  ASSERT_TRUE(Finish(/*back=*/true).ok());
  ExpectWell(old_, "after the second way back");
}

// One stands restored and was never let go on, one has gone on: the way back
// takes the first with what was saved of it, the second with what it has now.
TEST_F(AdapterTest, AReverseUpdateLeavesAloneWhoWasNeverLetGoOn) {
  world_->Fail("adopt b");
  EXPECT_EQ(Reason(Walk(AdapterStep::kResume, next_)), "SCRIPTED");
  EXPECT_TRUE(world_->guests()["a"].runs);
  EXPECT_FALSE(world_->guests()["b"].runs);
  world_->Revive();
  ASSERT_TRUE(Try(AdapterStep::kPause).ok());
  EXPECT_THAT(world_->calls(), ElementsAre("prepare a", "stop a"));
  ASSERT_TRUE(Try(AdapterStep::kSave).ok());
  ASSERT_TRUE(Try(AdapterStep::kUnload).ok());
  ASSERT_TRUE(Finish(/*back=*/true).ok());
  ExpectWell(old_, "after the reverse update");
}

// A look costs, and guests are about to stop.
TEST_F(AdapterTest, LooksOnceAtEachGuestBeforeAPauseForwardOrInReverse) {
  ASSERT_TRUE(Walk(AdapterStep::kPrepare, next_).ok());
  world_->preflights = 0;
  ASSERT_TRUE(Try(AdapterStep::kPause).ok());
  EXPECT_EQ(world_->preflights, 2);
  ASSERT_TRUE(Try(AdapterStep::kCancel).ok());
  ASSERT_TRUE(Walk(AdapterStep::kConfirm, next_).ok());
  world_->preflights = 0;
  ASSERT_TRUE(Try(AdapterStep::kPause).ok());
  EXPECT_EQ(world_->preflights, 2);
}

TEST_F(AdapterTest, WhatStandsInTheWayKeepsGuestsFromAPauseInReverseToo) {
  ASSERT_TRUE(Walk(AdapterStep::kConfirm, next_).ok());
  world_->blockers = {{"MACHINE_MIGRATION_OFF", "machine 'a': add it"}};
  EXPECT_EQ(Reason(Try(AdapterStep::kPause)), "MACHINE_MIGRATION_OFF");
  EXPECT_TRUE(world_->guests()["a"].runs);
  EXPECT_TRUE(world_->guests()["b"].runs);
}

TEST_F(AdapterTest, ADamagedStreamIsNotGivenToAnyDriver) {
  ASSERT_TRUE(Walk(AdapterStep::kUnload, next_).ok());
  std::ofstream(directory_ + "/streams/b.stream", std::ios::app) << "x";
  EXPECT_EQ(Reason(Try(AdapterStep::kRestore, next_)), "STREAM_DAMAGED");
}

TEST_F(AdapterTest, AGuestThatDoesNotGoOnIsFoundOut) {
  world_->guests()["b"].idle = true;
  ASSERT_TRUE(Walk(AdapterStep::kResume, next_).ok());
  const auto report = adapter_->Take({.step = AdapterStep::kConfirm,
                                      .attempt = attempt_,
                                      .deadline = absl::Milliseconds(20)});
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(Reason(report->status), "VGPU_NO_PROGRESS");
  EXPECT_THAT(report->vgpus[1].difference, HasSubstr("'b'"));
}

TEST_F(AdapterTest, RefusesBeforeAnythingIsTouched) {
  const auto odd = Module("odd.ko", "other", kVermagic, "2.0");
  const auto foreign = Module("foreign.ko", "bgpu", "5.10.0-1 SMP ", "2.0");
  port::DriverImage changed = next_;
  changed.digest = Sha256Of("another");
  world_->Revive();
  EXPECT_EQ(Reason(Try(AdapterStep::kPrepare, odd)), "MODULE_OTHER_NAME");
  EXPECT_EQ(Reason(Try(AdapterStep::kPrepare, foreign)), "MODULE_OTHER_KERNEL");
  EXPECT_EQ(Reason(Try(AdapterStep::kPrepare, changed)),
            "IMAGE_DIGEST_MISMATCH");
  world_->strangers = {{.pid = 12, .command = "x", .what = "/dev/vfio/1"}};
  EXPECT_EQ(Reason(Try(AdapterStep::kPrepare, next_)), "FOREIGN_HOLDER");
  world_->strangers = {};
  world_->blockers = {{"MACHINE_MIGRATION_OFF", "machine 'a': add it"}};
  EXPECT_EQ(Reason(Try(AdapterStep::kPrepare, next_)), "MACHINE_MIGRATION_OFF");
  EXPECT_EQ(adapter_->Inspect().blockers.size(), 2u);
  world_->blockers = {};
  for (const std::string& call : world_->calls()) {
    EXPECT_THAT(call, HasSubstr("dismiss"));
  }
  ASSERT_TRUE(Walk(AdapterStep::kPrepare, next_).ok());
}

// What was checked before the pause is not read again, unless it was changed.
TEST_F(AdapterTest, AModuleThatIsNotTheOneThatWasCheckedIsNotLoaded) {
  ASSERT_TRUE(Walk(AdapterStep::kUnload, next_).ok());
  std::ofstream(next_.path, std::ios::app) << "x";
  EXPECT_EQ(Reason(Try(AdapterStep::kRestore, next_)), "IMAGE_DIGEST_MISMATCH");
  ASSERT_TRUE(Finish(/*back=*/true).ok());
  ExpectWell(old_, "after the way back");
}

// ---- guests that end by themselves ----

TEST_F(AdapterTest, ACancelLetsTheOthersGoOnWithoutWhoeverHasEnded) {
  for (const AdapterStep last : {AdapterStep::kPause, AdapterStep::kSave}) {
    SetUp();
    ASSERT_TRUE(Walk(last, next_).ok());
    world_->guests()["a"].there = false;
    const auto cancelled = Take(AdapterStep::kCancel);
    ASSERT_TRUE(cancelled.ok() && cancelled->status.ok());
    ASSERT_EQ(cancelled->vgpus.size(), 2u);
    EXPECT_FALSE(cancelled->vgpus[0].preserved);
    EXPECT_THAT(cancelled->vgpus[0].difference, HasSubstr("has ended"));
    EXPECT_TRUE(cancelled->vgpus[1].preserved);
    EXPECT_EQ(world_->Wrong(), "");
    EXPECT_EQ(adapter_->Inspect().state, AdapterState::kRunning);
  }
}

TEST_F(AdapterTest, TheOthersAreRestoredWithoutWhoeverHasEnded) {
  for (const bool back : {false, true}) {
    SetUp();
    ASSERT_TRUE(Walk(AdapterStep::kUnload, next_).ok());
    world_->guests()["a"] = {.there = false, .runs = false, .holds = false};
    ASSERT_TRUE(Try(AdapterStep::kRestore, back ? old_ : next_).ok());
    for (const AdapterStep step :
         {AdapterStep::kVerify, AdapterStep::kResume, AdapterStep::kConfirm}) {
      const auto report = Take(step);
      ASSERT_TRUE(report.ok() && report->status.ok()) << port::Name(step);
      ASSERT_EQ(report->vgpus.size(), 2u);
      EXPECT_FALSE(report->vgpus[0].preserved);
      EXPECT_TRUE(report->vgpus[1].preserved);
    }
    ASSERT_TRUE(Try(AdapterStep::kCommit).ok());
    Later();
    EXPECT_EQ(world_->Wrong(), "");
    EXPECT_EQ(world_->loaded, (back ? old_ : next_).path);
  }
}

// ---- another life ----

TEST_F(AdapterTest, TakesALoadedModuleForItsFileByBuildIdAlone) {
  std::filesystem::remove(directory_ + "/record");
  world_->build_id = "00";
  EXPECT_EQ(Reason(StartShim()), "MODULE_UNKNOWN");
  world_->build_id = "6f6c642e6b6f";  // "old.ko"
  EXPECT_TRUE(StartShim().ok());
}

TEST_F(AdapterTest, OneRecordOfAnotherBootIsWorthless) {
  ASSERT_TRUE(Walk(AdapterStep::kSave, next_).ok());
  world_ = std::make_unique<FakeWorld>(guests_);
  world_->boot_id = "boot-2";
  ASSERT_TRUE(StartShim("life-2").ok());
  EXPECT_EQ(adapter_->instance(), "life-2");
  ExpectWell(old_, "after the boot");
}

TEST_F(AdapterTest, ADamagedRecordIsNotActedOn) {
  std::ofstream(directory_ + "/record") << "no record";
  EXPECT_EQ(Reason(StartShim()), "RECORD_DAMAGED");
}

// A shim that is killed at any call to the world, before or after that call has
// had its effect: the next one finishes, or goes back; nobody is lost, and
// nobody is restored from what is stale.
TEST_F(AdapterTest, AnotherShimGoesOnFromEveryCall) {
  int cuts = 0;
  for (const bool after : {false, true}) {
    for (const bool back : {false, true}) {
      for (int call = 0;; ++call) {
        SetUp();
        world_->Revive();
        const std::string record = directory_ + "/record";
        const std::string copy = directory_ + "/record.copy";
        world_->on_cut = [&] {
          std::filesystem::copy_file(
              record, copy, std::filesystem::copy_options::overwrite_existing);
        };
        world_->CutOff(call, after);
        static_cast<void>(Walk(AdapterStep::kCommit, next_));
        Later();
        if (!world_->dead()) break;
        ++cuts;
        const std::string what = absl::StrCat(
            "cut off ", after ? "after" : "before", " call ", call, " (",
            world_->calls().back(), "), then ", back ? "back" : "forward");
        // What it wrote after it died, it did not write.
        std::filesystem::copy_file(
            copy, record, std::filesystem::copy_options::overwrite_existing);
        world_->Revive();
        ASSERT_TRUE(StartShim("life-2").ok()) << what;
        EXPECT_EQ(adapter_->instance(), "life-1") << what;
        const absl::Status finished = Finish(back);
        ASSERT_TRUE(finished.ok()) << what << ": " << finished;
        const bool on_next = world_->loaded == next_.path;
        ExpectWell(on_next ? next_ : old_, what);
      }
    }
  }
  EXPECT_GT(cuts, 80);
}

TEST_F(AdapterTest, ARepeatToAnotherShimGetsTheRecordedResult) {
  ASSERT_TRUE(Walk(AdapterStep::kUnload, next_).ok());
  const auto restored = Take(AdapterStep::kRestore, next_);
  ASSERT_TRUE(restored.ok() && restored->status.ok());
  ASSERT_TRUE(StartShim("life-2").ok());
  const auto again = Take(AdapterStep::kRestore, next_);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->elapsed, restored->elapsed);
  ASSERT_TRUE(Finish(/*back=*/false).ok());
  ExpectWell(next_, "after all");
}

// Guests stand still: nobody is asked what was to follow.
TEST_F(AdapterTest, AnotherShimKnowsWhatWasOrderedAtOnce) {
  ASSERT_TRUE(Walk(AdapterStep::kPrepare, next_).ok());
  port::OrderedRun run;
  for (const AdapterStep step : {AdapterStep::kPause, AdapterStep::kSave}) {
    run.orders.push_back(
        {.step = step, .attempt = attempt_, .deadline = kDeadline});
  }
  run.told = 1;
  adapter_->Keep(run);
  ASSERT_TRUE(Try(AdapterStep::kPause).ok());
  ASSERT_TRUE(StartShim("life-2").ok());
  EXPECT_EQ(adapter_->Kept().orders, run.orders);
  EXPECT_EQ(adapter_->Kept().reports.size(), 1u);
  EXPECT_EQ(adapter_->Kept().told, 1u);
  ASSERT_TRUE(Try(AdapterStep::kSave).ok());
  ASSERT_TRUE(StartShim("life-3").ok());
  EXPECT_EQ(adapter_->Kept().reports.size(), 2u);
}

}  // namespace
}  // namespace baton::vfio
