#ifndef DRIVER_SHIM_KIT_LABEL_H_
#define DRIVER_SHIM_KIT_LABEL_H_

#include "driver-shim/kit/frame.h"

// Says in a block's metadata whose block it is, in a way that a host can read
// which knows nothing else of the driver. A host that finds labels sees before
// the driver is unloaded that a partition was left out, or one of its blocks;
// without them it sees that only when the next driver has lost somebody.
//
// The metadata is a frame with one record of this kind beside whatever else the
// driver puts there. Label all blocks of a Save, or none.
//
// Freestanding C11: no allocation, no library.

#ifdef __cplusplus
extern "C" {
#endif

enum {
  BATON_KIT_LABEL_RECORD = 0x4c424c42,  // "BLBL"; the driver's own are others
  BATON_KIT_LABEL_VERSION = 1
};

// Of a block that is the adapter's as a whole.
#define BATON_KIT_NO_PARTITION 0xffffffffu

struct baton_kit_label {
  uint32_t partition_id;
  uint32_t part;   // of the partition's blocks, from 0
  uint32_t parts;  // as many blocks as the partition has
};

// Adds the label to the frame, as an optional record.
void baton_kit_write_label(struct baton_kit_writer* writer,
                           const struct baton_kit_label* label);

// Reads the label out of `bytes` bytes of metadata, aligned to 8. Any bytes are
// safe to give.
// Returns BATON_KIT_OK; BATON_KIT_END when the frame has none; what
// baton_kit_open() returns when it is no frame; BATON_KIT_SHORT_RECORD
enum baton_kit_result baton_kit_read_label(const void* metadata, uint64_t bytes,
                                           struct baton_kit_label* label);

#ifdef __cplusplus
}
#endif

#endif  // DRIVER_SHIM_KIT_LABEL_H_
