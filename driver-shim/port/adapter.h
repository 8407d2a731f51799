#ifndef DRIVER_SHIM_PORT_ADAPTER_H_
#define DRIVER_SHIM_PORT_ADAPTER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "driver-shim/port/adapter_port.h"
#include "driver-shim/port/device.h"
#include "driver-shim/port/update_steps.h"

namespace baton::port {

// The adapter of a driver that speaks the hot-update DDI: knows where it
// stands, whose turn it is, and what each step of the attempt did. Confined to
// one thread, which must live as long as the driver is to live.
class DdiAdapter final : public AdapterPort {
 public:
  // `name`  of the adapter on its host, e.g. "gpu0"
  DdiAdapter(std::string name, const Device& device, const Clock& clock,
             std::unique_ptr<UpdateSteps> steps)
      : name_(std::move(name)),
        device_(device),
        clock_(clock),
        steps_(std::move(steps)) {}

  // Loads the first driver. Errors as UpdateSteps::StartFresh(); the adapter is
  // empty then.
  absl::Status Start(const DriverImage& image, absl::Duration timeout);

  // Cancels what can be cancelled, and stops the driver in order.
  void Stop(absl::Duration timeout);

  AdapterReport Inspect() override;
  absl::StatusOr<StepReport> Take(const StepOrder& order) override;
  void Watch() override;

 private:
  // Whether the order may be looked at; sets `attempt_` for a first one.
  absl::Status CheckAttempt(const StepOrder& order) const;
  UpdateSteps::Outcome Do(const StepOrder& order);
  void Finish(const StepOrder& order, const StepReport& report);
  // Keeps the first failure of the attempt.
  void KeepIncident(const StepOrder& order, const StepReport& report);
  void Log();

  const std::string name_;
  const Device& device_;
  const Clock& clock_;
  const std::unique_ptr<UpdateSteps> steps_;
  AdapterState state_ = AdapterState::kEmpty;
  uint64_t attempt_ = 0;   // under way; 0: none
  uint64_t finished_ = 0;  // the last one that ended
  // What the steps that succeeded did: of the attempt under way, else of the
  // last one.
  std::map<AdapterStep, StepReport> records_;
  std::shared_ptr<const Incident> incident_;  // null: the attempt goes well
  // What succeeded since guests stand still, and where it led.
  std::vector<std::pair<StepOrder, AdapterState>> unlogged_;
};

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_ADAPTER_H_
