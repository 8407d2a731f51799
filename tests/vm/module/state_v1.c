// Version 1: registers as they are, device memory in one piece.

#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "state.h"

struct bgpu_state {
  struct bgpu_registers registers;
  size_t memory_bytes;
  u8* memory;
};

struct bgpu_state* bgpu_state_new(size_t memory_bytes) {
  struct bgpu_state* state = kzalloc(sizeof(*state), GFP_KERNEL);
  if (!state) return NULL;
  state->memory_bytes = memory_bytes;
  state->memory = vmalloc_user(memory_bytes);
  if (!state->memory) {
    kfree(state);
    return NULL;
  }
  return state;
}

void bgpu_state_free(struct bgpu_state* state) {
  vfree(state->memory);
  kfree(state);
}

void bgpu_state_registers(const struct bgpu_state* state,
                          struct bgpu_registers* registers) {
  *registers = state->registers;
}

void bgpu_state_set_registers(struct bgpu_state* state,
                              const struct bgpu_registers* registers) {
  state->registers = *registers;
}

u8* bgpu_state_memory(const struct bgpu_state* state, size_t offset,
                      size_t* contiguous) {
  if (contiguous) *contiguous = state->memory_bytes - offset;
  return state->memory + offset;
}
