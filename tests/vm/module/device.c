// The device itself: registers, engine, memory, DMA.

#include "device.h"

#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/pci_regs.h>
#include <linux/slab.h>
#include <linux/xxhash.h>

#include "bgpu.h"
#include "build.h"

// How often it makes a batch of steps. Emulated, more often is all that is
// done.
#define ENGINE_MS 20

static void engine_work(struct work_struct* work) {
  struct bgpu_device* gpu =
      container_of(to_delayed_work(work), struct bgpu_device, engine);
  struct bgpu_registers registers;
  u32 i;

  mutex_lock(&gpu->lock);
  if (gpu->running) {
    bgpu_state_registers(gpu->state, &registers);
    for (i = 0; i < registers.batch; i++) {
      const u64 result = registers.result * BGPU_MULTIPLIER + BGPU_INCREMENT;
      const u32 word = (result >> 33) % BGPU_WINDOW_WORDS;
      u64* at = (u64*)bgpu_state_memory(
          gpu->state, BGPU_WINDOW_OFFSET + word * sizeof(u64), NULL);
      *at ^= result;
      registers.result = result;
      registers.steps++;
    }
    bgpu_state_set_registers(gpu->state, &registers);
    schedule_delayed_work(&gpu->engine, msecs_to_jiffies(ENGINE_MS));
  }
  mutex_unlock(&gpu->lock);
}

void bgpu_engine_run(struct bgpu_device* gpu, bool run) {
  struct bgpu_registers registers;

  bgpu_state_registers(gpu->state, &registers);
  gpu->running = run && registers.batch;
  // Work that waits for the lock finds that it may not run, and ends.
  if (gpu->running) schedule_delayed_work(&gpu->engine, 0);
}

int bgpu_device_init(struct bgpu_device* gpu, size_t memory_bytes) {
  mutex_init(&gpu->lock);
  INIT_DELAYED_WORK(&gpu->engine, engine_work);
  gpu->memory_bytes = memory_bytes;
  gpu->state = bgpu_state_new(memory_bytes);
  if (!gpu->state) return -ENOMEM;
  mutex_lock(&gpu->lock);
  bgpu_device_reset(gpu);
  mutex_unlock(&gpu->lock);
  return 0;
}

void bgpu_device_end(struct bgpu_device* gpu) {
  mutex_lock(&gpu->lock);
  gpu->running = false;
  bgpu_migration_drop(gpu);
  mutex_unlock(&gpu->lock);
  cancel_delayed_work_sync(&gpu->engine);
  bgpu_state_free(gpu->state);
}

static void set_u16(u8* at, u16 value) {
  at[0] = value & 0xff;
  at[1] = value >> 8;
}

void bgpu_device_reset(struct bgpu_device* gpu) {
  const struct bgpu_registers zero = {};
  size_t offset;

  gpu->running = false;
  bgpu_migration_drop(gpu);
  bgpu_state_set_registers(gpu->state, &zero);
  for (offset = 0; offset < gpu->memory_bytes; offset += PAGE_SIZE)
    memset(bgpu_state_memory(gpu->state, offset, NULL), 0, PAGE_SIZE);

  memset(gpu->config, 0, sizeof(gpu->config));
  set_u16(gpu->config + PCI_VENDOR_ID, BGPU_VENDOR_ID);
  set_u16(gpu->config + PCI_DEVICE_ID, BGPU_DEVICE_ID);
  gpu->config[PCI_CLASS_DEVICE + 1] = 0x12;  // processing accelerator
  gpu->config[PCI_BASE_ADDRESS_1] = PCI_BASE_ADDRESS_MEM_PREFETCH;
  set_u16(gpu->config + PCI_SUBSYSTEM_VENDOR_ID, BGPU_VENDOR_ID);
  set_u16(gpu->config + PCI_SUBSYSTEM_ID, 1);
  gpu->migration = VFIO_DEVICE_STATE_RUNNING;
}

