#include "driver-shim/softgpu/guest/heap.h"

#include "gtest/gtest.h"

namespace baton::softgpu {
namespace {

constexpr uint64_t kWindow = 1 << 20;

MailboxRequest Allocate(uint64_t bytes) {
  return {SOFTGPU_MAILBOX_ALLOCATE, {bytes, 0}};
}

MailboxAnswer Ok(uint64_t first, uint64_t second, uint64_t third = 0) {
  return {SOFTGPU_MAILBOX_OK, {first, second, third, 0}};
}

Heap WithTwoAllocations() {
  Heap heap(kWindow, 1);
  EXPECT_EQ(heap.Judge(Allocate(1000), Ok(1, 0)), "");
  EXPECT_EQ(heap.Judge(Allocate(256), Ok(2, 1024)), "");
  return heap;
}

TEST(HeapTest, RemembersWhatItWasGiven) {
  Heap heap = WithTwoAllocations();
  EXPECT_EQ(heap.peak(), 1280u);
  const Heap::Range fresh = heap.TakeFresh();
  EXPECT_EQ(fresh.offset, 1024u);
  EXPECT_EQ(fresh.bytes, 256u);
  EXPECT_EQ(heap.TakeFresh().bytes, 0u);
  EXPECT_EQ(heap.Judge({SOFTGPU_MAILBOX_QUERY, {1, 0}}, Ok(0, 1024)), "");
  EXPECT_EQ(heap.Judge({SOFTGPU_MAILBOX_INFO, {}}, Ok(2, 1280, 0)), "");
}

TEST(HeapTest, NoticesEachAnswerOfADriverThatLostItsState) {
  const struct {
    const char* what;
    MailboxRequest request;
    MailboxAnswer answer;
  } kCases[] = {
      {"out of sequence",
       {SOFTGPU_MAILBOX_INFO, {}},
       {SOFTGPU_MAILBOX_SEQUENCE, {}}},
      {"an overlap", Allocate(512), Ok(3, 512)},
      {"an overlap from below", Allocate(4096), Ok(3, 768)},
      {"a handle again", Allocate(512), Ok(2, 4096)},
      {"outside the window", Allocate(512), Ok(3, kWindow - 256)},
      {"not aligned", Allocate(512), Ok(3, 4097)},
      {"a forgotten allocation",
       {SOFTGPU_MAILBOX_QUERY, {1, 0}},
       {SOFTGPU_MAILBOX_NOT_FOUND, {}}},
      {"another size", {SOFTGPU_MAILBOX_QUERY, {1, 0}}, Ok(0, 1280)},
      {"another place", {SOFTGPU_MAILBOX_QUERY, {1, 0}}, Ok(256, 1024)},
      {"one too few", {SOFTGPU_MAILBOX_INFO, {}}, Ok(1, 1024, 0)},
      {"a lost fence", {SOFTGPU_MAILBOX_QUERY_FENCE, {3, 0}}, Ok(0, 0)},
      {"a context again", {SOFTGPU_MAILBOX_CREATE_CONTEXT, {}}, Ok(0, 5)},
      {"a tag again", {SOFTGPU_MAILBOX_CREATE_CONTEXT, {}}, Ok(1, 4)},
      {"no such request", {99, {}}, Ok(0, 0)},
  };
  for (const auto& c : kCases) {
    Heap heap = WithTwoAllocations();
    ASSERT_EQ(heap.Judge({SOFTGPU_MAILBOX_SIGNAL_FENCE, {3, 77}}, Ok(0, 0)),
              "");
    if (c.request.opcode == SOFTGPU_MAILBOX_CREATE_CONTEXT) {
      ASSERT_EQ(heap.Judge(c.request, Ok(0, 4)), "");
    }
    EXPECT_NE(heap.Judge(c.request, c.answer), "") << c.what;
  }
}

TEST(HeapTest, CountsFromWhatWasThereBefore) {
  Heap heap(kWindow, 1);
  heap.SetBaseline(Ok(3, 4096, 1));
  heap.SetFence(2, 50);
  EXPECT_EQ(heap.Judge(Allocate(256), Ok(9, 8192)), "");
  EXPECT_EQ(heap.Judge({SOFTGPU_MAILBOX_INFO, {}}, Ok(4, 4352, 1)), "");
  EXPECT_EQ(heap.Judge({SOFTGPU_MAILBOX_QUERY_FENCE, {2, 0}}, Ok(50, 0)), "");
}

TEST(HeapTest, NeverFreesItsWorkingSetOrMainContext) {
  Heap heap = WithTwoAllocations();
  ASSERT_EQ(heap.Judge({SOFTGPU_MAILBOX_CREATE_CONTEXT, {}}, Ok(0, 1)), "");
  for (int i = 0; i < 1000; ++i) {
    const MailboxRequest request = heap.Choose();
    if (request.opcode == SOFTGPU_MAILBOX_FREE) {
      EXPECT_EQ(request.arguments[0], 2u);
    }
    EXPECT_NE(request.opcode, SOFTGPU_MAILBOX_DESTROY_CONTEXT);
  }
}

}  // namespace
}  // namespace baton::softgpu
