#include "driver-shim/miniport/guest_state.h"

#include <memory>
#include <random>
#include <vector>

#include "driver-shim/miniport/testing/fake_kernel.h"
#include "gtest/gtest.h"

namespace baton::miniport {
namespace {

constexpr uint64_t kWindow = 1 << 20;

using StatePtr = std::unique_ptr<GuestState, void (*)(GuestState*)>;

StatePtr Make(MakeGuestState make) {
  return StatePtr(make(kWindow), DestroyGuestState);
}

class GuestStateTest : public ::testing::TestWithParam<MakeGuestState> {
 protected:
  ~GuestStateTest() override {
    state_.reset();
    EXPECT_EQ(OutstandingAllocations(), 0u);
  }
  StatePtr state_ = Make(GetParam());
};

TEST_P(GuestStateTest, AllocatesTheLowestGapThatFits) {
  Allocation a, b, c, d;
  ASSERT_EQ(state_->Allocate(1000, &a), SOFTGPU_MAILBOX_OK);
  ASSERT_EQ(state_->Allocate(5000, &b), SOFTGPU_MAILBOX_OK);
  ASSERT_EQ(state_->Allocate(256, &c), SOFTGPU_MAILBOX_OK);
  EXPECT_EQ(a.offset, 0u);
  EXPECT_EQ(a.bytes, 1024u);
  EXPECT_EQ(b.offset, 1024u);
  EXPECT_EQ(c.offset, 1024u + 5120);
  ASSERT_EQ(state_->Free(b.handle), SOFTGPU_MAILBOX_OK);
  ASSERT_EQ(state_->Allocate(6000, &d), SOFTGPU_MAILBOX_OK);
  EXPECT_EQ(d.offset, c.offset + 256);
  ASSERT_EQ(state_->Allocate(5120, &b), SOFTGPU_MAILBOX_OK);
  EXPECT_EQ(b.offset, 1024u);
  EXPECT_EQ(b.handle, 5u);
}

TEST_P(GuestStateTest, RefusesWhatCannotBe) {
  Allocation made;
  EXPECT_EQ(state_->Allocate(0, &made), SOFTGPU_MAILBOX_INVALID);
  EXPECT_EQ(state_->Allocate(kWindow + 1, &made), SOFTGPU_MAILBOX_INVALID);
  EXPECT_EQ(state_->Allocate(~uint64_t{0}, &made), SOFTGPU_MAILBOX_INVALID);
  EXPECT_EQ(state_->Free(1), SOFTGPU_MAILBOX_NOT_FOUND);
  EXPECT_EQ(state_->Query(1, &made), SOFTGPU_MAILBOX_NOT_FOUND);
  EXPECT_EQ(state_->DestroyContext(0), SOFTGPU_MAILBOX_NOT_FOUND);
  EXPECT_EQ(state_->DestroyContext(SOFTGPU_CONTEXTS),
            SOFTGPU_MAILBOX_NOT_FOUND);
  EXPECT_EQ(state_->SignalFence(SOFTGPU_FENCES, 1), SOFTGPU_MAILBOX_NOT_FOUND);
  ASSERT_EQ(state_->Allocate(kWindow, &made), SOFTGPU_MAILBOX_OK);
  EXPECT_EQ(state_->Allocate(1, &made), SOFTGPU_MAILBOX_NO_MEMORY);
}

TEST_P(GuestStateTest, HasRoomForItsMaximumAndNoMore) {
  Allocation made;
  for (uint32_t i = 0; i < kAllocationsMax; ++i) {
    ASSERT_EQ(state_->Allocate(1, &made), SOFTGPU_MAILBOX_OK);
  }
  EXPECT_EQ(state_->Allocate(1, &made), SOFTGPU_MAILBOX_NO_MEMORY);
  uint32_t index = 0;
  uint32_t tag = 0;
  for (uint32_t i = 0; i < SOFTGPU_CONTEXTS; ++i) {
    ASSERT_EQ(state_->CreateContext(&index, &tag), SOFTGPU_MAILBOX_OK);
  }
  EXPECT_EQ(state_->CreateContext(&index, &tag), SOFTGPU_MAILBOX_NO_MEMORY);
  SavedPages pages;
  ASSERT_EQ(state_->PreparePages(&pages), STATUS_SUCCESS);
  EXPECT_LE(pages.allocations_bytes, kAllocationsBytesMax);
  state_->ReleasePages();
}

TEST_P(GuestStateTest, FencesOnlyRise) {
  uint64_t value = 1;
  EXPECT_EQ(state_->QueryFence(3, &value), SOFTGPU_MAILBOX_OK);
  EXPECT_EQ(value, 0u);
  EXPECT_EQ(state_->SignalFence(3, 9), SOFTGPU_MAILBOX_OK);
  EXPECT_EQ(state_->SignalFence(3, 8), SOFTGPU_MAILBOX_INVALID);
  EXPECT_EQ(state_->QueryFence(3, &value), SOFTGPU_MAILBOX_OK);
  EXPECT_EQ(value, 9u);
}

INSTANTIATE_TEST_SUITE_P(Versions, GuestStateTest,
                         ::testing::Values(MakeGuestState1, MakeGuestState2));

// Reads what a state saves, as any version would.
Logical Saved(GuestState* state, Statistics* statistics) {
  SavedPages pages;
  EXPECT_EQ(state->PreparePages(&pages), STATUS_SUCCESS);
  Logical logical;
  EXPECT_EQ(ReadAllocations(MmGetSystemAddressForMdlSafe(pages.allocations, 0),
                            pages.allocations_bytes, &logical, statistics),
            STATUS_SUCCESS);
  // As the fake kernel numbers pages. NOLINTNEXTLINE(performance-no-int-to-ptr)
  const void* contexts = reinterpret_cast<const void*>(
      static_cast<uintptr_t>(BatonKsrFirstPage(pages.contexts) << PAGE_SHIFT));
  EXPECT_EQ(ReadContexts(contexts, pages.contexts_bytes, &logical.table),
            STATUS_SUCCESS);
  state->ReleasePages();
  return logical;
}

// Both versions do the same, whatever a guest asks; and each can go on from
// what the other saved.
TEST(GuestStateVersionsTest, AgreeAndHandOverToEachOther) {
  const uint32_t seed = 4711;
  std::mt19937 random(seed);
  StatePtr first = Make(MakeGuestState1);
  StatePtr second = Make(MakeGuestState2);
  std::vector<uint32_t> handles;
  for (int step = 0; step < 4000; ++step) {
    SCOPED_TRACE(testing::Message() << "seed " << seed << " step " << step);
    Allocation a, b;
    uint32_t index[2] = {}, tag[2] = {};
    switch (random() % 6) {
      case 0:
      case 1: {
        const uint64_t bytes = random() % 8192;
        ASSERT_EQ(first->Allocate(bytes, &a), second->Allocate(bytes, &b));
        ASSERT_EQ(a.handle, b.handle);
        ASSERT_EQ(a.offset, b.offset);
        if (a.handle != 0) handles.push_back(a.handle);
        break;
      }
      case 2: {
        if (handles.empty()) break;
        const size_t at = random() % handles.size();
        ASSERT_EQ(first->Free(handles[at]), SOFTGPU_MAILBOX_OK);
        ASSERT_EQ(second->Free(handles[at]), SOFTGPU_MAILBOX_OK);
        handles.erase(handles.begin() + static_cast<ptrdiff_t>(at));
        break;
      }
      case 3:
        ASSERT_EQ(first->CreateContext(&index[0], &tag[0]),
                  second->CreateContext(&index[1], &tag[1]));
        ASSERT_EQ(index[0], index[1]);
        ASSERT_EQ(tag[0], tag[1]);
        break;
      case 4: {
        const uint32_t context = random() % SOFTGPU_CONTEXTS;
        ASSERT_EQ(first->DestroyContext(context),
                  second->DestroyContext(context));
        break;
      }
      case 5: {
        const uint32_t fence = random() % SOFTGPU_FENCES;
        const uint64_t value = random();
        ASSERT_EQ(first->SignalFence(fence, value),
                  second->SignalFence(fence, value));
        break;
      }
    }
    if (step % 500 != 499) continue;
    Statistics statistics;
    const Logical from_first = Saved(first.get(), nullptr);
    const Logical from_second = Saved(second.get(), &statistics);
    ASSERT_TRUE(IsSound(from_first, kWindow));
    const StateDigest digests[] = {DigestOf(from_first, 5),
                                   DigestOf(from_second, 5)};
    ASSERT_EQ(memcmp(digests[0].bytes, digests[1].bytes, 16), 0);
    first = Make(MakeGuestState2);
    first->Import(from_second);
    first->ImportStatistics(statistics);
    second = Make(MakeGuestState1);
    second->Import(from_first);
    std::swap(first, second);
  }
  first.reset();
  second.reset();
  EXPECT_EQ(OutstandingAllocations(), 0u);
}

TEST(GuestStateVersionsTest, OneSkipsWhatTwoAddsAndTwoReadsItBack) {
  StatePtr two = Make(MakeGuestState2);
  Allocation made;
  ASSERT_EQ(two->Allocate(4096, &made), SOFTGPU_MAILBOX_OK);
  ASSERT_EQ(two->Allocate(4096, &made), SOFTGPU_MAILBOX_OK);
  ASSERT_EQ(two->Free(made.handle), SOFTGPU_MAILBOX_OK);
  Statistics statistics;
  const Logical with = Saved(two.get(), &statistics);
  EXPECT_EQ(statistics.allocations_ever, 2u);
  EXPECT_EQ(statistics.frees_ever, 1u);
  EXPECT_EQ(statistics.bytes_peak, 8192u);
  const Logical without = Saved(two.get(), nullptr);
  EXPECT_EQ(with.allocations_count, 1u);
  EXPECT_EQ(without.allocations_count, 1u);
}

TEST(GuestStateVersionsTest, SaysSoWhenThereIsNoMemory) {
  for (const MakeGuestState make : {MakeGuestState1, MakeGuestState2}) {
    for (size_t n = 1; n < 5; ++n) {
      FailAllocationsFrom(n);
      StatePtr state = Make(make);
      SavedPages pages;
      if (state != nullptr && n < 4) {
        const NTSTATUS status = state->PreparePages(&pages);
        EXPECT_TRUE(status == STATUS_SUCCESS || status == STATUS_NO_MEMORY);
      }
      FailAllocationsFrom(0);
      state.reset();
      EXPECT_EQ(OutstandingAllocations(), 0u) << n;
    }
  }
}

TEST(StateTest, SoundnessRefusesEachThingThatCannotBe) {
  Logical good;
  good.allocations_count = 2;
  good.next_handle = 3;
  good.allocations[0] = {1, 0, 0, 256};
  good.allocations[1] = {2, 0, 256, 256};
  EXPECT_TRUE(IsSound(good, 512));
  EXPECT_FALSE(IsSound(good, 511));
  Logical bad = good;
  bad.allocations[1].offset = 255;
  EXPECT_FALSE(IsSound(bad, 4096)) << "overlap";
  bad = good;
  bad.allocations[1].handle = 1;
  EXPECT_FALSE(IsSound(bad, 4096)) << "same handle twice";
  bad = good;
  bad.next_handle = 2;
  EXPECT_FALSE(IsSound(bad, 4096)) << "a handle to come is taken";
  bad = good;
  bad.allocations[0].bytes = 0;
  EXPECT_FALSE(IsSound(bad, 4096)) << "empty";
  bad = good;
  bad.allocations_count = kAllocationsMax + 1;
  EXPECT_FALSE(IsSound(bad, 4096)) << "too many";
}

}  // namespace
}  // namespace baton::miniport
