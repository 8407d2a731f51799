#include "driver-shim/vfio/migration.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace baton::vfio {

using core::DeviceState;

absl::Status BringTo(DeviceState state, Device& device) {
  ASSIGN_OR_RETURN(DeviceState at, device.State());
  while (at != state) {
    const std::optional<DeviceState> next = core::NextArc(at, state);
    if (!next.has_value()) {
      return ErrorWithReason(
          absl::StatusCode::kFailedPrecondition, "ARC_REFUSED",
          absl::StrCat("no arc leads from ", Name(at), " to ", Name(state)));
    }
    RETURN_IF_ERROR(device.Take(*next).status());
    at = *next;
  }
  return absl::OkStatus();
}

namespace {

// `keep` reads the stream's descriptor to its end.
template <typename Keep>
absl::StatusOr<Stream> Read(Device& device, const Keep& keep) {
  RETURN_IF_ERROR(BringTo(DeviceState::kStop, device));
  ASSIGN_OR_RETURN(Fd source, device.Take(DeviceState::kStopCopy));
  absl::StatusOr<Stream> stream = keep(source.get());
  source.Close();
  const absl::Status stopped = BringTo(DeviceState::kStop, device);
  if (!stream.ok()) return stream.status();
  RETURN_IF_ERROR(stopped);
  return stream;
}

}  // namespace

absl::StatusOr<Stream> SaveDevice(Device& device, const std::string& path,
                                  const Budget& budget) {
  return Read(device,
              [&](int source) { return KeepStream(source, path, budget); });
}

absl::StatusOr<Stream> ReadBack(Device& device, const Budget& budget) {
  return Read(device, [&](int source) { return DigestStream(source, budget); });
}

absl::Status RestoreDevice(const Stream& stream, Device& device,
                           const Budget& budget) {
  RETURN_IF_ERROR(CheckStream(stream));
  ASSIGN_OR_RETURN(const DeviceState at, device.State());
  if (at == DeviceState::kError || at == DeviceState::kResuming) {
    RETURN_IF_ERROR(device.Reset());
  }
  RETURN_IF_ERROR(BringTo(DeviceState::kStop, device));
  ASSIGN_OR_RETURN(const Fd sink, device.Take(DeviceState::kResuming));
  RETURN_IF_ERROR(PourStream(stream, sink.get(), budget));
  return SettleDevice(device);
}

absl::Status SettleDevice(Device& device) {
  absl::Status settled = BringTo(DeviceState::kStop, device);
  if (settled.ok() || Reason(settled) != "ARC_REFUSED") return settled;
  return ErrorWithReason(
      absl::StatusCode::kFailedPrecondition, "STREAM_REFUSED",
      absl::StrCat("its driver took all of the saved state and then refused "
                   "it: ",
                   settled.message()));
}

}  // namespace baton::vfio
