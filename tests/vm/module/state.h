#ifndef TESTS_VM_MODULE_STATE_H_
#define TESTS_VM_MODULE_STATE_H_

#include <linux/types.h>

// What a user of a virtual GPU can see of it, but for configuration space. How
// it lies in the kernel's memory differs from version to version: state_v1.c
// and state_v2.c. The caller holds whatever lock is needed.
struct bgpu_state;

struct bgpu_registers {
  u64 steps;
  u64 result;
  u64 latched_steps;
  u64 latched_result;
  u64 dma_address;
  u32 batch;
  u32 scratch;
  u32 dma_length;
  u32 dma_offset;
  u32 dma_status;
  u32 reserved;  // 0, so that no byte is padding
};

// All zero. `memory_bytes` is a multiple of 1 MiB. NULL when memory is short.
struct bgpu_state* bgpu_state_new(size_t memory_bytes);
void bgpu_state_free(struct bgpu_state* state);

void bgpu_state_registers(const struct bgpu_state* state,
                          struct bgpu_registers* registers);
void bgpu_state_set_registers(struct bgpu_state* state,
                              const struct bgpu_registers* registers);

// Returns where byte `offset` of device memory lies: at the start of a page
// when `offset` is, and always with the rest of its page behind it.
// `contiguous`, unless NULL, is set to how many bytes follow.
u8* bgpu_state_memory(const struct bgpu_state* state, size_t offset,
                      size_t* contiguous);

#endif  // TESTS_VM_MODULE_STATE_H_
