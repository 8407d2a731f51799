#ifndef DRIVER_SHIM_VERIFY_STAND_H_
#define DRIVER_SHIM_VERIFY_STAND_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "driver-shim/port/adapter.h"
#include "driver-shim/port/hostility.h"
#include "driver-shim/port/update_steps.h"
#include "driver-shim/softgpu/board.h"
#include "driver-shim/softgpu/device_control.h"
#include "driver-shim/verify/guests.h"

namespace baton::verify {

// A test stand: a software GPU of its own, an adapter with a driver, and guests
// at work. Leaves nothing behind. Confined to one thread, which must live as
// long as it does.
class Stand {
 public:
  struct Options {
    std::string executable = "/proc/self/exe";  // see DriverProcess::Options
    uint32_t vgpus = 4;
    uint32_t guests = 4;                         // on the first of them
    absl::Duration deadline = absl::Seconds(3);  // of each step
    uint64_t seed = 1;
  };

  // Loads the driver, has it create the vGPUs, and sets the guests to work.
  //
  // Errors: those of softgpu::Board, UpdateSteps::StartFresh() and Guests
  static absl::StatusOr<std::unique_ptr<Stand>> Create(
      const Options& options, const port::DriverImage& image);

  ~Stand();
  Stand(const Stand&) = delete;
  Stand& operator=(const Stand&) = delete;

  // Takes a step of the present attempt. Errors: those of AdapterPort::Take()
  absl::StatusOr<port::StepReport> Take(port::AdapterStep step,
                                        const port::DriverImage& image);
  void NewAttempt() { ++attempt_; }

  // Has vGPUs created and destroyed until there are `vgpus`. Those of guests
  // must stay. Errors: those of UpdateSteps::Populate()
  absl::Status Populate(uint32_t vgpus);

  // How the driver is treated from the next command on.
  port::Hostility& hostility() { return hostility_; }
  // Allocations that the driver tried in its last command.
  uint32_t allocations() const { return steps_->allocations(); }

  port::AdapterReport Inspect() { return adapter_->Inspect(); }
  uint32_t vgpus() const { return vgpus_; }
  const std::string& directory() const { return directory_; }
  std::vector<softgpu::Report> StopGuests();

 private:
  explicit Stand(const Options& options)
      : options_(options), vgpus_(options.vgpus) {}

  absl::Status Build();
  std::vector<port::UpdateSteps::Tenant> Tenants(uint32_t count) const;

  const Options options_;
  uint32_t vgpus_ = 0;
  uint64_t attempt_ = 1;
  port::Hostility hostility_ = {};
  std::string directory_ = "";
  std::unique_ptr<softgpu::Board> board_;
  std::unique_ptr<softgpu::DeviceControl> device_;
  port::UpdateSteps* steps_ = nullptr;  // the adapter's
  std::unique_ptr<port::DdiAdapter> adapter_;
  std::unique_ptr<Guests> guests_;
};

}  // namespace baton::verify

#endif  // DRIVER_SHIM_VERIFY_STAND_H_
