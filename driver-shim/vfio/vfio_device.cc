#include "driver-shim/vfio/vfio_device.h"

#include <linux/vfio.h>
#include <sys/ioctl.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/reason.h"

namespace baton::vfio {
namespace {

using core::DeviceState;

// Asks for one VFIO_DEVICE_FEATURE, whose payload follows the header.
template <typename Payload>
int Ask(int fd, uint32_t flags, Payload& payload) {
  alignas(vfio_device_feature)
      std::array<std::byte, sizeof(vfio_device_feature) + sizeof(Payload)>
          whole = {};
  const vfio_device_feature header = {.argsz = sizeof whole, .flags = flags};
  std::memcpy(whole.data(), &header, sizeof header);
  std::memcpy(whole.data() + sizeof header, &payload, sizeof payload);
  const int got = ioctl(fd, VFIO_DEVICE_FEATURE, whole.data());
  std::memcpy(&payload, whole.data() + sizeof header, sizeof payload);
  return got;
}

absl::Status Gone(absl::string_view what) {
  return ErrorWithReason(
      absl::StatusCode::kUnavailable, "DEVICE_GONE",
      absl::StrCat(what, ": ", std::generic_category().message(errno)));
}

class VfioDevice final : public Device {
 public:
  explicit VfioDevice(Fd fd) : fd_(std::move(fd)) {}

  bool CanMigrate() override {
    vfio_device_feature_migration feature = {};
    const int got =
        Ask(fd_.get(), VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIGRATION,
            feature);
    return got == 0 && (feature.flags & VFIO_MIGRATION_STOP_COPY) != 0;
  }

  absl::StatusOr<DeviceState> State() override {
    vfio_device_feature_mig_state feature = {};
    const int got =
        Ask(fd_.get(),
            VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
            feature);
    if (got != 0) return Gone("cannot ask for the device's state");
    return static_cast<DeviceState>(feature.device_state);
  }

  absl::StatusOr<Fd> Take(DeviceState next) override {
    vfio_device_feature_mig_state feature = {};
    feature.device_state = static_cast<uint32_t>(next);
    feature.data_fd = -1;
    const int got =
        Ask(fd_.get(),
            VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
            feature);
    if (got == 0) return Fd(feature.data_fd);
    return ErrorWithReason(
        absl::StatusCode::kFailedPrecondition, "ARC_REFUSED",
        absl::StrCat("its driver refuses to go to ", Name(next), ": ",
                     std::generic_category().message(errno)));
  }

  absl::Status Reset() override {
    if (ioctl(fd_.get(), VFIO_DEVICE_RESET) == 0) return absl::OkStatus();
    return Gone("cannot reset the device");
  }

 private:
  const Fd fd_;
};

}  // namespace

std::unique_ptr<Device> OpenDevice(Fd fd) {
  return std::make_unique<VfioDevice>(std::move(fd));
}

}  // namespace baton::vfio
