#ifndef DRIVER_SHIM_OPTIONS_H_
#define DRIVER_SHIM_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace CLI {
class App;
}

namespace baton::shim {

// baton-shim's flags, as they were given.
struct Options {
  std::string listen = "";
  std::string adapter = "ddi";   // or "vfio"
  std::string device = "";       // for "ddi"
  std::string vfio_config = "";  // for "vfio"
  std::string adapter_name = "gpu0";
  std::string state_dir = "";
  std::string driver = "";
  std::string driver_name = "softgpu";
  std::string driver_version = "1.0";
  uint64_t driver_memory_mib = 32;
  std::vector<std::string> vgpus = {};  // "GUEST:PROFILE"
  std::string log_level = "info";
};

// Declares every flag with its limits. `options` outlives `app`.
void Declare(CLI::App& app, Options& options);

// Whether what the kind of adapter needs is there, and nothing of the other's.
//
// Errors: INVALID_ARGUMENT, reason BAD_OPTIONS: names the flag
absl::Status CheckAdapterOptions(const Options& options);

// One --vgpu.
struct Vgpu {
  std::string guest = "";
  std::string profile = "";
};

// Errors: INVALID_ARGUMENT, reason BAD_VGPU: `text` is not "GUEST:PROFILE", or
//         the guest has more than 47 bytes
absl::StatusOr<Vgpu> ParseVgpu(const std::string& text);

}  // namespace baton::shim

#endif  // DRIVER_SHIM_OPTIONS_H_
