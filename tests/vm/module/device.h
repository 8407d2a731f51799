#ifndef TESTS_VM_MODULE_DEVICE_H_
#define TESTS_VM_MODULE_DEVICE_H_

#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/vfio.h>
#include <linux/workqueue.h>

#include "state.h"

#define BGPU_CONFIG_BYTES 256

// One virtual GPU.
struct bgpu_device {
  struct vfio_device vdev;
  struct mutex lock;  // guards all below, and serialises with the engine
  struct bgpu_state* state;
  size_t memory_bytes;
  u8 config[BGPU_CONFIG_BYTES];
  struct delayed_work engine;
  bool running;  // whether the engine may start itself again

  enum vfio_device_mig_state migration;
  struct file* stream_file;  // what migration is being read or written by
  struct bgpu_stream* stream;
};

static inline struct bgpu_device* to_bgpu(struct vfio_device* vdev) {
  return container_of(vdev, struct bgpu_device, vdev);
}

int bgpu_device_init(struct bgpu_device* gpu, size_t memory_bytes);
void bgpu_device_end(struct bgpu_device* gpu);

// Below, the caller holds the lock unless it says otherwise.

// As after power-on: everything is zero, and RUNNING.
void bgpu_device_reset(struct bgpu_device* gpu);
// Lets the engine run; or stops it, at once. Returns with the lock held, but
// may let go of it meanwhile.
void bgpu_engine_run(struct bgpu_device* gpu, bool run);

u32 bgpu_register_read(struct bgpu_device* gpu, u32 offset);
void bgpu_register_write(struct bgpu_device* gpu, u32 offset, u32 value);

void bgpu_memory_read(const struct bgpu_device* gpu, size_t offset, void* to,
                      size_t bytes);
void bgpu_memory_write(struct bgpu_device* gpu, size_t offset, const void* from,
                       size_t bytes);

// Returns a digest of all that a user can see, whatever the version: registers,
// configuration space, device memory.
u64 bgpu_device_digest(const struct bgpu_device* gpu);

// migration.c: the operations for vfio, and what ends a stream early.
extern const struct vfio_migration_ops bgpu_migration_ops;
void bgpu_migration_drop(struct bgpu_device* gpu);

// stream.c: the formats.
size_t bgpu_stream_bytes_max(const struct bgpu_device* gpu);
// Returns how many bytes it wrote, at most bgpu_stream_bytes_max.
size_t bgpu_stream_write(const struct bgpu_device* gpu, u8* to);
// Takes over what a stream says. Errors leave the device as it was:
// -EOPNOTSUPP for a format that this version does not read, -EBADMSG for a
// checksum that does not agree, -EINVAL for anything else.
int bgpu_stream_read(struct bgpu_device* gpu, const u8* from, size_t bytes);

// region.c: what vfio asks of an open device.
extern const struct vfio_device_ops bgpu_device_ops;

#endif  // TESTS_VM_MODULE_DEVICE_H_
