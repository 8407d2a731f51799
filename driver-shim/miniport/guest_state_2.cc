#include <algorithm>
#include <cstring>
#include <new>

#include "driver-shim/miniport/guest_state.h"

// Version 2.x: columns ordered by offset, so that the lowest gap is found in
// one pass; contexts as a bitmap with tags; and it counts. What it saves is
// written into pages of their own, in the format that 1.x reads.

namespace baton::miniport {
namespace {

class GuestState2 final : public GuestState {
 public:
  explicit GuestState2(uint64_t window_bytes) : window_bytes_(window_bytes) {}
  ~GuestState2() override { Release(); }

  uint32_t Allocate(uint64_t bytes, Allocation* made) override {
    if (bytes == 0 || bytes > window_bytes_) return SOFTGPU_MAILBOX_INVALID;
    bytes = (bytes + kAllocationAlignment - 1) & ~(kAllocationAlignment - 1);
    uint64_t offset = 0;
    uint32_t at = 0;
    while (at < count_ && starts_[at] - offset < bytes) offset = ends_[at++];
    if (count_ == kAllocationsMax || bytes > window_bytes_ - offset) {
      return SOFTGPU_MAILBOX_NO_MEMORY;
    }
    *made = {next_handle_++, 0, offset, bytes};
    InsertAt(at, *made);
    ++statistics_.allocations_ever;
    bytes_now_ += bytes;
    statistics_.bytes_peak = std::max(statistics_.bytes_peak, bytes_now_);
    return SOFTGPU_MAILBOX_OK;
  }

  uint32_t Free(uint32_t handle) override {
    const uint32_t at = IndexOf(handle);
    if (at == count_) return SOFTGPU_MAILBOX_NOT_FOUND;
    bytes_now_ -= ends_[at] - starts_[at];
    ++statistics_.frees_ever;
    std::move(starts_ + at + 1, starts_ + count_, starts_ + at);
    std::move(ends_ + at + 1, ends_ + count_, ends_ + at);
    std::move(handles_ + at + 1, handles_ + count_, handles_ + at);
    --count_;
    return SOFTGPU_MAILBOX_OK;
  }

  uint32_t Query(uint32_t handle, Allocation* found) const override {
    const uint32_t at = IndexOf(handle);
    if (at == count_) return SOFTGPU_MAILBOX_NOT_FOUND;
    *found = At(at);
    return SOFTGPU_MAILBOX_OK;
  }

  uint32_t CreateContext(uint32_t* index, uint32_t* tag) override {
    for (uint32_t i = 0; i < SOFTGPU_CONTEXTS; ++i) {
      if ((contexts_valid_ >> i & 1) != 0) continue;
      contexts_valid_ |= 1u << i;
      tags_[i] = next_tag_++;
      *index = i;
      *tag = tags_[i];
      return SOFTGPU_MAILBOX_OK;
    }
    return SOFTGPU_MAILBOX_NO_MEMORY;
  }

  uint32_t DestroyContext(uint32_t index) override {
    if (index >= SOFTGPU_CONTEXTS || (contexts_valid_ >> index & 1) == 0) {
      return SOFTGPU_MAILBOX_NOT_FOUND;
    }
    contexts_valid_ &= ~(1u << index);
    return SOFTGPU_MAILBOX_OK;
  }

  uint32_t SignalFence(uint32_t fence, uint64_t value) override {
    if (fence >= SOFTGPU_FENCES) return SOFTGPU_MAILBOX_NOT_FOUND;
    if (value < fences_[fence]) return SOFTGPU_MAILBOX_INVALID;
    fences_[fence] = value;
    return SOFTGPU_MAILBOX_OK;
  }

  uint32_t QueryFence(uint32_t fence, uint64_t* value) const override {
    if (fence >= SOFTGPU_FENCES) return SOFTGPU_MAILBOX_NOT_FOUND;
    *value = fences_[fence];
    return SOFTGPU_MAILBOX_OK;
  }

  void Export(Logical* state) const override {
    state->allocations_count = count_;
    state->next_handle = next_handle_;
    for (uint32_t i = 0; i < count_; ++i) state->allocations[i] = At(i);
    std::sort(state->allocations, state->allocations + count_,
              [](const Allocation& a, const Allocation& b) {
                return a.handle < b.handle;
              });
    for (uint32_t i = 0; i < SOFTGPU_CONTEXTS; ++i) {
      const bool valid = (contexts_valid_ >> i & 1) != 0;
      state->table.contexts[i] = valid ? Context{1, tags_[i]} : Context{0, 0};
    }
    std::copy(fences_, fences_ + SOFTGPU_FENCES, state->table.fences);
    state->table.next_tag = next_tag_;
    state->table.reserved = 0;
  }

