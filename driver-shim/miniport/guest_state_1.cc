#include <cstring>
#include <new>

#include "driver-shim/miniport/guest_state.h"

// Version 1.x: the state lives all the time in the very pages that are saved,
// as the payload of their only record. Saving it is framing it.

namespace baton::miniport {
namespace {

// Its pages: allocations in ascending order of their handles.
struct AllocationsPages {
  uint8_t framing[BATON_KIT_FIRST_PAYLOAD];
  AllocationsHeader header;
  Allocation allocations[kAllocationsMax];
};
static_assert(sizeof(AllocationsPages) <= kAllocationsBytesMax);
static_assert(offsetof(AllocationsPages, header) == BATON_KIT_FIRST_PAYLOAD);

struct ContextsPage {
  uint8_t framing[BATON_KIT_FIRST_PAYLOAD];
  ContextTable table;
};
static_assert(sizeof(ContextsPage) <= kContextsBytesMax);
static_assert(offsetof(ContextsPage, table) == BATON_KIT_FIRST_PAYLOAD);

class GuestState1 final : public GuestState {
 public:
  explicit GuestState1(uint64_t window_bytes) : window_bytes_(window_bytes) {}

  ~GuestState1() override {
    FreePages(allocations_mdl_, allocations_);
    if (contexts_ != nullptr) MmFreeContiguousMemory(contexts_);
  }

  bool Initialize() {
    void* address = nullptr;
    allocations_mdl_ = AllocatePages(kAllocationsBytesMax, &address);
    if (allocations_mdl_ == nullptr) return false;
    allocations_ = static_cast<AllocationsPages*>(address);
    PHYSICAL_ADDRESS highest = {};
    highest.QuadPart = INT64_MAX;
    void* page = MmAllocateContiguousMemory(kContextsBytesMax, highest);
    if (page == nullptr) return false;
    std::memset(page, 0, kContextsBytesMax);
    contexts_ = static_cast<ContextsPage*>(page);
    allocations_->header = {};
    contexts_->table = {};
    return true;
  }

  uint32_t Allocate(uint64_t bytes, Allocation* made) override {
    if (bytes == 0 || bytes > window_bytes_) return SOFTGPU_MAILBOX_INVALID;
    bytes = (bytes + kAllocationAlignment - 1) & ~(kAllocationAlignment - 1);
    AllocationsHeader& header = allocations_->header;
    uint64_t offset = 0;
    if (header.count == kAllocationsMax || !FindGap(bytes, &offset)) {
      return SOFTGPU_MAILBOX_NO_MEMORY;
    }
    *made = {header.next_handle++, 0, offset, bytes};
    allocations_->allocations[header.count++] = *made;
    return SOFTGPU_MAILBOX_OK;
  }

  uint32_t Free(uint32_t handle) override {
    const uint32_t at = IndexOf(handle);
    AllocationsHeader& header = allocations_->header;
    if (at == header.count) return SOFTGPU_MAILBOX_NOT_FOUND;
    Allocation* entries = allocations_->allocations;
    std::memmove(static_cast<void*>(entries + at), entries + at + 1,
                 (header.count - at - 1) * sizeof(Allocation));
    --header.count;
    return SOFTGPU_MAILBOX_OK;
  }

  uint32_t Query(uint32_t handle, Allocation* found) const override {
    const uint32_t at = IndexOf(handle);
    if (at == allocations_->header.count) return SOFTGPU_MAILBOX_NOT_FOUND;
    *found = allocations_->allocations[at];
    return SOFTGPU_MAILBOX_OK;
  }

  uint32_t CreateContext(uint32_t* index, uint32_t* tag) override {
    ContextTable& table = contexts_->table;
    for (uint32_t i = 0; i < SOFTGPU_CONTEXTS; ++i) {
      if (table.contexts[i].valid != 0) continue;
      table.contexts[i] = {1, table.next_tag++};
      *index = i;
      *tag = table.contexts[i].tag;
      return SOFTGPU_MAILBOX_OK;
    }
    return SOFTGPU_MAILBOX_NO_MEMORY;
  }

  uint32_t DestroyContext(uint32_t index) override {
    if (index >= SOFTGPU_CONTEXTS ||
        contexts_->table.contexts[index].valid == 0) {
      return SOFTGPU_MAILBOX_NOT_FOUND;
    }
    contexts_->table.contexts[index] = {};
    return SOFTGPU_MAILBOX_OK;
  }

