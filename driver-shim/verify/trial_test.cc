#include "driver-shim/verify/trial.h"

#include <filesystem>
#include <iterator>
#include <memory>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "gtest/gtest.h"

namespace baton::verify {
namespace {

using port::Hostility;
using Step = port::AdapterStep;

port::DriverImage Image(const std::string& name) {
  const std::string path =
      absl::StrCat("driver-shim/miniport/softgpu_", name, ".so");
  return {.path = path, .digest = *Sha256OfFile(path), .version = name};
}

// A stand with the reference driver, 1.0, which is updated to 2.0.
class TrialTest : public testing::Test {
 protected:
  void SetUp() override {
    auto stand =
        Stand::Create({.executable = "driver-shim/port/testdata/driver_host",
                       .vgpus = 2,
                       .guests = 1,
                       .deadline = absl::Seconds(20)},
                      pair_.old);
    ASSERT_TRUE(stand.ok()) << stand.status();
    stand_ = *std::move(stand);
    trial_ = std::make_unique<Trial>(*stand_, ledger_, pair_, "test");
  }

  void TearDown() override {
    for (const Blame& blame : ledger_.blames()) {
      ADD_FAILURE() << "R" << blame.rule << ": " << blame.message;
    }
    for (const softgpu::Report& guest : stand_->StopGuests()) {
      EXPECT_TRUE(guest.Clean()) << guest.ToJson();
      EXPECT_GT(guest.commands, 0u);
    }
  }

  const Pair pair_ = {Image("1_0"), Image("2_0"), Image("2_0").digest};
  Ledger ledger_;
  std::unique_ptr<Stand> stand_;
  std::unique_ptr<Trial> trial_;
};

TEST_F(TrialTest, AllocationThatFailsIsTheDriversToSurvive) {
  ASSERT_TRUE(trial_->Do({Step::kPrepare, Step::kPause}));
  const auto starved =
      trial_->Survive(Step::kSave, {.failing_allocation = 1}, 16);
  EXPECT_TRUE(starved.intact);
  EXPECT_FALSE(starved.succeeded);
  EXPECT_GE(stand_->allocations(), 1u);
  ASSERT_TRUE(trial_->Do({Step::kCancel}));
  // Past the last one nothing fails.
  stand_->NewAttempt();
  ASSERT_TRUE(trial_->Do({Step::kPrepare, Step::kPause}));
  EXPECT_TRUE(trial_->Survive(Step::kSave, {.failing_allocation = 10'000}, 16)
                  .succeeded);
  EXPECT_LT(stand_->allocations(), 10'000u);
  EXPECT_GT(stand_->allocations(), 0u);
  ASSERT_TRUE(trial_->Do({Step::kCancel}));
  EXPECT_TRUE(trial_->Serves());
}

TEST_F(TrialTest, DamagedBlockIsRefusedAndTheSavedOneIsStillWhole) {
  for (const auto damage :
       {Hostility::Damage::kLost, Hostility::Damage::kMetadataGone,
        Hostility::Damage::kMetadataOfAnother}) {
    stand_->NewAttempt();
    ASSERT_TRUE(trial_->Do(ToUnload()));
    const auto damaged = trial_->Survive(
        Step::kRestore, {.damage = damage, .damaged_block = 1}, 5);
    EXPECT_TRUE(damaged.intact);
    EXPECT_FALSE(damaged.succeeded) << static_cast<int>(damage);
    ASSERT_TRUE(trial_->Do({Step::kUnload}));
    ASSERT_TRUE(trial_->Do(FromRestore(), pair_.old));
    EXPECT_TRUE(trial_->Serves());
  }
}

TEST_F(TrialTest, VgpusComeAndGoBetweenUpdates) {
  for (const uint32_t vgpus : {4u, 1u, 2u}) {
    const absl::Status changed = stand_->Populate(vgpus);
    ASSERT_TRUE(changed.ok()) << changed;
    EXPECT_EQ(stand_->Inspect().vgpus.size(), vgpus);
    for (const auto& image : {pair_.next, pair_.old}) {
      stand_->NewAttempt();
      ASSERT_TRUE(trial_->Do(WholeUpdate(), image));
    }
    EXPECT_TRUE(trial_->Serves());
  }
}

// Of this process: others may be at the same.
size_t Descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<size_t>(
      std::distance(all, std::filesystem::directory_iterator()));
}

TEST(StandTest, LeavesNothingBehind) {
  const size_t before = Descriptors();
  for (const char* const name : {"2_0", "2_0_start_crashes"}) {
    std::string device;
    {
      const auto stand = Stand::Create(
          {.executable = "driver-shim/port/testdata/driver_host", .vgpus = 1},
          Image(name));
      EXPECT_EQ(stand.ok(), std::string(name) == "2_0");
      if (stand.ok()) {
        device = (*stand)->directory();
        EXPECT_TRUE(std::filesystem::exists(device)) << device;
      }
    }
    EXPECT_FALSE(std::filesystem::exists(device)) << device;
    EXPECT_EQ(Descriptors(), before) << name;
  }
}

TEST(SequencesTest, NamesAreUniqueAndThereAreMany) {
  for (const Effort effort : {Effort::kQuick, Effort::kThorough}) {
    std::set<std::string> names;
    size_t count = 0;
    for (const auto& sequences :
         {LegalSequences(), HostileSequences(effort, 1)}) {
      for (const Sequence& sequence : sequences) {
        names.insert(sequence.name);
        ++count;
      }
    }
    EXPECT_EQ(names.size(), count);
    EXPECT_GE(count, effort == Effort::kQuick ? 30u : 85u);
  }
}

}  // namespace
}  // namespace baton::verify
