// What vfio asks of an open device: regions, mappings, ioctls.

#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci_regs.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "device.h"

#define REGION_SHIFT 40
#define REGISTERS_BYTES 4096
// A longer read or write is cut; its caller goes on.
#define TRANSFER_BYTES_MAX 65536

static unsigned int memory_mib = 4;
module_param_named(vram_mb, memory_mib, uint, 0444);
MODULE_PARM_DESC(vram_mb, "device memory of a virtual GPU in MiB, 1 to 1024");

static u32 region_of(u64 position) { return position >> REGION_SHIFT; }
static u64 offset_of(u64 position) {
  return position & ((1ull << REGION_SHIFT) - 1);
}

static u64 region_bytes(const struct bgpu_device* gpu, u32 region) {
  switch (region) {
    case VFIO_PCI_BAR0_REGION_INDEX:
      return REGISTERS_BYTES;
    case VFIO_PCI_BAR1_REGION_INDEX:
      return gpu->memory_bytes;
    case VFIO_PCI_CONFIG_REGION_INDEX:
      return BGPU_CONFIG_BYTES;
    default:
      return 0;
  }
}

static void read_registers(struct bgpu_device* gpu, u64 offset, u8* to,
                           size_t bytes) {
  size_t i;

  for (i = 0; i < bytes;) {
    const u32 shift = (offset + i) % 4;
    const u32 value =
        bgpu_register_read(gpu, (offset + i) & ~3ull) >> (shift * 8);
    const size_t run = min_t(size_t, 4 - shift, bytes - i);
    memcpy(to + i, &value, run);
    i += run;
  }
}

// Registers are written whole; anything else is not for them.
static void write_registers(struct bgpu_device* gpu, u64 offset, const u8* from,
                            size_t bytes) {
  u32 value;
  size_t i;

  if (offset % 4 || bytes % 4) return;
  for (i = 0; i < bytes; i += 4) {
    memcpy(&value, from + i, sizeof(value));
    bgpu_register_write(gpu, offset + i, value);
  }
}

// The command register, and what no capability uses, keep what is written.
static void write_config(struct bgpu_device* gpu, u64 offset, const u8* from,
                         size_t bytes) {
  size_t i;

  for (i = 0; i < bytes; i++) {
    const u64 at = offset + i;
    if (at == PCI_COMMAND || at == PCI_COMMAND + 1 || at >= 0x40)
      gpu->config[at] = from[i];
  }
}

static void copy_region(struct bgpu_device* gpu, u32 region, u64 offset,
                        u8* buffer, size_t bytes, bool write) {
  switch (region) {
    case VFIO_PCI_BAR0_REGION_INDEX:
      if (write)
        write_registers(gpu, offset, buffer, bytes);
      else
        read_registers(gpu, offset, buffer, bytes);
      return;
    case VFIO_PCI_BAR1_REGION_INDEX:
      if (write)
        bgpu_memory_write(gpu, offset, buffer, bytes);
      else
        bgpu_memory_read(gpu, offset, buffer, bytes);
      return;
    case VFIO_PCI_CONFIG_REGION_INDEX:
      if (write)
        write_config(gpu, offset, buffer, bytes);
      else
        memcpy(buffer, gpu->config + offset, bytes);
      return;
  }
}

static ssize_t transfer(struct bgpu_device* gpu, char __user* user,
                        size_t bytes, loff_t* position, bool write) {
  const u32 region = region_of(*position);
  const u64 offset = offset_of(*position);
  const u64 size = region_bytes(gpu, region);
  u8* buffer;

  if (offset >= size) return -EINVAL;
  bytes = min_t(u64, min_t(u64, bytes, size - offset), TRANSFER_BYTES_MAX);
  buffer = kvmalloc(bytes, GFP_KERNEL);
  if (!buffer) return -ENOMEM;
  if (write && copy_from_user(buffer, user, bytes)) goto fault;
  mutex_lock(&gpu->lock);
  copy_region(gpu, region, offset, buffer, bytes, write);
  mutex_unlock(&gpu->lock);
  if (!write && copy_to_user(user, buffer, bytes)) goto fault;
  kvfree(buffer);
  *position += bytes;
  return bytes;

fault:
  kvfree(buffer);
  return -EFAULT;
}

static ssize_t device_read(struct vfio_device* vdev, char __user* to,
                           size_t bytes, loff_t* position) {
  return transfer(to_bgpu(vdev), to, bytes, position, false);
}

static ssize_t device_write(struct vfio_device* vdev, const char __user* from,
                            size_t bytes, loff_t* position) {
  return transfer(to_bgpu(vdev), (char __user*)from, bytes, position, true);
}

static vm_fault_t memory_fault(struct vm_fault* fault) {
  struct bgpu_device* gpu = fault->vma->vm_private_data;
  const u64 offset = offset_of((u64)fault->pgoff << PAGE_SHIFT);

  if (offset >= gpu->memory_bytes) return VM_FAULT_SIGBUS;
  fault->page = vmalloc_to_page(bgpu_state_memory(gpu->state, offset, NULL));
  get_page(fault->page);
  return 0;
}

