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
  app.add_option("--device", options.device, "the device's directory")
      ->required();
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
