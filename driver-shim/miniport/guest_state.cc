#include "driver-shim/miniport/guest_state.h"

namespace baton::miniport {

void DestroyGuestState(GuestState* state) {
  if (state == nullptr) return;
  state->~GuestState();
  ExFreePoolWithTag(state, kPoolTag);
}

PMDL AllocatePages(uint64_t bytes, void** address) {
  PHYSICAL_ADDRESS low = {};
  PHYSICAL_ADDRESS high = {};
  high.QuadPart = INT64_MAX;
  PMDL mdl = MmAllocatePagesForMdlEx(low, high, low, bytes, MmCached,
                                     MM_ALLOCATE_FULLY_REQUIRED);
  if (mdl == nullptr) return nullptr;
  *address = MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority);
  if (*address != nullptr) return mdl;
  FreePages(mdl, nullptr);
  return nullptr;
}

void FreePages(PMDL mdl, void* address) {
  if (mdl == nullptr) return;
  if (address != nullptr) MmUnmapLockedPages(address, mdl);
  MmFreePagesFromMdl(mdl);
  ExFreePool(mdl);
}

}  // namespace baton::miniport
