#ifndef DRIVER_SHIM_KIT_BYTES_H_
#define DRIVER_SHIM_KIT_BYTES_H_

#include <stdint.h>

// Copies and clears without a library. A compiler makes a call of memcpy or
// memset of a plain loop, whatever -ffreestanding says, unless something in it
// stands in the way. For the kit's own sources.

#if defined(__GNUC__)
#define BATON_KIT_KEEP_LOOP __asm__ volatile("" ::: "memory")
#else
#define BATON_KIT_KEEP_LOOP ((void)0)
#endif

static inline void baton_kit_copy_bytes(void* to, const void* from,
                                        uint64_t bytes) {
  uint8_t* out = (uint8_t*)to;
  const uint8_t* in = (const uint8_t*)from;
  for (uint64_t i = 0; i < bytes; ++i) {
    out[i] = in[i];
    BATON_KIT_KEEP_LOOP;
  }
}

static inline void baton_kit_clear_bytes(void* to, uint64_t bytes) {
  uint8_t* out = (uint8_t*)to;
  for (uint64_t i = 0; i < bytes; ++i) {
    out[i] = 0;
    BATON_KIT_KEEP_LOOP;
  }
}

#endif  // DRIVER_SHIM_KIT_BYTES_H_
