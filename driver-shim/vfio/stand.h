#ifndef DRIVER_SHIM_VFIO_STAND_H_
#define DRIVER_SHIM_VFIO_STAND_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "driver-shim/vfio/adapter.h"
#include "driver-shim/vfio/config.h"
#include "driver-shim/vfio/kernel.h"
#include "driver-shim/vfio/processes.h"

namespace baton::vfio {

// An adapter with all that it stands on: this machine's kernel and processes.
class Stand {
 public:
  struct Options {
    std::string adapter_name = "";
    std::string state_directory = "";  // exists
    Config config = {};
  };

  // Touches nothing yet: see VfioAdapter::Start().
  // Errors: UNAVAILABLE, reason FILE_UNWRITABLE: the state directory
  static absl::StatusOr<std::unique_ptr<Stand>> Create(const Options& options,
                                                       const Clock& clock);

  VfioAdapter& adapter() { return *adapter_; }

 private:
  Stand() = default;

  std::unique_ptr<Kernel> kernel_;
  std::unique_ptr<Processes> processes_;
  std::unique_ptr<VfioAdapter> adapter_;
};

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_STAND_H_
