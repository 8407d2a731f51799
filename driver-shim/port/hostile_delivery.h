#ifndef DRIVER_SHIM_PORT_HOSTILE_DELIVERY_H_
#define DRIVER_SHIM_PORT_HOSTILE_DELIVERY_H_

#include <cstddef>
#include <vector>

#include "driver-shim/port/block_index.h"
#include "driver-shim/port/hostility.h"

// Saved blocks as a hostile host would hand them over. Pure.

namespace baton::port {

// One block of a delivery.
struct Delivery {
  size_t index = 0;  // in the order of saving
  SavedBlock block = {};
  bool flips_bytes = false;  // see FlipBytes()
};

// Returns what is to be handed over, in this order: without hostility, all of
// `blocks` as they are.
std::vector<Delivery> Deliveries(const std::vector<SavedBlock>& blocks,
                                 const Hostility& hostility);

// Flips some bits in `bytes` bytes of data.
void FlipBytes(std::byte* data, size_t bytes, uint32_t seed);

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_HOSTILE_DELIVERY_H_
