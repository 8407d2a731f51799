#ifndef DRIVER_SHIM_VFIO_ADAPTER_H_
#define DRIVER_SHIM_VFIO_ADAPTER_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "driver-shim/port/adapter_port.h"
#include "driver-shim/vfio/steps.h"

namespace baton::vfio {

// The adapter of a kernel module under VFIO: knows whose turn it is, and what
// each step of the attempt did, also what another life of the shim did.
// Confined to one thread.
class VfioAdapter final : public port::AdapterPort {
 public:
  struct Identity {
    std::string name = "";  // of the adapter on its host, e.g. "gpu0"
    std::string model = "";
    std::string pci_id = "";
  };

  VfioAdapter(Identity identity, const Clock& clock,
              std::unique_ptr<Steps> steps)
      : identity_(std::move(identity)),
        clock_(clock),
        steps_(std::move(steps)) {}

  // See Steps::Start().
  absl::Status Start(const port::DriverImage& image,
                     const std::string& fresh_instance);

  // Which life of what is kept answers: the same after a restart that lost
  // nothing.
  const std::string& instance() const { return steps_->record().instance; }

  port::AdapterReport Inspect() override;
  absl::StatusOr<port::StepReport> Take(const port::StepOrder& order) override;
  void Keep(const port::OrderedRun& run) override;
  port::OrderedRun Kept() override { return steps_->record().run; }
  void Watch() override;

 private:
  // Notes that the step is being taken. Returns how long it may take.
  absl::Duration Begin(const port::StepOrder& order);
  // Notes what the step did, and that the next one is begun.
  void End(const port::StepReport& report);
  void DropLateRun();
  absl::Status CheckAttempt(const port::StepOrder& order) const;
  port::StepReport Do(const port::StepOrder& order);
  absl::Status Finish(const port::StepOrder& order,
                      const port::StepReport& report);
  void KeepIncident(const port::StepOrder& order,
                    const port::StepReport& report);

  const Identity identity_;
  const Clock& clock_;
  const std::unique_ptr<Steps> steps_;
  absl::Duration looked_ = -absl::InfiniteDuration();
  absl::Duration ended_ = -absl::InfiniteDuration();  // the last step
  std::shared_ptr<const port::Incident> incident_;
};

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_ADAPTER_H_
