#include "tests/vm/client/vfio_device.h"

#include <fcntl.h>
#include <linux/vfio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <system_error>

namespace baton::vm {
namespace {

std::string Failed(const std::string& what) {
  return what + ": " + std::system_category().message(errno);
}

void CloseOne(int& descriptor) {
  if (descriptor >= 0) close(descriptor);
  descriptor = -1;
}

// Returns "/dev/vfio/N", or "" when there is no such device.
std::string GroupPath(const std::string& uuid) {
  const std::string link = "/sys/bus/mdev/devices/" + uuid + "/iommu_group";
  char target[256];
  const ssize_t size = readlink(link.c_str(), target, sizeof(target));
  if (size < 0) return "";
  const std::string group(target, static_cast<size_t>(size));
  return "/dev/vfio" + group.substr(group.rfind('/'));
}

}  // namespace

VfioDevice::~VfioDevice() { Close(); }

std::string VfioDevice::Open(const std::string& uuid, void* dma,
                             size_t dma_bytes) {
  std::string error = Attach(uuid, dma, dma_bytes);
  if (error.empty()) error = Map();
  if (!error.empty()) Close();
  return error;
}

void VfioDevice::Close() {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast)
  if (memory_ != nullptr) munmap(const_cast<uint32_t*>(memory_), memory_bytes_);
  memory_ = nullptr;
  CloseOne(device_);
  CloseOne(group_);
  CloseOne(container_);
}

std::string VfioDevice::Attach(const std::string& uuid, void* dma,
                               size_t dma_bytes) {
  const std::string path = GroupPath(uuid);
  if (path.empty()) return Failed("no device " + uuid);
  container_ = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
  if (container_ < 0) return Failed("/dev/vfio/vfio");
  group_ = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (group_ < 0) return Failed(path);
  if (ioctl(group_, VFIO_GROUP_SET_CONTAINER, &container_) != 0) {
    return Failed("VFIO_GROUP_SET_CONTAINER");
  }
  if (ioctl(container_, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) != 0) {
    return Failed("VFIO_SET_IOMMU");
  }
  vfio_iommu_type1_dma_map map = {};
  map.argsz = sizeof(map);
  map.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE;
  map.vaddr = reinterpret_cast<uintptr_t>(dma);
  map.size = dma_bytes;
  if (ioctl(container_, VFIO_IOMMU_MAP_DMA, &map) != 0) {
    return Failed("VFIO_IOMMU_MAP_DMA");
  }
  device_ = ioctl(group_, VFIO_GROUP_GET_DEVICE_FD, uuid.c_str());
  if (device_ < 0) return Failed("VFIO_GROUP_GET_DEVICE_FD");
  return "";
}

std::string VfioDevice::Map() {
  vfio_region_info region = {};
  region.argsz = sizeof(region);
  region.index = VFIO_PCI_BAR0_REGION_INDEX;
  if (ioctl(device_, VFIO_DEVICE_GET_REGION_INFO, &region) != 0) {
    return Failed("VFIO_DEVICE_GET_REGION_INFO");
  }
  registers_at_ = region.offset;
  region = {};
  region.argsz = sizeof(region);
  region.index = VFIO_PCI_BAR1_REGION_INDEX;
  if (ioctl(device_, VFIO_DEVICE_GET_REGION_INFO, &region) != 0) {
    return Failed("VFIO_DEVICE_GET_REGION_INFO");
  }
  void* memory = mmap(nullptr, region.size, PROT_READ | PROT_WRITE, MAP_SHARED,
                      device_, static_cast<off_t>(region.offset));
  if (memory == MAP_FAILED) return Failed("mmap of device memory");
  memory_ = static_cast<volatile uint32_t*>(memory);
  memory_bytes_ = region.size;
  return "";
}

uint32_t VfioDevice::Read(uint32_t offset) const {
  uint32_t value = 0;
  const ssize_t done = pread(device_, &value, sizeof(value),
                             static_cast<off_t>(registers_at_ + offset));
  return done == sizeof(value) ? value : ~0U;
}

void VfioDevice::Write(uint32_t offset, uint32_t value) const {
  // A write that fails shows when the register is read.
  [[maybe_unused]] const ssize_t done =
      pwrite(device_, &value, sizeof(value),
             static_cast<off_t>(registers_at_ + offset));
}

}  // namespace baton::vm
