#ifndef DRIVER_SHIM_VFIO_CORE_COMMAND_LINE_H_
#define DRIVER_SHIM_VFIO_CORE_COMMAND_LINE_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "driver-shim/vfio/core/blocker.h"

// The command line of a QEMU that holds a vGPU: what it says of the machine,
// and the one that the next QEMU is started with.

namespace baton::vfio::core {

// One option's value, "a,b=c" or JSON, as name and value in the order given;
// the first may stand without a name, and is named "". JSON's true and false
// are "on" and "off". A value that is not what it should be is empty.
using Properties = std::vector<std::pair<std::string, std::string>>;
Properties ParseProperties(absl::string_view text);

// Returns the value of a name, or "" where there is none.
std::string ValueOf(const Properties& properties, absl::string_view name);

struct MachineLine {
  std::string memory_path = "";  // of its RAM; "" where there is none to keep
  // The vGPU's device, driver included, as device_add wants it.
  std::map<std::string, std::string> device = {};
  // Of the next QEMU: without the device, waiting for what comes in.
  std::vector<std::string> next = {};
  bool filters_itself = false;  // with a seccomp filter
  std::vector<Blocker> blockers = {};

  bool operator==(const MachineLine&) const = default;
};

// What of a machine's command line is to be known.
struct MachineName {
  std::string guest = "";     // for messages
  std::string uuid = "";      // of its vGPU
  std::string qmp = "";       // where it listens
  std::string next_qmp = "";  // where the next one is to listen
};

// Reads a command line, `argv[0]` included.
//
// Blockers: MACHINE_DEVICE_MISSING, MACHINE_MEMORY_PRIVATE,
//   MACHINE_MEMORY_NOT_A_FILE, MACHINE_MIGRATION_OFF, MACHINE_ADDRESS_MISSING,
//   MACHINE_BUS_NO_HOTPLUG, MACHINE_SOCKET_TAKEN, MACHINE_QMP_NOT_ITS_OWN
MachineLine ReadMachineLine(const std::vector<std::string>& argv,
                            const MachineName& name);

}  // namespace baton::vfio::core

#endif  // DRIVER_SHIM_VFIO_CORE_COMMAND_LINE_H_