  uint32_t SignalFence(uint32_t fence, uint64_t value) override {
    if (fence >= SOFTGPU_FENCES) return SOFTGPU_MAILBOX_NOT_FOUND;
    if (value < contexts_->table.fences[fence]) return SOFTGPU_MAILBOX_INVALID;
    contexts_->table.fences[fence] = value;
    return SOFTGPU_MAILBOX_OK;
  }

  uint32_t QueryFence(uint32_t fence, uint64_t* value) const override {
    if (fence >= SOFTGPU_FENCES) return SOFTGPU_MAILBOX_NOT_FOUND;
    *value = contexts_->table.fences[fence];
    return SOFTGPU_MAILBOX_OK;
  }

  void Export(Logical* state) const override {
    state->allocations_count = allocations_->header.count;
    state->next_handle = allocations_->header.next_handle;
    std::memcpy(static_cast<void*>(state->allocations),
                allocations_->allocations,
                state->allocations_count * sizeof(Allocation));
    state->table = contexts_->table;
  }

  void Import(const Logical& state) override {
    allocations_->header = {state.next_handle, state.allocations_count};
    std::memcpy(static_cast<void*>(allocations_->allocations),
                state.allocations,
                state.allocations_count * sizeof(Allocation));
    contexts_->table = state.table;
  }

  NTSTATUS PreparePages(SavedPages* pages) override {
    pages->allocations = allocations_mdl_;
    pages->allocations_bytes = static_cast<uint32_t>(
        Frame(allocations_, kAllocationsBytesMax, BlockKind::kAllocations,
              kAllocationsRecord,
              sizeof(AllocationsHeader) +
                  allocations_->header.count * sizeof(Allocation)));
    pages->contexts = BatonKsrRange(
        static_cast<UINT64>(MmGetPhysicalAddress(contexts_).QuadPart) >>
            PAGE_SHIFT,
        kContextsBytesMax / PAGE_SIZE);
    pages->contexts_bytes = static_cast<uint32_t>(
        Frame(contexts_, kContextsBytesMax, BlockKind::kContexts,
              kContextsRecord, sizeof(ContextTable)));
    return pages->allocations_bytes != 0 && pages->contexts_bytes != 0
               ? STATUS_SUCCESS
               : STATUS_INTERNAL_ERROR;
  }

  void ImportStatistics(const Statistics&) override {}
  void ReleasePages() override {}

 private:
  // Frames the record that is already in place.
  static uint64_t Frame(void* pages, uint64_t room, BlockKind kind,
                        uint32_t type, uint64_t payload_bytes) {
    baton_kit_writer writer = {};
    baton_kit_start(&writer, pages, room, static_cast<uint16_t>(kind));
    uint64_t left = 0;
    if (baton_kit_begin(&writer, {type, 1, 0, 0}, &left) == nullptr) return 0;
    baton_kit_end(&writer, payload_bytes);
    return baton_kit_finish(&writer);
  }

  uint32_t IndexOf(uint32_t handle) const {
    const uint32_t count = allocations_->header.count;
    uint32_t at = 0;
    while (at < count && allocations_->allocations[at].handle != handle) ++at;
    return at;
  }

  // The lowest gap: moves past each allocation in the way until none is.
  bool FindGap(uint64_t bytes, uint64_t* offset) const {
    uint64_t candidate = 0;
    for (bool moved = true; moved;) {
      moved = false;
      for (uint32_t i = 0; i < allocations_->header.count; ++i) {
        const Allocation& taken = allocations_->allocations[i];
        if (candidate < taken.offset + taken.bytes &&
            taken.offset < candidate + bytes) {
          candidate = taken.offset + taken.bytes;
          moved = true;
        }
      }
    }
    *offset = candidate;
    return bytes <= window_bytes_ && candidate <= window_bytes_ - bytes;
  }

  const uint64_t window_bytes_;
  PMDL allocations_mdl_ = nullptr;
  AllocationsPages* allocations_ = nullptr;
  ContextsPage* contexts_ = nullptr;
};

}  // namespace

GuestState* MakeGuestState1(uint64_t window_bytes) {
  void* memory =
      ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(GuestState1), kPoolTag);
  if (memory == nullptr) return nullptr;
  auto* state = new (memory) GuestState1(window_bytes);
  if (state->Initialize()) return state;
  DestroyGuestState(state);
  return nullptr;
}

}  // namespace baton::miniport
