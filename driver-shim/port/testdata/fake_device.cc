#include "driver-shim/port/testdata/fake_device.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/clock.h"

namespace baton::port {
namespace {

constexpr uint64_t kBarBytes = 4096;

}  // namespace

FakeDevice::FakeDevice(const std::string& directory) : directory_(directory) {
  for (const Bar& bar : Bars()) {
    const int fd = open(bar.path.c_str(), O_RDWR | O_CREAT, S_IRUSR | S_IWUSR);
    CHECK(fd >= 0 && ftruncate(fd, kBarBytes) == 0);
    close(fd);
  }
  unlink(InterruptPath().c_str());
  CHECK(mkfifo(InterruptPath().c_str(), S_IRUSR | S_IWUSR) == 0);
  interrupts_ = open(InterruptPath().c_str(), O_RDWR | O_CLOEXEC);
  CHECK(interrupts_ >= 0);
  for (uint32_t id = 0; id < kFunctions; ++id) {
    functions.push_back({.partition_id = id,
                         .vram_bytes = uint64_t{64} << 20,
                         .commands_submitted = 10,
                         .commands_completed = 5,
                         .fence_value = 7,
                         .registers = {.high = id, .low = 1}});
  }
}

FakeDevice::~FakeDevice() { close(interrupts_); }

DeviceIdentity FakeDevice::Identity() const {
  return {.vendor_id = 0x1b70,
          .device_id = 1,
          .revision = 0,
          .model = "Fake S1",
          .functions_max = kFunctions,
          .vram_bytes = uint64_t{256} << 20};
}

std::vector<Bar> FakeDevice::Bars() const {
  std::vector<Bar> bars;
  bars.reserve(2 + kFunctions);
  for (uint32_t i = 0; i < 2 + kFunctions; ++i) {
    bars.push_back(
        {.path = absl::StrCat(directory_, "/fake_bar", i), .bytes = kBarBytes});
  }
  return bars;
}

std::string FakeDevice::InterruptPath() const {
  return absl::StrCat(directory_, "/fake_interrupts");
}

absl::StatusOr<std::vector<FunctionState>> FakeDevice::Functions() const {
  if (!functions_result.ok()) return functions_result;
  std::vector<FunctionState> now(functions.begin(),
                                 functions.begin() + enabled);
  for (FunctionState& function : now) {
    if (paused || engines == Engines::kStand) continue;
    function.commands_completed = function.commands_submitted;
  }
  return now;
}

absl::Status FakeDevice::Assign(uint32_t partition_id,
                                const std::string& guest) {
  functions[partition_id].guest = guest;
  return absl::OkStatus();
}

absl::Status FakeDevice::PauseEngines(absl::Duration) {
  if (!pause_result.ok()) return pause_result;
  if (!paused) {
    for (FunctionState& f : functions) f.stopped_at = RealClock().Monotonic();
  }
  paused = true;
  return absl::OkStatus();
}

absl::Status FakeDevice::ResumeEngines(absl::Duration) {
  if (!resume_result.ok()) return resume_result;
  if (paused) {
    for (FunctionState& f : functions) f.started_at = RealClock().Monotonic();
  }
  paused = false;
  return absl::OkStatus();
}

void FakeDevice::Interrupt(uint8_t message_number) {
  CHECK(write(interrupts_, &message_number, 1) == 1);
}

}  // namespace baton::port