u32 bgpu_register_read(struct bgpu_device* gpu, u32 offset) {
  struct bgpu_registers r;

  bgpu_state_registers(gpu->state, &r);
  switch (offset) {
    case BGPU_REG_ID:
      return BGPU_MAGIC;
    case BGPU_REG_DRIVER:
      return BGPU_MAJOR;
    case BGPU_REG_MEMORY_MIB:
      return gpu->memory_bytes >> 20;
    case BGPU_REG_SCRATCH:
      return r.scratch;
    case BGPU_REG_BATCH:
      return r.batch;
    case BGPU_REG_STEPS_LOW:
      r.latched_steps = r.steps;
      r.latched_result = r.result;
      bgpu_state_set_registers(gpu->state, &r);
      return (u32)r.steps;
    case BGPU_REG_STEPS_HIGH:
      return r.latched_steps >> 32;
    case BGPU_REG_RESULT_LOW:
      return (u32)r.latched_result;
    case BGPU_REG_RESULT_HIGH:
      return r.latched_result >> 32;
    case BGPU_REG_DMA_STATUS:
      return r.dma_status;
    default:
      return ~0u;
  }
}

static int copy_dma(struct bgpu_device* gpu, const struct bgpu_registers* r,
                    u32 command) {
  const bool to_device = command == BGPU_DMA_TO_DEVICE;
  u8* buffer;
  int error;

  if (!to_device && command != BGPU_DMA_FROM_DEVICE) return -EINVAL;
  if (r->dma_length == 0 || r->dma_length > BGPU_DMA_BYTES_MAX) return -EINVAL;
  if (r->dma_offset > gpu->memory_bytes - r->dma_length) return -EINVAL;
  buffer = kvmalloc(r->dma_length, GFP_KERNEL);
  if (!buffer) return -ENOMEM;
  if (!to_device) bgpu_memory_read(gpu, r->dma_offset, buffer, r->dma_length);
  error = vfio_dma_rw(&gpu->vdev, r->dma_address, buffer, r->dma_length,
                      !to_device);
  if (to_device && !error)
    bgpu_memory_write(gpu, r->dma_offset, buffer, r->dma_length);
  kvfree(buffer);
  return error;
}

void bgpu_register_write(struct bgpu_device* gpu, u32 offset, u32 value) {
  struct bgpu_registers r;

  bgpu_state_registers(gpu->state, &r);
  switch (offset) {
    case BGPU_REG_SCRATCH:
      r.scratch = value;
      break;
    case BGPU_REG_BATCH:
      r.batch = min(value, BGPU_BATCH_MAX);
      break;
    case BGPU_REG_DMA_ADDRESS_LOW:
      r.dma_address = (r.dma_address >> 32 << 32) | value;
      break;
    case BGPU_REG_DMA_ADDRESS_HIGH:
      r.dma_address = (u32)r.dma_address | (u64)value << 32;
      break;
    case BGPU_REG_DMA_LENGTH:
      r.dma_length = value;
      break;
    case BGPU_REG_DMA_OFFSET:
      r.dma_offset = value;
      break;
    case BGPU_REG_DMA_COMMAND:
      r.dma_status = -copy_dma(gpu, &r, value);
      break;
    default:
      return;
  }
  bgpu_state_set_registers(gpu->state, &r);
  if (offset == BGPU_REG_BATCH)
    bgpu_engine_run(gpu, gpu->migration == VFIO_DEVICE_STATE_RUNNING);
}

void bgpu_memory_read(const struct bgpu_device* gpu, size_t offset, void* to,
                      size_t bytes) {
  while (bytes) {
    size_t run;
    const u8* at = bgpu_state_memory(gpu->state, offset, &run);
    run = min(run, bytes);
    memcpy(to, at, run);
    to += run;
    offset += run;
    bytes -= run;
  }
}

void bgpu_memory_write(struct bgpu_device* gpu, size_t offset, const void* from,
                       size_t bytes) {
  while (bytes) {
    size_t run;
    u8* at = bgpu_state_memory(gpu->state, offset, &run);
    run = min(run, bytes);
    memcpy(at, from, run);
    from += run;
    offset += run;
    bytes -= run;
  }
}

u64 bgpu_device_digest(const struct bgpu_device* gpu) {
  struct bgpu_registers registers;
  struct xxh64_state digest;
  size_t offset;

  bgpu_state_registers(gpu->state, &registers);
  xxh64_reset(&digest, 0);
  xxh64_update(&digest, &registers, sizeof(registers));
  xxh64_update(&digest, gpu->config, sizeof(gpu->config));
  for (offset = 0; offset < gpu->memory_bytes; offset += PAGE_SIZE)
    xxh64_update(&digest, bgpu_state_memory(gpu->state, offset, NULL),
                 PAGE_SIZE);
  return xxh64_digest(&digest);
}
