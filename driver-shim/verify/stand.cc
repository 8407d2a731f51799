#include "driver-shim/verify/stand.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace baton::verify {
namespace {

// Room for twice the vGPUs that a stand has by default.
constexpr uint32_t kFunctions = 8;
constexpr char kProfile[] = "S1-4";
constexpr uint64_t kVramBytes = uint64_t{4} << 20;  // of each function
constexpr size_t kMemoryBytes = size_t{16} << 20;
constexpr absl::Duration kStartTimeout = absl::Seconds(10);

}  // namespace

absl::StatusOr<std::unique_ptr<Stand>> Stand::Create(
    const Options& options, const port::DriverImage& image) {
  std::unique_ptr<Stand> stand(new Stand(options));
  RETURN_IF_ERROR(stand->Build());
  RETURN_IF_ERROR(stand->adapter_->Start(image, kStartTimeout));
  auto guests =
      Guests::Start({.directory = absl::StrCat(stand->directory_, "/gpu"),
                     .count = std::min(options.guests, options.vgpus),
                     .seed = options.seed});
  if (!guests.ok()) {
    // The driver may have a better explanation.
    RETURN_IF_ERROR(stand->Populate(options.vgpus));
    return guests.status();
  }
  stand->guests_ = *std::move(guests);
  return stand;
}

absl::Status Stand::Build() {
  std::string name = "/dev/shm/baton-verify-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) {
    return ErrorWithReason(absl::StatusCode::kUnavailable, "FILE_UNWRITABLE",
                           absl::StrCat("cannot make directory '", name, "'"));
  }
  directory_ = name;
  const std::string gpu = absl::StrCat(directory_, "/gpu");
  ASSIGN_OR_RETURN(
      board_, softgpu::Board::Create({.directory = gpu,
                                      .functions = kFunctions,
                                      .vram_bytes = kFunctions * kVramBytes}));
  ASSIGN_OR_RETURN(device_, softgpu::DeviceControl::Open(gpu));
  ASSIGN_OR_RETURN(
      std::unique_ptr<port::UpdateSteps> steps,
      port::UpdateSteps::Create({.executable = options_.executable,
                                 .state_directory = directory_,
                                 .memory_bytes = kMemoryBytes,
                                 .tenants = Tenants(options_.vgpus),
                                 .hostility = &hostility_},
                                *device_, RealClock()));
  steps_ = steps.get();
  adapter_ = std::make_unique<port::DdiAdapter>("stand", *device_, RealClock(),
                                                std::move(steps));
  return absl::OkStatus();
}

// Guests end first, and for that their engines must run, whatever became of the
// driver.
Stand::~Stand() {
  if (device_ != nullptr) {
    const absl::Status resumed = device_->ResumeEngines(options_.deadline);
    if (!resumed.ok()) LogWarning(resumed.message());
  }
  guests_ = nullptr;
  hostility_ = {};
  if (adapter_ != nullptr) adapter_->Stop(options_.deadline);
  adapter_ = nullptr;
  device_ = nullptr;
  board_ = nullptr;
  if (!directory_.empty()) rmdir(directory_.c_str());
}

absl::StatusOr<port::StepReport> Stand::Take(port::AdapterStep step,
                                             const port::DriverImage& image) {
  adapter_->Watch();
  return adapter_->Take({.step = step,
                         .attempt = attempt_,
                         .deadline = options_.deadline,
                         .image = image});
}

absl::Status Stand::Populate(uint32_t vgpus) {
  vgpus_ = vgpus;
  return steps_->Populate(Tenants(vgpus), options_.deadline);
}

std::vector<port::UpdateSteps::Tenant> Stand::Tenants(uint32_t count) const {
  std::vector<port::UpdateSteps::Tenant> tenants;
  tenants.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    tenants.push_back(
        {.guest = absl::StrCat("guest-", i), .profile = kProfile});
  }
  return tenants;
}

std::vector<softgpu::Report> Stand::StopGuests() { return guests_->Stop(); }

}  // namespace baton::verify
