#include "driver-shim/miniport/adapter.h"

#include <cstring>
#include <string>

#include "driver-shim/miniport/testing/fake_host.h"
#include "driver-shim/miniport/testing/fake_kernel.h"
#include "driver-shim/softgpu/device_control.h"
#include "gtest/gtest.h"

namespace baton::miniport {
namespace {

constexpr Image kOne = {{1, kFaultsNone}, MakeGuestState1};
constexpr Image kTwo = {{2, kFaultsNone}, MakeGuestState2};
constexpr Image kOneFaulty = {{1, kFaultsAll}, MakeGuestState1};
constexpr Image kTwoFaulty = {{2, kFaultsAll}, MakeGuestState2};

class AdapterTest : public ::testing::Test {
 protected:
  ~AdapterTest() override { EXPECT_EQ(OutstandingAllocations(), 0u); }
};

// Starts `image` with virtual GPUs 0 and 2 whose guests have done something.
void StartWithGuests(FakeHost& host, const Image& image) {
  host.Load(image);
  ASSERT_EQ(host.Start(), STATUS_SUCCESS);
  for (const uint32_t n : {0u, 2u}) {
    ASSERT_EQ(host.CreateVgpu(n), STATUS_SUCCESS);
    uint64_t results[SOFTGPU_MAILBOX_WORDS] = {};
    ASSERT_EQ(host.Request(n, SOFTGPU_MAILBOX_ALLOCATE, 8192, 0, results),
              SOFTGPU_MAILBOX_OK);
    ASSERT_EQ(host.Request(n, SOFTGPU_MAILBOX_ALLOCATE,
                           uint64_t{4096} * (n + 1), 0, results),
              SOFTGPU_MAILBOX_OK);
    EXPECT_EQ(results[1], 8192u);
    ASSERT_EQ(host.Request(n, SOFTGPU_MAILBOX_CREATE_CONTEXT, 0, 0, results),
              SOFTGPU_MAILBOX_OK);
    ASSERT_EQ(host.Request(n, SOFTGPU_MAILBOX_SIGNAL_FENCE, 4, 40 + n, nullptr),
              SOFTGPU_MAILBOX_OK);
  }
}

std::string CensusOf(const FakeHost& host) {
  std::string census;
  for (uint32_t n = 0; n < 4; ++n) {
    std::string digest;
    census += host.Census(n, &digest) == STATUS_SUCCESS ? digest : "-";
  }
  return census;
}

// Unloads what is loaded and starts `image` on what was saved.
NTSTATUS SwitchTo(FakeHost& host, const Image& image) {
  host.Unload();
  host.Load(image);
  const NTSTATUS restored = host.RestoreAll();
  return NT_SUCCESS(restored) ? host.Start() : restored;
}

void ExpectGuestsGoOn(FakeHost& host) {
  for (const uint32_t n : {0u, 2u}) {
    uint64_t results[SOFTGPU_MAILBOX_WORDS] = {};
    ASSERT_EQ(host.Request(n, SOFTGPU_MAILBOX_QUERY, 2, 0, results),
              SOFTGPU_MAILBOX_OK);
    EXPECT_EQ(results[0], 8192u);
    EXPECT_EQ(results[1], 4096 * (n + 1));
    ASSERT_EQ(host.Request(n, SOFTGPU_MAILBOX_QUERY_FENCE, 4, 0, results),
              SOFTGPU_MAILBOX_OK);
    EXPECT_EQ(results[0], 40 + n);
    ASSERT_EQ(host.Request(n, SOFTGPU_MAILBOX_INFO, 0, 0, results),
              SOFTGPU_MAILBOX_OK);
    EXPECT_EQ(results[0], 2u);
    EXPECT_EQ(results[2], 1u);
  }
}

TEST_F(AdapterTest, HandsOverFromOneToTwoAndBack) {
  FakeHost host;
  StartWithGuests(host, kOne);
  const std::string before = CensusOf(host);
  ASSERT_EQ(host.Save(), STATUS_SUCCESS);
  EXPECT_EQ(host.blocks().size(), 5u);  // the adapter, and two of each vGPU
  EXPECT_FALSE(host.page_saved_twice());
  ASSERT_EQ(SwitchTo(host, kTwo), STATUS_SUCCESS);
  EXPECT_EQ(CensusOf(host), before);
  host.CompleteRestore();
  ExpectGuestsGoOn(host);

  const std::string later = CensusOf(host);
  EXPECT_NE(later, before);
  ASSERT_EQ(host.Save(), STATUS_SUCCESS);
  EXPECT_FALSE(host.page_saved_twice());
  ASSERT_EQ(SwitchTo(host, kOne), STATUS_SUCCESS);
  EXPECT_EQ(CensusOf(host), later);
  ExpectGuestsGoOn(host);
  host.CompleteRestore();
  host.Unload();
}

TEST_F(AdapterTest, GivesTheOldDriverTheSameBlocksAgain) {
  FakeHost host;
  StartWithGuests(host, kOne);
  const std::string before = CensusOf(host);
  ASSERT_EQ(host.Save(), STATUS_SUCCESS);
  ASSERT_EQ(SwitchTo(host, kTwo), STATUS_SUCCESS);
  ASSERT_EQ(SwitchTo(host, kOne), STATUS_SUCCESS);
  EXPECT_EQ(CensusOf(host), before);
  ExpectGuestsGoOn(host);
  host.CompleteRestore();
  host.Unload();
}

TEST_F(AdapterTest, RestoresBlocksInAnyOrder) {
  FakeHost host;
  StartWithGuests(host, kOne);
  const std::string before = CensusOf(host);
  ASSERT_EQ(host.Save(), STATUS_SUCCESS);
  std::reverse(host.blocks().begin(), host.blocks().end());
  ASSERT_EQ(SwitchTo(host, kTwo), STATUS_SUCCESS);
  EXPECT_EQ(CensusOf(host), before);
  host.Unload();
}

TEST_F(AdapterTest, AHotUpdateLeavesEveryRegisterAsItIs) {
  FakeHost host;
  StartWithGuests(host, kOne);
  auto control = softgpu::DeviceControl::Open(host.board().directory());
  ASSERT_TRUE(control.ok());
  ASSERT_TRUE((*control)->PauseEngines(absl::Seconds(30)).ok());
  ASSERT_EQ(host.Save(), STATUS_SUCCESS);
  auto before = (*control)->Functions();
  ASSERT_EQ(SwitchTo(host, kTwo), STATUS_SUCCESS);
  host.adapter().Dpc();
  auto after = (*control)->Functions();
  ASSERT_EQ(before->size(), 2u);
  ASSERT_EQ(after->size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ((*before)[i].registers, (*after)[i].registers);
  }
  ASSERT_TRUE((*control)->ResumeEngines(absl::Seconds(30)).ok());
  host.CompleteRestore();
  host.Unload();
  EXPECT_TRUE((*control)->Functions()->empty());
}

TEST_F(AdapterTest, TheMailboxWaitsFromSaveUntilTheEnginesRunAgain) {
  FakeHost host;
  StartWithGuests(host, kOne);
  auto control = softgpu::DeviceControl::Open(host.board().directory());
  ASSERT_TRUE((*control)->PauseEngines(absl::Seconds(30)).ok());
  ASSERT_EQ(host.Save(), STATUS_SUCCESS);
  EXPECT_EQ(host.Request(2, SOFTGPU_MAILBOX_SIGNAL_FENCE, 5, 1, nullptr),
            FakeHost::kUnanswered);
  const int dpcs = host.dpcs();
  ASSERT_EQ(SwitchTo(host, kTwo), STATUS_SUCCESS);
  EXPECT_GT(host.dpcs(), dpcs);
  EXPECT_FALSE(host.ServeWaiting(2));
  ASSERT_TRUE((*control)->ResumeEngines(absl::Seconds(30)).ok());
  EXPECT_TRUE(host.ServeWaiting(2));
  host.CompleteRestore();
  ExpectGuestsGoOn(host);
  host.Unload();
}

TEST_F(AdapterTest, ACancelledUpdateGoesOnAsBefore) {
  for (const Image& image : {kOne, kTwo}) {
    FakeHost host;
    StartWithGuests(host, image);
    const std::string before = CensusOf(host);
    ASSERT_EQ(host.Save(), STATUS_SUCCESS);
    EXPECT_EQ(host.Request(0, SOFTGPU_MAILBOX_FREE, 1, 0, nullptr),
              FakeHost::kUnanswered);
    EXPECT_EQ(CensusOf(host), before);
    host.Cancel();
    host.Cancel();
    EXPECT_TRUE(host.ServeWaiting(0));
    ASSERT_EQ(host.Save(), STATUS_SUCCESS);
    host.Cancel();
    host.Unload();
  }
}

TEST_F(AdapterTest, RefusesAMailboxRequestOutOfSequence) {
  FakeHost host;
  StartWithGuests(host, kTwo);
  auto page = host.board().MapFunction(0);
  page->As<softgpu_vf>()->mailbox.request_sequence += 1;
  EXPECT_EQ(host.Request(0, SOFTGPU_MAILBOX_INFO, 0, 0, nullptr),
            SOFTGPU_MAILBOX_SEQUENCE);
  EXPECT_EQ(host.Request(2, 99, 0, 0, nullptr), SOFTGPU_MAILBOX_INVALID);
  host.Unload();
}

TEST_F(AdapterTest, RefusesBlocksThatAreNotWhatWasSaved) {
  FakeHost host;
  StartWithGuests(host, kOne);
  ASSERT_EQ(host.Save(), STATUS_SUCCESS);
  const std::vector<SavedBlock> good = host.blocks();
  for (size_t i = 0; i < good.size(); ++i) {
    const auto refused = [&](const char* what) {
      EXPECT_FALSE(NT_SUCCESS(SwitchTo(host, kTwo))) << what << " " << i;
      host.blocks() = good;
    };
    host.blocks()[i].bytes[40] ^= 1;
    refused("a damaged block");
    host.blocks()[i].metadata[0] ^= 1;
    refused("damaged metadata");
    host.blocks()[i].metadata[4] ^= 0x40;
    refused("another format");
    host.blocks().push_back(good[i]);
    refused("a block given twice");
    host.blocks().erase(host.blocks().begin() + static_cast<ptrdiff_t>(i));
    refused("a missing block");
  }
  ASSERT_EQ(SwitchTo(host, kOne), STATUS_SUCCESS);
  host.CompleteRestore();
  host.Unload();
}

TEST_F(AdapterTest, SaysThatItCanBeUpdatedHot) {
  FakeHost host;
  host.Load(kOne);
  ASSERT_EQ(host.Start(), STATUS_SUCCESS);
  DXGK_GPUPCAPS caps = {};
  DXGKARG_QUERYADAPTERINFO query = {};
  query.Type = DXGKQAITYPE_GPUPCAPS;
  query.pOutputData = &caps;
  query.OutputDataSize = sizeof(caps);
  EXPECT_EQ(host.adapter().QueryInfo(query), STATUS_SUCCESS);
  EXPECT_EQ(caps.Caps.HotDriverUpdate, 1u);
  query.OutputDataSize = 3;
  EXPECT_EQ(host.adapter().QueryInfo(query), STATUS_BUFFER_TOO_SMALL);
  host.Unload();
}

TEST_F(AdapterTest, PartitionsTheBoard) {
  FakeHost host;
  host.Load(kTwo);
  ASSERT_EQ(host.Start(), STATUS_SUCCESS);
  Adapter& adapter = host.adapter();
  DXGKARG_GETGPUPARTITIONINFO info = {};
  EXPECT_EQ(adapter.GetPartitionInfo(&info), STATUS_BUFFER_TOO_SMALL);
  EXPECT_EQ(info.NumGpuPartitionOptions, 3u);
  EXPECT_EQ(info.CurrentGpuPartitionCount, 4u);
  EXPECT_EQ(adapter.SetPartitionCount({3}), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(adapter.SetPartitionCount({2}), STATUS_SUCCESS);
  EXPECT_EQ(host.CreateVgpu(2), STATUS_INVALID_PARAMETER);
  EXPECT_EQ(host.CreateVgpu(1), STATUS_SUCCESS);
  EXPECT_EQ(host.CreateVgpu(1), STATUS_OBJECT_NAME_COLLISION);
  EXPECT_EQ(adapter.SetPartitionCount({4}), STATUS_INVALID_DEVICE_STATE);
  DXGKARG_GETVIRTUALGPUINFO vgpu = {};
  vgpu.PartitionId = 1;
  EXPECT_EQ(adapter.GetVgpuInfo(&vgpu), STATUS_SUCCESS);
  EXPECT_EQ(vgpu.Capability[DXGK_VGPU_CAPABILITY_MEMORY].CurrentValue,
            uint64_t{2} << 20);
  EXPECT_EQ(adapter.DestroyVgpu({1}), STATUS_SUCCESS);
  EXPECT_EQ(adapter.DestroyVgpu({1}), STATUS_NOT_FOUND);
  EXPECT_EQ(adapter.GetVgpuInfo(&vgpu), STATUS_NOT_FOUND);
  host.Unload();
}

// What each fault does on a board of its revision. The two that never return
// are shown by the tests that have a process to lose.
TEST_F(AdapterTest, EachFaultMisbehavesAsItsNameSays) {
  const struct {
    Fault fault;
    NTSTATUS save;
    NTSTATUS restore_and_start;
    bool census_holds;
  } kCases[] = {
      {Fault::kNone, STATUS_SUCCESS, STATUS_SUCCESS, true},
      {Fault::kSaveFails, STATUS_UNSUCCESSFUL, STATUS_SUCCESS, true},
      {Fault::kStartFails, STATUS_SUCCESS, STATUS_UNSUCCESSFUL, false},
      {Fault::kLosesVgpu, STATUS_SUCCESS, STATUS_SUCCESS, false},
      {Fault::kWrongState, STATUS_SUCCESS, STATUS_SUCCESS, false},
      {Fault::kRestoreFails, STATUS_SUCCESS, STATUS_UNSUCCESSFUL, false},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(static_cast<int>(c.fault));
    FakeHost host(static_cast<uint32_t>(c.fault));
    StartWithGuests(host, kOneFaulty);
    const std::string before = CensusOf(host);
    EXPECT_EQ(host.Save(), c.save);
    if (c.save != STATUS_SUCCESS) {
      EXPECT_EQ(host.blocks().size(), 1u);
      EXPECT_EQ(CensusOf(host), before);
      ExpectGuestsGoOn(host);
      host.Unload();
      continue;
    }
    EXPECT_EQ(SwitchTo(host, kTwoFaulty), c.restore_and_start);
    EXPECT_EQ(CensusOf(host) == before, c.census_holds);
    // And the way back is open.
    EXPECT_EQ(SwitchTo(host, kOneFaulty), STATUS_SUCCESS);
    EXPECT_EQ(CensusOf(host), before);
    ExpectGuestsGoOn(host);
    host.CompleteRestore();
    host.Unload();
  }
}

TEST_F(AdapterTest, StopResetsIsSeenInTheRegisters) {
  FakeHost host(static_cast<uint32_t>(Fault::kStopResets));
  StartWithGuests(host, kOneFaulty);
  auto control = softgpu::DeviceControl::Open(host.board().directory());
  const Digest128 before = (*(*control)->Functions())[0].registers;
  ASSERT_EQ(host.Save(), STATUS_SUCCESS);
  host.Unload();
  EXPECT_NE((*(*control)->Functions())[0].registers, before);
}

TEST(FaultsTest, ActOnlyInTheirVersionAndOnTheirBoard) {
  for (const FaultRow& row : kFaults) {
    const auto number = static_cast<uint32_t>(row.fault);
    for (const uint32_t major : {1u, 2u}) {
      EXPECT_EQ(Acts(row.fault, {major, kFaultsAll}, number),
                major == row.acts_in)
          << row.name;
      EXPECT_FALSE(Acts(row.fault, {major, kFaultsAll}, 0)) << row.name;
      EXPECT_FALSE(Acts(row.fault, {major, kFaultsNone}, number)) << row.name;
      EXPECT_TRUE(Acts(row.fault, {major, static_cast<int>(number)}, 0));
    }
  }
  EXPECT_FALSE(Acts(Fault::kNone, {1, kFaultsNone}, 0));
}

}  // namespace
}  // namespace baton::miniport
