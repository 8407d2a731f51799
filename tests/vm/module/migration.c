// Migration, version 2 of VFIO's interface: RUNNING, STOP, STOP_COPY, RESUMING.

#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "build.h"
#include "device.h"

// One stream, on its way out or in. The device and the file's users each hold
// the file; it ends with the last of them.
struct bgpu_stream {
  struct mutex lock;
  u8* bytes;
  size_t size;      // out: of the stream; in: what came so far
  size_t position;  // out: what was read so far
  size_t size_max;
  bool dead;  // the device has left the state that this stream belongs to
};

#if BGPU_FAULT == BGPU_FAULT_HOLDS_ON
// Set while the module holds on to itself; writing 0 makes it let go.
static bool held;

static int set_held(const char* text, const struct kernel_param* parameter) {
  const bool before = held;
  const int error = param_set_bool(text, parameter);

  if (!error && before && !held) module_put(THIS_MODULE);
  return error;
}

static const struct kernel_param_ops held_operations = {
    .set = set_held,
    .get = param_get_bool,
};
module_param_cb(held, &held_operations, &held, 0644);

static void hold_on(void) {
  if (!held) __module_get(THIS_MODULE);
  held = true;
}
#else
static void hold_on(void) {}
#endif

static ssize_t stream_read(struct file* file, char __user* to, size_t bytes,
                           loff_t* position) {
  struct bgpu_stream* stream = file->private_data;
  ssize_t done;

  mutex_lock(&stream->lock);
  bytes = min(bytes, stream->size - stream->position);
  if (stream->dead)
    done = -ENODEV;
  else if (copy_to_user(to, stream->bytes + stream->position, bytes))
    done = -EFAULT;
  else
    done = bytes;
  if (done > 0) stream->position += done;
  mutex_unlock(&stream->lock);
  return done;
}

static ssize_t stream_write(struct file* file, const char __user* from,
                            size_t bytes, loff_t* position) {
  struct bgpu_stream* stream = file->private_data;
  ssize_t done;

  if (BGPU_FAULT == BGPU_FAULT_REFUSES_EARLY) return -EOPNOTSUPP;
  mutex_lock(&stream->lock);
  if (stream->dead)
    done = -ENODEV;
  else if (bytes > stream->size_max - stream->size)
    done = -ENOSPC;
  else if (copy_from_user(stream->bytes + stream->size, from, bytes))
    done = -EFAULT;
  else
    done = bytes;
  if (done > 0) stream->size += done;
  mutex_unlock(&stream->lock);
  return done;
}

static void stream_free(struct bgpu_stream* stream) {
  vfree(stream->bytes);
  kfree(stream);
}

static int stream_release(struct inode* inode, struct file* file) {
  stream_free(file->private_data);
  return 0;
}

static const struct file_operations out_operations = {
    .owner = THIS_MODULE,
    .read = stream_read,
    .release = stream_release,
    .llseek = no_llseek,
};
static const struct file_operations in_operations = {
    .owner = THIS_MODULE,
    .write = stream_write,
    .release = stream_release,
    .llseek = no_llseek,
};

static struct file* stream_start(struct bgpu_device* gpu, bool out) {
  struct bgpu_stream* stream = kzalloc(sizeof(*stream), GFP_KERNEL);
  struct file* file;

  if (!stream) return ERR_PTR(-ENOMEM);
  mutex_init(&stream->lock);
  stream->size_max = bgpu_stream_bytes_max(gpu);
  stream->bytes = vmalloc(stream->size_max);
  if (!stream->bytes) {
    kfree(stream);
    return ERR_PTR(-ENOMEM);
  }
  if (out) stream->size = bgpu_stream_write(gpu, stream->bytes);
  file = anon_inode_getfile("[bgpu-stream]",
                            out ? &out_operations : &in_operations, stream,
                            out ? O_RDONLY : O_WRONLY);
  if (IS_ERR(file)) {
    stream_free(stream);
    return file;
  }
  stream_open(file_inode(file), file);
  if (out) hold_on();
  get_file(file);  // one for the device, one for whoever asked
  gpu->stream_file = file;
  gpu->stream = stream;
  return file;
}

