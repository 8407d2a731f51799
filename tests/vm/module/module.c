// A GPU-shaped mediated device: what ./dev vm replaces under live machines.
// state.h says how versions differ, build.h how builds misbehave.

#include <linux/device.h>
#include <linux/mdev.h>
#include <linux/module.h>
#include <linux/sysfs.h>
#include <linux/vfio.h>

#include "build.h"
#include "device.h"

#define INSTANCES_MAX 64

// -- proof: what it holds, by the driver's own word ------------------------

static ssize_t state_digest_show(struct device* device,
                                 struct device_attribute* attribute,
                                 char* page) {
  struct bgpu_device* gpu = dev_get_drvdata(device);
  u64 digest;

  mutex_lock(&gpu->lock);
  digest = bgpu_device_digest(gpu);
  mutex_unlock(&gpu->lock);
  return sysfs_emit(page, "xxh64:%016llx\n", digest);
}
static DEVICE_ATTR_RO(state_digest);

// Two numbers: steps made, and steps that there will be after the next turn.
static ssize_t progress_show(struct device* device,
                             struct device_attribute* attribute, char* page) {
  struct bgpu_device* gpu = dev_get_drvdata(device);
  struct bgpu_registers registers;

  mutex_lock(&gpu->lock);
  bgpu_state_registers(gpu->state, &registers);
  mutex_unlock(&gpu->lock);
  return sysfs_emit(page, "%llu %llu\n", registers.steps,
                    registers.steps + registers.batch);
}
static DEVICE_ATTR_RO(progress);

static struct attribute* proof_attributes[] = {
    &dev_attr_state_digest.attr,
    &dev_attr_progress.attr,
    NULL,
};
static const struct attribute_group proof_group = {
    .name = "proof",
    .attrs = proof_attributes,
};
static const struct attribute_group* proof_groups[] = {&proof_group, NULL};

// -- the mediated devices and their parent ---------------------------------

static int probe(struct mdev_device* mdev) {
  struct bgpu_device* gpu =
      vfio_alloc_device(bgpu_device, vdev, &mdev->dev, &bgpu_device_ops);
  int error;

  if (IS_ERR(gpu)) return PTR_ERR(gpu);
  // The attributes come with the driver, and can be read at once.
  dev_set_drvdata(&mdev->dev, gpu);
  error = vfio_register_emulated_iommu_dev(&gpu->vdev);
  if (error) vfio_put_device(&gpu->vdev);
  return error;
}

static void remove(struct mdev_device* mdev) {
  struct bgpu_device* gpu = dev_get_drvdata(&mdev->dev);

  vfio_unregister_group_dev(&gpu->vdev);
  vfio_put_device(&gpu->vdev);
}

static unsigned int get_available(struct mdev_type* type) {
  return INSTANCES_MAX;
}

static struct mdev_driver driver = {
    .device_api = VFIO_DEVICE_API_PCI_STRING,
    .max_instances = INSTANCES_MAX,
    .probe = probe,
    .remove = remove,
    .get_available = get_available,
    .driver =
        {
            .name = "bgpu",
            .owner = THIS_MODULE,
            .mod_name = KBUILD_MODNAME,
            .dev_groups = proof_groups,
        },
};

static struct mdev_type small = {
    .sysfs_name = "small",
    .pretty_name = "small test GPU",
};
static struct mdev_type* types[] = {&small};

static void parent_release(struct device* device) {}

static struct class* parent_class;
static struct device parent_device = {.release = parent_release};
static struct mdev_parent parent;

static int __init bgpu_init(void) {
  int error;

  if (BGPU_FAULT == BGPU_FAULT_DOES_NOT_LOAD) return -ENODEV;
  error = mdev_register_driver(&driver);
  if (error) return error;
  parent_class = class_create(THIS_MODULE, "bgpu");
  if (IS_ERR(parent_class)) {
    error = PTR_ERR(parent_class);
    goto no_class;
  }
  parent_device.class = parent_class;
  dev_set_name(&parent_device, "bgpu");
  error = device_register(&parent_device);
  if (error) goto no_device;
  error = mdev_register_parent(&parent, &parent_device, &driver, types,
                               ARRAY_SIZE(types));
  if (error) goto no_parent;
  return 0;

no_parent:
  device_del(&parent_device);
no_device:
  put_device(&parent_device);
  class_destroy(parent_class);
no_class:
  mdev_unregister_driver(&driver);
  return error;
}

static void __exit bgpu_exit(void) {
  mdev_unregister_parent(&parent);
  device_unregister(&parent_device);
  class_destroy(parent_class);
  mdev_unregister_driver(&driver);
}

module_init(bgpu_init);
module_exit(bgpu_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Baton's test GPU");
MODULE_VERSION(BGPU_TEXT);
