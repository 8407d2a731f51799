#ifndef DRIVER_SHIM_MINIPORT_STATE_H_
#define DRIVER_SHIM_MINIPORT_STATE_H_

#include <cstdint>

#include "driver-shim/softgpu/registers.h"

namespace baton::miniport {

inline constexpr uint32_t kAllocationsMax = 480;       // of one virtual GPU
inline constexpr uint64_t kAllocationAlignment = 256;  // bytes

struct Allocation {
  uint32_t handle = 0;  // never 0, never used twice
  uint32_t reserved = 0;
  uint64_t offset = 0;  // into the function's window
  uint64_t bytes = 0;
};
static_assert(sizeof(Allocation) == 24);

struct Context {
  uint32_t valid = 0;
  uint32_t tag = 0;
};
static_assert(sizeof(Context) == 8);

// Contexts and fences of one virtual GPU, as 1.x keeps and saves them.
struct ContextTable {
  Context contexts[SOFTGPU_CONTEXTS] = {};
  uint64_t fences[SOFTGPU_FENCES] = {};
  uint32_t next_tag = 1;
  uint32_t reserved = 0;
};
static_assert(sizeof(ContextTable) == 264);

// What a guest can see of its driver, whatever the version: what one version
// hands to another. Allocations ordered by handle.
struct Logical {
  uint32_t allocations_count = 0;
  uint32_t next_handle = 1;
  Allocation allocations[kAllocationsMax] = {};
  ContextTable table = {};
};

struct StateDigest {
  uint8_t bytes[16] = {};
};

// Returns the same digest for the same state.
StateDigest DigestOf(const Logical& state, uint64_t mailbox_sequence);

// Whether `state` can be true of a window of that many bytes: handles in order
// and below next_handle, ranges inside and apart.
bool IsSound(const Logical& state, uint64_t window_bytes);

}  // namespace baton::miniport

#endif  // DRIVER_SHIM_MINIPORT_STATE_H_
