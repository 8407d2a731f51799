#ifndef DRIVER_SHIM_KIT_BYTES_H_
#define DRIVER_SHIM_KIT_BYTES_H_

#include <stdint.h>

// Copies and clears without a library. A compiler makes a call of memcpy or
// memset of a plain loop, whatever -ffreestanding says, unless something in it
// stands in the way. For the kit's own sources.

// Words where they can be had of any address, which is eight times as fast:
// what is copied here is copied while guests stand still.
#if defined(__GNUC__)
#define BATON_KIT_KEEP_LOOP __asm__ volatile("" ::: "memory")
typedef uint64_t baton_kit_word __attribute__((may_alias, aligned(1)));
#else
#define BATON_KIT_KEEP_LOOP ((void)0)
typedef uint8_t baton_kit_word;
#endif

static inline void baton_kit_copy_bytes(void* to, const void* from,
                                        uint64_t bytes) {
  uint8_t* out = (uint8_t*)to;
  const uint8_t* in = (const uint8_t*)from;
  uint64_t i = 0;
  for (; bytes - i >= sizeof(baton_kit_word); i += sizeof(baton_kit_word)) {
    *(baton_kit_word*)(out + i) = *(const baton_kit_word*)(in + i);
    BATON_KIT_KEEP_LOOP;
  }
  for (; i < bytes; ++i) {
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
