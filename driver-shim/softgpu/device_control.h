#ifndef DRIVER_SHIM_SOFTGPU_DEVICE_CONTROL_H_
#define DRIVER_SHIM_SOFTGPU_DEVICE_CONTROL_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "driver-shim/port/device.h"
#include "driver-shim/softgpu/mapped_file.h"
#include "driver-shim/softgpu/registers.h"

namespace baton::softgpu {

// The host's hold on a software GPU that runs in another process. One thread.
class DeviceControl final : public port::Device {
 public:
  // `directory`  the device's, as baton-softgpu --dir
  //
  // Errors:
  //   NOT_FOUND            no device there
  //   UNAVAILABLE          it is there no more; reason DEVICE_GONE
  //   FAILED_PRECONDITION  not a device that we know; reason DEVICE_UNKNOWN
  static absl::StatusOr<std::unique_ptr<DeviceControl>> Open(
      const std::string& directory);

  ~DeviceControl() override;

  port::DeviceIdentity Identity() const override;
  std::string Life() const override { return life_; }
  std::vector<port::Bar> Bars() const override;
  std::string InterruptPath() const override;
  absl::Status CheckAlive() const override;
  absl::StatusOr<std::vector<port::FunctionState>> Functions() const override;
  absl::Status Assign(uint32_t partition_id, const std::string& guest) override;
  absl::Status PauseEngines(absl::Duration timeout) override;
  absl::Status ResumeEngines(absl::Duration timeout) override;

 private:
  explicit DeviceControl(std::string directory)
      : directory_(std::move(directory)) {}

  absl::Status MapAll();
  void Request(uint32_t request) const;
  absl::Status Await(uint32_t request, absl::Duration timeout) const;
  port::FunctionState StateOf(uint32_t function) const;

  softgpu_pf* pf() const { return pf_->As<softgpu_pf>(); }
  softgpu_vf* vf(uint32_t function) const {
    return vfs_[function]->As<softgpu_vf>();
  }

  const std::string directory_;
  std::string life_ = "";
  int lock_fd_ = -1;
  std::unique_ptr<MappedFile> pf_;
  std::vector<std::unique_ptr<MappedFile>> vfs_;
};

}  // namespace baton::softgpu

#endif  // DRIVER_SHIM_SOFTGPU_DEVICE_CONTROL_H_