static const struct vm_operations_struct memory_operations = {
    .fault = memory_fault,
};

static int device_mmap(struct vfio_device* vdev, struct vm_area_struct* area) {
  const u64 position = (u64)area->vm_pgoff << PAGE_SHIFT;

  if (region_of(position) != VFIO_PCI_BAR1_REGION_INDEX) return -EINVAL;
  area->vm_private_data = to_bgpu(vdev);
  area->vm_ops = &memory_operations;
  return 0;
}

static long get_info(void __user* user) {
  struct vfio_device_info info = {};
  const size_t bytes = offsetofend(struct vfio_device_info, num_irqs);

  if (copy_from_user(&info, user, bytes)) return -EFAULT;
  if (info.argsz < bytes) return -EINVAL;
  info.flags = VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
  info.num_regions = VFIO_PCI_NUM_REGIONS;
  info.num_irqs = VFIO_PCI_NUM_IRQS;
  return copy_to_user(user, &info, bytes) ? -EFAULT : 0;
}

static long get_region_info(struct bgpu_device* gpu, void __user* user) {
  struct vfio_region_info info = {};
  const size_t bytes = offsetofend(struct vfio_region_info, offset);

  if (copy_from_user(&info, user, bytes)) return -EFAULT;
  if (info.argsz < bytes || info.index >= VFIO_PCI_NUM_REGIONS) return -EINVAL;
  info.offset = (u64)info.index << REGION_SHIFT;
  info.size = region_bytes(gpu, info.index);
  info.flags =
      info.size ? VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE : 0;
  if (info.index == VFIO_PCI_BAR1_REGION_INDEX)
    info.flags |= VFIO_REGION_INFO_FLAG_MMAP;
  return copy_to_user(user, &info, bytes) ? -EFAULT : 0;
}

// It has no interrupts. QEMU asks for one to be told of a request to let go.
static long get_irq_info(void __user* user) {
  struct vfio_irq_info info = {};
  const size_t bytes = offsetofend(struct vfio_irq_info, count);

  if (copy_from_user(&info, user, bytes)) return -EFAULT;
  if (info.argsz < bytes || info.index >= VFIO_PCI_NUM_IRQS) return -EINVAL;
  info.flags = VFIO_IRQ_INFO_EVENTFD;
  info.count = info.index == VFIO_PCI_REQ_IRQ_INDEX ? 1 : 0;
  return copy_to_user(user, &info, bytes) ? -EFAULT : 0;
}

static long device_ioctl(struct vfio_device* vdev, unsigned int command,
                         unsigned long argument) {
  struct bgpu_device* gpu = to_bgpu(vdev);
  void __user* user = (void __user*)argument;

  switch (command) {
    case VFIO_DEVICE_GET_INFO:
      return get_info(user);
    case VFIO_DEVICE_GET_REGION_INFO:
      return get_region_info(gpu, user);
    case VFIO_DEVICE_GET_IRQ_INFO:
      return get_irq_info(user);
    case VFIO_DEVICE_SET_IRQS:
      return 0;
    case VFIO_DEVICE_RESET:
      mutex_lock(&gpu->lock);
      bgpu_device_reset(gpu);
      mutex_unlock(&gpu->lock);
      return 0;
    default:
      return -ENOTTY;
  }
}

static int device_init(struct vfio_device* vdev) {
  if (memory_mib < 1 || memory_mib > 1024) return -EINVAL;
  vdev->migration_flags = VFIO_MIGRATION_STOP_COPY;
  vdev->mig_ops = &bgpu_migration_ops;
  return bgpu_device_init(to_bgpu(vdev), (size_t)memory_mib << 20);
}

static void device_release(struct vfio_device* vdev) {
  bgpu_device_end(to_bgpu(vdev));
  vfio_free_device(vdev);
}

static int device_open(struct vfio_device* vdev) { return 0; }

// Whoever opens it next finds a device as after power-on, as with a real one.
static void device_close(struct vfio_device* vdev) {
  struct bgpu_device* gpu = to_bgpu(vdev);

  mutex_lock(&gpu->lock);
  bgpu_device_reset(gpu);
  mutex_unlock(&gpu->lock);
}

// Nothing is pinned beyond one write of a register.
static void device_dma_unmap(struct vfio_device* vdev, u64 address, u64 bytes) {
}

static void device_request(struct vfio_device* vdev, unsigned int count) {
  if (count == 0) pr_info("bgpu: a holder is waited for\n");
}

const struct vfio_device_ops bgpu_device_ops = {
    .name = "bgpu",
    .init = device_init,
    .release = device_release,
    .open_device = device_open,
    .close_device = device_close,
    .read = device_read,
    .write = device_write,
    .ioctl = device_ioctl,
    .mmap = device_mmap,
    .dma_unmap = device_dma_unmap,
    .request = device_request,
};
