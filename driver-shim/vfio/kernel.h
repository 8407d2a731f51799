#ifndef DRIVER_SHIM_VFIO_KERNEL_H_
#define DRIVER_SHIM_VFIO_KERNEL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "driver-shim/port/record_codec.h"
#include "driver-shim/vfio/budget.h"
#include "driver-shim/vfio/device.h"
#include "driver-shim/vfio/processes.h"

namespace baton::vfio {

// Where a module's vGPUs are made.
struct VgpuType {
  std::string parent = "";  // e.g. "/sys/class/mdev_bus/bgpu"
  std::string type = "";    // e.g. "bgpu-small"
};

// A process that keeps a module in.
struct Occupant {
  int pid = 0;
  std::string command = "";  // as in /proc/PID/comm
  std::string what = "";     // e.g. "/dev/vfio/3", "a mapping of a device"

  bool operator==(const Occupant&) const = default;
};

// Who may use a device's file.
struct Access {
  uint32_t user = 0;
  uint32_t group = 0;
  uint32_t mode = 0;     // as of chmod
  std::string acl = "";  // as the kernel keeps it; "": none

  bool operator==(const Access&) const = default;
};

template <typename Archive, port::Of<Access> T>
void Fields(Archive& archive, T& access) {
  archive(access.user, access.group, access.mode, access.acl);
}

// What the adapter wants of the kernel. Confined to one thread.
class Kernel {
 public:
  virtual ~Kernel() = default;

  virtual std::string BootId() = 0;
  virtual std::string Release() = 0;  // as uname -r

  virtual bool Loaded(const std::string& module) = 0;
  // GNU build id of the loaded module, hex; "" where it has none.
  virtual std::string BuildIdOf(const std::string& module) = 0;

  // Loads the file at `path`.
  // Errors: FAILED_PRECONDITION, reason MODULE_NOT_LOADED: names the errno
  virtual absl::Status Load(const std::string& path,
                            const std::string& parameters) = 0;

  // Takes it out; tries again for a moment while somebody lets go of it.
  // Errors: DEADLINE_EXCEEDED, reason MODULE_HELD: names who holds it;
  //         FAILED_PRECONDITION, reason MODULE_NOT_UNLOADED: anything else
  virtual absl::Status Unload(const std::string& module,
                              const Budget& budget) = 0;

  virtual bool HasVgpu(const std::string& uuid) = 0;
  // Errors: UNAVAILABLE, reason VGPU_NOT_CREATED
  virtual absl::Status CreateVgpu(const VgpuType& type,
                                  const std::string& uuid) = 0;

  // The file through which a vGPU is opened; "" where there is none. A vGPU
  // that is made anew has a new one, which is root's.
  virtual std::string NodeOf(const std::string& uuid) = 0;
  // Who may use it; nothing where there is none.
  virtual std::optional<Access> AccessTo(const std::string& uuid) = 0;
  // Lets those use it.
  // Errors: UNAVAILABLE, reason VGPU_OUT_OF_REACH
  virtual absl::Status Admit(const std::string& uuid, const Access& access) = 0;

  // Returns an attribute's text without the line's end.
  // Errors: UNAVAILABLE, reason ATTRIBUTE_UNREADABLE
  virtual absl::StatusOr<std::string> ReadAttribute(
      const std::string& path) = 0;

  // Who has a vGPU's group open.
  virtual std::vector<Occupant> HoldersOf(const std::string& uuid) = 0;

  // The device that a process holds, through a descriptor of our own.
  // Errors: UNAVAILABLE, reason DEVICE_GONE: it holds none;
  // FAILED_PRECONDITION,
  //         reason DEVICE_AMBIGUOUS: it holds several
  virtual absl::StatusOr<std::unique_ptr<Device>> DeviceOf(
      const Process& process) = 0;
};

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_KERNEL_H_
