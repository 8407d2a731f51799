#ifndef DRIVER_SHIM_MINIPORT_GUEST_STATE_H_
#define DRIVER_SHIM_MINIPORT_GUEST_STATE_H_

#include <cstdint>

#include "driver-shim/ddi/hot_update.h"
#include "driver-shim/ddi/kernel.h"
#include "driver-shim/miniport/format.h"
#include "driver-shim/miniport/state.h"

namespace baton::miniport {

inline constexpr ULONG kPoolTag = 0x47746f53;  // "SotG"

// Pages that hold a virtual GPU's state in format 1, ready to be saved.
struct SavedPages {
  PMDL allocations = nullptr;
  uint32_t allocations_bytes = 0;
  DXGK_KSR_MEMORY_RANGE contexts = {};
  uint32_t contexts_bytes = 0;
};

// What the driver keeps in system memory of one virtual GPU. Each version of
// the driver keeps it in its own way; that is the difference between them.
//
// Calls return a mailbox status (SOFTGPU_MAILBOX_...) unless they say NTSTATUS.
class GuestState {
 public:
  virtual ~GuestState() = default;

  // First fit; `bytes` is rounded up to kAllocationAlignment.
  virtual uint32_t Allocate(uint64_t bytes, Allocation* made) = 0;
  virtual uint32_t Free(uint32_t handle) = 0;
  virtual uint32_t Query(uint32_t handle, Allocation* found) const = 0;
  virtual uint32_t CreateContext(uint32_t* index, uint32_t* tag) = 0;
  virtual uint32_t DestroyContext(uint32_t index) = 0;
  // A fence only rises.
  virtual uint32_t SignalFence(uint32_t fence, uint64_t value) = 0;
  virtual uint32_t QueryFence(uint32_t fence, uint64_t* value) const = 0;

  virtual void Export(Logical* state) const = 0;
  // Takes over a state that IsSound().
  virtual void Import(const Logical& state) = 0;

  // Fills in pages that hold the state in format 1, and that stay this
  // object's. STATUS_NO_MEMORY when there are none.
  virtual NTSTATUS PreparePages(SavedPages* pages) = 0;
  // Reads back what 2.x adds to format 1; 1.x ignores it.
  virtual void ImportStatistics(const Statistics& statistics) = 0;
  // Gives back what PreparePages() took beyond the state itself.
  virtual void ReleasePages() = 0;
};

// Returns the state of a new virtual GPU with a window of that many bytes, or
// null when there is no memory. One definition for each version of the driver.
using MakeGuestState = GuestState* (*)(uint64_t window_bytes);
GuestState* MakeGuestState1(uint64_t window_bytes);
GuestState* MakeGuestState2(uint64_t window_bytes);

// Destroys what a MakeGuestState made. Null is nothing.
void DestroyGuestState(GuestState* state);

// Pages of system memory with an address and a list, as both versions use them.
PMDL AllocatePages(uint64_t bytes, void** address);
void FreePages(PMDL mdl, void* address);

}  // namespace baton::miniport

#endif  // DRIVER_SHIM_MINIPORT_GUEST_STATE_H_
