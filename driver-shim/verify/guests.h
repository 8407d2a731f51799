#ifndef DRIVER_SHIM_VERIFY_GUESTS_H_
#define DRIVER_SHIM_VERIFY_GUESTS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "driver-shim/softgpu/guest/report.h"
#include "driver-shim/softgpu/guest/tenant.h"

namespace baton::verify {

// Tenants at work, one thread and one virtual function each, from 0 on.
class Guests {
 public:
  struct Options {
    std::string directory = "";  // the device's
    uint32_t count = 0;
    uint64_t seed = 1;
  };

  // Returns once each is at work.
  //
  // Errors: those of softgpu::Tenant::Create(); DEADLINE_EXCEEDED, one of them
  // did not get from its driver what it needs; reason GUEST_IDLE
  static absl::StatusOr<std::unique_ptr<Guests>> Start(const Options& options);

  ~Guests();
  Guests(const Guests&) = delete;
  Guests& operator=(const Guests&) = delete;

  // Has them finish, and returns what each saw. Call it once.
  std::vector<softgpu::Report> Stop();

 private:
  class Bell;

  Guests();

  const std::unique_ptr<Bell> bell_;
  std::vector<std::unique_ptr<softgpu::Tenant>> tenants_;
  std::vector<softgpu::Report> reports_;  // each its thread's until joined
  std::vector<std::thread> threads_;
};

}  // namespace baton::verify

#endif  // DRIVER_SHIM_VERIFY_GUESTS_H_
