#ifndef DRIVER_SHIM_PORT_HOSTILITY_H_
#define DRIVER_SHIM_PORT_HOSTILITY_H_

#include <cstdint>

namespace baton::port {

// How a driver host treats its driver on purpose, for whoever verifies drivers.
// As it is by default, it does nothing: production never sets it. Shared with
// the driver host, so plain.
struct Hostility {
  // In which order saved blocks are handed over. The interface names none.
  enum class Order : uint32_t { kAsSaved = 0, kReversed, kShuffled };
  // What is done to one block that is handed over. The saved bytes themselves
  // stay as they are.
  enum class Damage : uint32_t {
    kNone = 0,
    kLost,               // not handed over at all
    kBytesFlipped,       // some bits of the data
    kBytesCut,           // all but the first sixteenth of the data
    kMetadataFlipped,    // some bits of the metadata
    kMetadataCut,        // the second half of the metadata
    kMetadataGone,       // no metadata
    kMetadataOfAnother,  // of the block saved next
  };

  // The n-th allocation of each command fails, whatever its kind; 0: none.
  uint32_t failing_allocation = 0;
  Order order = Order::kAsSaved;
  Damage damage = Damage::kNone;
  uint32_t damaged_block = 0;  // in the order of saving
  uint32_t seed = 0;           // of the shuffle, and of which bits are flipped
};

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_HOSTILITY_H_
