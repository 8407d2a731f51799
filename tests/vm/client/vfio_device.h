#ifndef TESTS_VM_CLIENT_VFIO_DEVICE_H_
#define TESTS_VM_CLIENT_VFIO_DEVICE_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace baton::vm {

// A mediated device that this process holds: container, group, device, and its
// memory mapped. One thread.
class VfioDevice {
 public:
  VfioDevice() = default;
  ~VfioDevice();
  VfioDevice(const VfioDevice&) = delete;
  VfioDevice& operator=(const VfioDevice&) = delete;

  // Opens the device with this UUID, and lets it reach `dma_bytes` bytes at
  // `dma`, from address 0. Returns "" or what went wrong; it is closed then.
  std::string Open(const std::string& uuid, void* dma, size_t dma_bytes);

  // Gives up everything. Closing what is closed does nothing.
  void Close();

  int descriptor() const { return device_; }
  volatile uint32_t* memory() const { return memory_; }
  size_t memory_bytes() const { return memory_bytes_; }

  // A register of BAR 0. A device that cannot be read gives all ones.
  uint32_t Read(uint32_t offset) const;
  void Write(uint32_t offset, uint32_t value) const;

 private:
  std::string Attach(const std::string& uuid, void* dma, size_t dma_bytes);
  std::string Map();

  int container_ = -1;
  int group_ = -1;
  int device_ = -1;
  uint64_t registers_at_ = 0;
  volatile uint32_t* memory_ = nullptr;
  size_t memory_bytes_ = 0;
};

}  // namespace baton::vm

#endif  // TESTS_VM_CLIENT_VFIO_DEVICE_H_
