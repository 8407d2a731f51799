#ifndef DRIVER_SHIM_PORT_TESTDATA_FAKE_DEVICE_H_
#define DRIVER_SHIM_PORT_TESTDATA_FAKE_DEVICE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "driver-shim/port/device.h"

namespace baton::port {

// A device without engines, in a directory of its own: registers, VRAM and one
// page for each of four functions, as files, and an interrupt line. What it
// answers is set by the test.
class FakeDevice final : public Device {
 public:
  static constexpr uint32_t kFunctions = 4;

  explicit FakeDevice(const std::string& directory);
  ~FakeDevice() override;

  DeviceIdentity Identity() const override;
  std::string Life() const override { return life; }
  std::vector<Bar> Bars() const override;
  std::string InterruptPath() const override;
  absl::Status CheckAlive() const override { return functions_result; }
  absl::StatusOr<std::vector<FunctionState>> Functions() const override;
  absl::Status Assign(uint32_t partition_id, const std::string& guest) override;
  absl::Status PauseEngines(absl::Duration timeout) override;
  absl::Status ResumeEngines(absl::Duration timeout) override;

  // Makes one interrupt.
  void Interrupt(uint8_t message_number);

  // What Functions() returns, for the first so many functions.
  uint32_t enabled = kFunctions;
  std::vector<FunctionState> functions;
  // Whether engines do their commands while they run.
  enum class Engines { kWork, kStand };
  Engines engines = Engines::kWork;
  bool paused = false;
  std::string life = "1";
  absl::Status functions_result = absl::OkStatus();
  absl::Status pause_result = absl::OkStatus();
  absl::Status resume_result = absl::OkStatus();

 private:
  const std::string directory_;
  int interrupts_ = -1;
};

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_TESTDATA_FAKE_DEVICE_H_