void bgpu_migration_drop(struct bgpu_device* gpu) {
  if (!gpu->stream_file) return;
  mutex_lock(&gpu->stream->lock);
  gpu->stream->dead = true;
  mutex_unlock(&gpu->stream->lock);
  fput(gpu->stream_file);
  gpu->stream_file = NULL;
  gpu->stream = NULL;
}

static void lose_memory(struct bgpu_device* gpu) {
  memset(bgpu_state_memory(gpu->state, gpu->memory_bytes / 2, NULL), 0,
         PAGE_SIZE);
}

static int take_stream(struct bgpu_device* gpu) {
  int error;

  mutex_lock(&gpu->stream->lock);
  if (BGPU_FAULT == BGPU_FAULT_REFUSES_LATE)
    error = -EOPNOTSUPP;
  else
    error = bgpu_stream_read(gpu, gpu->stream->bytes, gpu->stream->size);
  mutex_unlock(&gpu->stream->lock);
  bgpu_migration_drop(gpu);
  if (error) return error;
  if (BGPU_FAULT == BGPU_FAULT_LOSES_MEMORY) lose_memory(gpu);
  return 0;
}

#define ARC(from, to) ((from) << 8 | (to))

// Takes one legal arc. Returns the file that it opened, NULL, or an error.
static struct file* take_arc(struct bgpu_device* gpu,
                             enum vfio_device_mig_state next) {
  int error;

  switch (ARC(gpu->migration, next)) {
    case ARC(VFIO_DEVICE_STATE_RUNNING, VFIO_DEVICE_STATE_STOP):
      bgpu_engine_run(gpu, false);
      return NULL;
    case ARC(VFIO_DEVICE_STATE_STOP, VFIO_DEVICE_STATE_RUNNING):
      bgpu_engine_run(gpu, true);
      return NULL;
    case ARC(VFIO_DEVICE_STATE_STOP, VFIO_DEVICE_STATE_STOP_COPY):
      return stream_start(gpu, true);
    case ARC(VFIO_DEVICE_STATE_STOP, VFIO_DEVICE_STATE_RESUMING):
      return stream_start(gpu, false);
    case ARC(VFIO_DEVICE_STATE_STOP_COPY, VFIO_DEVICE_STATE_STOP):
      bgpu_migration_drop(gpu);
      return NULL;
    case ARC(VFIO_DEVICE_STATE_RESUMING, VFIO_DEVICE_STATE_STOP):
      error = take_stream(gpu);
      // Nobody can say what such a device is: only a reset leads out.
      if (error) gpu->migration = VFIO_DEVICE_STATE_ERROR;
      return ERR_PTR(error);
    default:
      return ERR_PTR(-EINVAL);
  }
}

static struct file* set_state(struct vfio_device* vdev,
                              enum vfio_device_mig_state wanted) {
  struct bgpu_device* gpu = to_bgpu(vdev);
  enum vfio_device_mig_state next;
  struct file* file = NULL;
  int error;

  mutex_lock(&gpu->lock);
  while (wanted != gpu->migration) {
    error = vfio_mig_get_next_state(vdev, gpu->migration, wanted, &next);
    if (error) {
      file = ERR_PTR(error);
      break;
    }
    file = take_arc(gpu, next);
    if (IS_ERR(file)) break;
    gpu->migration = next;
  }
  mutex_unlock(&gpu->lock);
  return file;
}

static int get_state(struct vfio_device* vdev,
                     enum vfio_device_mig_state* state) {
  struct bgpu_device* gpu = to_bgpu(vdev);

  mutex_lock(&gpu->lock);
  *state = gpu->migration;
  mutex_unlock(&gpu->lock);
  return 0;
}

const struct vfio_migration_ops bgpu_migration_ops = {
    .migration_set_state = set_state,
    .migration_get_state = get_state,
};
