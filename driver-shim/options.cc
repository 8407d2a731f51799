#include "driver-shim/options.h"

#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "base/reason.h"

namespace baton::shim {
namespace {

constexpr size_t kGuestBytesMax = 47;

}  // namespace

void Declare(CLI::App& app, Options& options) {
  app.add_option("--listen", options.listen, "where to serve, unix:PATH")
      ->required();
  app.add_option("--adapter", options.adapter,
                 "ddi: a driver that speaks the hot-update DDI; vfio: a "
                 "kernel's module with vGPUs under VFIO")
      ->check(CLI::IsMember({"ddi", "vfio"}));
  app.add_option("--device", options.device,
                 "for ddi: the device's directory; required");
  app.add_option("--vfio-config", options.vfio_config,
                 "for vfio: the file that names module, machines and clients; "
                 "required");
  app.add_option("--adapter-name", options.adapter_name,
                 "name of the adapter on its host");
  app.add_option("--state-dir", options.state_dir,
                 "for the host's memory and saved state, best on a tmpfs; "
                 "made if missing")
      ->required();
  app.add_option("--driver", options.driver, "image of the first driver")
      ->required();
  app.add_option("--driver-name", options.driver_name, "for inventories");
  app.add_option("--driver-version", options.driver_version, "for inventories");
  app.add_option("--driver-memory-mib", options.driver_memory_mib,
                 "memory that drivers have, saved state included, in MiB")
      ->check(CLI::Range(1, 65536));
  app.add_option("--vgpu", options.vgpus,
                 "GUEST:PROFILE, a virtual GPU to create where it is missing; "
                 "repeatable, partition ids follow the order");
  app.add_option("--log-level", options.log_level,
                 "debug, info, warning or error");
}

absl::Status CheckAdapterOptions(const Options& options) {
  const auto bad = [&](absl::string_view flag, absl::string_view want) {
    return ErrorWithReason(
        absl::StatusCode::kInvalidArgument, "BAD_OPTIONS",
        absl::StrCat(flag, " ", want, " with --adapter=", options.adapter));
  };
  const bool vfio = options.adapter == "vfio";
  if (options.device.empty() != vfio) {
    return bad("--device", vfio ? "means nothing" : "is required");
  }
  if (options.vfio_config.empty() == vfio) {
    return bad("--vfio-config", vfio ? "is required" : "means nothing");
  }
  if (vfio && !options.vgpus.empty()) return bad("--vgpu", "means nothing");
  return absl::OkStatus();
}

absl::StatusOr<Vgpu> ParseVgpu(const std::string& text) {
  const size_t colon = text.find(':');
  if (colon == std::string::npos || colon == 0 || colon > kGuestBytesMax ||
      colon + 1 == text.size()) {
    return ErrorWithReason(
        absl::StatusCode::kInvalidArgument, "BAD_VGPU",
        absl::StrCat("vgpu '", text, "' is not GUEST:PROFILE with a guest of ",
                     "1 to ", kGuestBytesMax, " bytes"));
  }
  return Vgpu{.guest = text.substr(0, colon),
              .profile = text.substr(colon + 1)};
}

}  // namespace baton::shim
