#include "driver-shim/port/profile.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/reason.h"

namespace baton::port {
namespace {

constexpr char kModel[] = "S1-";
constexpr uint64_t kMebibyte = uint64_t{1} << 20;
constexpr uint64_t kMebibytesMax = uint64_t{1} << 20;  // 1 TiB

}  // namespace

absl::StatusOr<uint64_t> VramOf(const std::string& profile) {
  absl::string_view digits = profile;
  uint64_t mebibytes = 0;
  if (!absl::ConsumePrefix(&digits, kModel) ||
      !absl::SimpleAtoi(digits, &mebibytes) || mebibytes == 0 ||
      mebibytes > kMebibytesMax) {
    return ErrorWithReason(
        absl::StatusCode::kInvalidArgument, "BAD_PROFILE",
        absl::StrCat("profile '", profile, "' is not known, want '", kModel,
                     "' and its VRAM in MiB"));
  }
  return mebibytes * kMebibyte;
}

std::string ProfileName(const DXGK_VIRTUALGPUPROFILE& profile) {
  return absl::StrCat(
      kModel,
      profile.Capability[DXGK_VGPU_CAPABILITY_MEMORY].OptimalValue / kMebibyte);
}

DXGK_VIRTUALGPUPROFILE ProfileOf(uint64_t vram_bytes) {
  DXGK_VIRTUALGPUPROFILE profile = {};
  profile.Capability[DXGK_VGPU_CAPABILITY_MEMORY] = {
      .MinValue = vram_bytes,
      .MaxValue = vram_bytes,
      .OptimalValue = vram_bytes,
  };
  return profile;
}

}  // namespace baton::port
