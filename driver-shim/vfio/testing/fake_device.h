#ifndef DRIVER_SHIM_VFIO_TESTING_FAKE_DEVICE_H_
#define DRIVER_SHIM_VFIO_TESTING_FAKE_DEVICE_H_

#include <memory>
#include <string>

#include "base/mutex.h"
#include "driver-shim/vfio/device.h"

namespace baton::vfio {

// A vGPU in a driver, as a whole: what is in it, and how the driver behaves.
// Any thread.
class FakeVgpu {
 public:
  struct Behaviour {
    bool migrates = true;
    bool refuses_late = false;  // what was written, when RESUMING is left
    bool refuses_to_stop = false;
    bool loses = false;  // takes it, and forgets half of it
  };

  explicit FakeVgpu(std::string content) : content_(std::move(content)) {}

  std::string content();
  core::DeviceState state();
  void set_behaviour(Behaviour behaviour);
  Behaviour behaviour();

  // One arc, illegal ones refused; the stream's descriptor where it has one.
  absl::StatusOr<Fd> Take(core::DeviceState next);
  void Reset();
  // What a holder of the other end has written is in, as after RESUMING.
  absl::Status Write(const std::string& text);

  // A descriptor of ours beside its holder's.
  static std::unique_ptr<Device> Open(std::shared_ptr<FakeVgpu> vgpu);

 private:
  absl::StatusOr<Fd> MakeStream(const std::string& text);

  Mutex mu_;
  std::string content_ ABSL_GUARDED_BY(mu_);
  core::DeviceState state_ ABSL_GUARDED_BY(mu_) = core::DeviceState::kRunning;
  Behaviour behaviour_ ABSL_GUARDED_BY(mu_);
  Fd stream_ ABSL_GUARDED_BY(mu_);
};

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_TESTING_FAKE_DEVICE_H_
