// Version 2: registers by unit, results kept inverted, device memory in tiles.

#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "state.h"

#define TILE_BYTES 65536u

struct bgpu_state {
  struct {
    u32 status, offset, length;
    u64 address;
  } dma;
  struct {
    u64 inverted_result, inverted_latch;
    u64 steps, latched_steps;
    u32 batch;
  } engine;
  u32 scratch;
  unsigned int tiles_count;
  u8* tiles[];
};

struct bgpu_state* bgpu_state_new(size_t memory_bytes) {
  const unsigned int count = memory_bytes / TILE_BYTES;
  struct bgpu_state* state;
  unsigned int i;

  state = kvzalloc(struct_size(state, tiles, count), GFP_KERNEL);
  if (!state) return NULL;
  state->tiles_count = count;
  state->engine.inverted_result = ~0ull;
  state->engine.inverted_latch = ~0ull;
  for (i = 0; i < count; i++) {
    state->tiles[i] = vmalloc_user(TILE_BYTES);
    if (!state->tiles[i]) {
      bgpu_state_free(state);
      return NULL;
    }
  }
  return state;
}

void bgpu_state_free(struct bgpu_state* state) {
  unsigned int i;

  for (i = 0; i < state->tiles_count; i++) vfree(state->tiles[i]);
  kvfree(state);
}

void bgpu_state_registers(const struct bgpu_state* state,
                          struct bgpu_registers* registers) {
  *registers = (struct bgpu_registers){
      .steps = state->engine.steps,
      .result = ~state->engine.inverted_result,
      .latched_steps = state->engine.latched_steps,
      .latched_result = ~state->engine.inverted_latch,
      .dma_address = state->dma.address,
      .batch = state->engine.batch,
      .scratch = state->scratch,
      .dma_length = state->dma.length,
      .dma_offset = state->dma.offset,
      .dma_status = state->dma.status,
  };
}

void bgpu_state_set_registers(struct bgpu_state* state,
                              const struct bgpu_registers* registers) {
  state->engine.steps = registers->steps;
  state->engine.inverted_result = ~registers->result;
  state->engine.latched_steps = registers->latched_steps;
  state->engine.inverted_latch = ~registers->latched_result;
  state->engine.batch = registers->batch;
  state->scratch = registers->scratch;
  state->dma.address = registers->dma_address;
  state->dma.length = registers->dma_length;
  state->dma.offset = registers->dma_offset;
  state->dma.status = registers->dma_status;
}

u8* bgpu_state_memory(const struct bgpu_state* state, size_t offset,
                      size_t* contiguous) {
  if (contiguous) *contiguous = TILE_BYTES - offset % TILE_BYTES;
  return state->tiles[offset / TILE_BYTES] + offset % TILE_BYTES;
}
