#ifndef DRIVER_SHIM_VFIO_CONFIG_H_
#define DRIVER_SHIM_VFIO_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace baton::vfio {

// What an operator says of a host's module and its vGPUs (docs/KVM.md): a JSON
// file, in which every name must be known.
struct Config {
  struct Module {
    std::string name = "";        // as in /proc/modules
    std::string parameters = "";  // for every version of it
  };
  // Where vGPUs are made, and what they are.
  struct Mdev {
    std::string parent = "";  // e.g. "/sys/class/mdev_bus/bgpu"
    std::string type = "";    // e.g. "bgpu-small"
    uint64_t vram_mib = 0;    // at least 1
  };
  // How the driver shows that it took what it was given. Paths are relative to
  // the mdev's directory; "{uuid}" stands for its UUID in an absolute one.
  struct Proof {
    // Text that is the same for the same state of a stopped vGPU, in every
    // version of the driver. "": the driver has none.
    std::string state_digest = "";
    // "COMPLETED SUBMITTED", decimal. "": the driver does not say.
    std::string progress = "";
    // Save once more after restoring, and compare: where there is no digest.
    bool read_back = false;
    // Whether a driver that gives no proof may be updated to.
    bool accept_unverified = false;
  };
  struct Vgpu {
    std::string uuid = "";   // lower case
    std::string guest = "";  // 1 to 47 of [A-Za-z0-9._-]
    // One of the two: the monitor of its machine, the socket of its client.
    std::string machine_qmp = "";
    std::string client_socket = "";
  };

  std::string model = "";
  std::string pci_id = "";  // "vendor:device", lower-case hex
  Module module = {};
  Mdev mdev = {};
  Proof proof = {};
  std::vector<Vgpu> vgpus = {};
};

// Errors: INVALID_ARGUMENT, reason BAD_VFIO_CONFIG: names the field, what it is
//         and what would do
absl::StatusOr<Config> ParseConfig(absl::string_view text);

// The same, of a file. Errors also: NOT_FOUND, reason FILE_UNREADABLE
absl::StatusOr<Config> ReadConfig(const std::string& path);

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_CONFIG_H_