  void Import(const Logical& state) override {
    count_ = 0;
    bytes_now_ = 0;
    next_handle_ = state.next_handle;
    for (uint32_t i = 0; i < state.allocations_count; ++i) {
      const Allocation& made = state.allocations[i];
      InsertAt(static_cast<uint32_t>(
                   std::upper_bound(starts_, starts_ + count_, made.offset) -
                   starts_),
               made);
      bytes_now_ += made.bytes;
    }
    contexts_valid_ = 0;
    for (uint32_t i = 0; i < SOFTGPU_CONTEXTS; ++i) {
      if (state.table.contexts[i].valid == 0) continue;
      contexts_valid_ |= 1u << i;
      tags_[i] = state.table.contexts[i].tag;
    }
    std::copy(state.table.fences, state.table.fences + SOFTGPU_FENCES, fences_);
    next_tag_ = state.table.next_tag;
    statistics_.bytes_peak = std::max(statistics_.bytes_peak, bytes_now_);
  }

  NTSTATUS PreparePages(SavedPages* pages) override {
    Release();
    void* scratch =
        ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(Logical), kPoolTag);
    if (scratch == nullptr) return STATUS_NO_MEMORY;
    auto* logical = new (scratch) Logical();
    Export(logical);
    const NTSTATUS status = WritePages(*logical, pages);
    ExFreePoolWithTag(scratch, kPoolTag);
    if (!NT_SUCCESS(status)) Release();
    return status;
  }

  void ImportStatistics(const Statistics& statistics) override {
    statistics_ = statistics;
    statistics_.bytes_peak = std::max(statistics_.bytes_peak, bytes_now_);
  }

  void ReleasePages() override { Release(); }

 private:
  void Release() {
    FreePages(saved_mdl_, saved_);
    saved_mdl_ = nullptr;
    saved_ = nullptr;
    if (saved_contexts_ != nullptr) MmFreeContiguousMemory(saved_contexts_);
    saved_contexts_ = nullptr;
  }

  NTSTATUS WritePages(const Logical& logical, SavedPages* pages) {
    saved_mdl_ = AllocatePages(kAllocationsBytesMax, &saved_);
    PHYSICAL_ADDRESS highest = {};
    highest.QuadPart = INT64_MAX;
    saved_contexts_ = MmAllocateContiguousMemory(kContextsBytesMax, highest);
    if (saved_mdl_ == nullptr || saved_contexts_ == nullptr) {
      return STATUS_NO_MEMORY;
    }
    pages->allocations = saved_mdl_;
    pages->allocations_bytes = static_cast<uint32_t>(
        WriteAllocations(logical, &statistics_, saved_, kAllocationsBytesMax));
    std::memset(saved_contexts_, 0, kContextsBytesMax);
    pages->contexts = BatonKsrRange(
        static_cast<UINT64>(MmGetPhysicalAddress(saved_contexts_).QuadPart) >>
            PAGE_SHIFT,
        kContextsBytesMax / PAGE_SIZE);
    pages->contexts_bytes = static_cast<uint32_t>(
        WriteContexts(logical.table, saved_contexts_, kContextsBytesMax));
    return pages->allocations_bytes != 0 && pages->contexts_bytes != 0
               ? STATUS_SUCCESS
               : STATUS_INTERNAL_ERROR;
  }

  Allocation At(uint32_t at) const {
    return {handles_[at], 0, starts_[at], ends_[at] - starts_[at]};
  }

  uint32_t IndexOf(uint32_t handle) const {
    return static_cast<uint32_t>(
        std::find(handles_, handles_ + count_, handle) - handles_);
  }

  void InsertAt(uint32_t at, const Allocation& made) {
    std::move_backward(starts_ + at, starts_ + count_, starts_ + count_ + 1);
    std::move_backward(ends_ + at, ends_ + count_, ends_ + count_ + 1);
    std::move_backward(handles_ + at, handles_ + count_, handles_ + count_ + 1);
    starts_[at] = made.offset;
    ends_[at] = made.offset + made.bytes;
    handles_[at] = made.handle;
    ++count_;
  }

  const uint64_t window_bytes_;
  uint32_t count_ = 0;
  uint32_t next_handle_ = 1;
  uint64_t bytes_now_ = 0;
  uint64_t starts_[kAllocationsMax] = {};
  uint64_t ends_[kAllocationsMax] = {};
  uint32_t handles_[kAllocationsMax] = {};
  uint32_t contexts_valid_ = 0;
  uint32_t next_tag_ = 1;
  uint32_t tags_[SOFTGPU_CONTEXTS] = {};
  uint64_t fences_[SOFTGPU_FENCES] = {};
  Statistics statistics_ = {};
  PMDL saved_mdl_ = nullptr;
  void* saved_ = nullptr;
  void* saved_contexts_ = nullptr;
};

}  // namespace

GuestState* MakeGuestState2(uint64_t window_bytes) {
  void* memory =
      ExAllocatePoolWithTag(NonPagedPoolNx, sizeof(GuestState2), kPoolTag);
  if (memory == nullptr) return nullptr;
  return new (memory) GuestState2(window_bytes);
}

}  // namespace baton::miniport
