#ifndef DRIVER_SHIM_VFIO_CORE_SHALLOW_JSON_H_
#define DRIVER_SHIM_VFIO_CORE_SHALLOW_JSON_H_

#include <optional>

#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace baton::vfio::core {

// An object that a machine's user wrote, or its QEMU: nothing where it is none,
// or nested deeper than anything of QEMU's is. To copy or print one takes a
// frame for each level. Any thread.
inline std::optional<nlohmann::json> ParseShallow(absl::string_view text) {
  constexpr int kDepthMax = 32;
  bool deep = false;
  nlohmann::json json = nlohmann::json::parse(
      text.begin(), text.end(),
      [&](int depth, nlohmann::json::parse_event_t /*event*/,
          nlohmann::json& /*parsed*/) {
        deep = deep || depth > kDepthMax;
        return !deep;
      },
      /*allow_exceptions=*/false);
  if (deep || !json.is_object()) return std::nullopt;
  return json;
}

}  // namespace baton::vfio::core

#endif  // DRIVER_SHIM_VFIO_CORE_SHALLOW_JSON_H_
