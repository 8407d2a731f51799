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
#include "driver-shim/port/record_fields.h"
#include "driver-shim/port/record_file.h"
#include "driver-shim/port/update_steps.h"

namespace baton::port {

// The adapter of a driver that speaks the hot-update DDI: knows where it
// stands, whose turn it is, and what each step of the attempt did. All of that
// it writes down, before a step and after it, so that whoever is started after
// its process was killed goes on from there. Confined to one thread, which must
// live as long as an update is to last.
class DdiAdapter final : public AdapterPort {
 public:
  // `name`  of the adapter on its host, e.g. "gpu0"
  DdiAdapter(std::string name, const Device& device, const Clock& clock,
             std::unique_ptr<UpdateSteps> steps)
      : name_(std::move(name)),
        device_(device),
        clock_(clock),
        steps_(std::move(steps)) {}

  // Takes over from an adapter that was killed: with the driver that it left,
  // or broken if that cannot be. Where there was none, or the machine or the
  // device was restarted since, loads `image`.
  //
  // `boot`  names the time since the machine was started
  //
  // Errors: those of UpdateSteps::StartFresh() and RecordFile::Create(); the
  // adapter is empty then.
  absl::Status Start(const DriverImage& image, absl::Duration timeout,
                     const std::string& boot = "");

  // Cancels what can be cancelled, and stops the driver in order.
  void Stop(absl::Duration timeout);

  // Whether Start() took nothing over: the vGPUs are new.
  bool began_anew() const { return began_anew_; }
  // Which vGPUs there are: another text once they are not those of before.
  const std::string& life() const { return steps_->life(); }

  AdapterReport Inspect() override;
  absl::StatusOr<StepReport> Take(const StepOrder& order) override;
  void Keep(const OrderedRun& run) override;
  OrderedRun Kept() override { return run_; }
  void Watch() override;

 private:
  template <typename Archive, Of<DdiAdapter> Self>
  friend void Fields(Archive& archive, Self& self) {
    archive(self.state_, self.attempt_, self.finished_, self.records_,
            self.incident_, self.run_, self.under_way_, self.begun_,
            *self.steps_);
  }

  absl::Status StartFresh(const DriverImage& image, absl::Duration timeout);
  void Recover(absl::Duration timeout);
  void DropLateRun();
  std::string RecordPath() const;
  absl::Status ReadRecord();
  void WriteRecord();
  absl::Duration Begin(const StepOrder& order);
  void End(const StepReport& report);

  // Whether the order may be looked at.
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
  bool began_anew_ = false;
  std::unique_ptr<RecordFile> record_;  // null before a start
  std::string boot_ = "";
  std::string device_life_ = "";
  AdapterState state_ = AdapterState::kEmpty;
  uint64_t attempt_ = 0;   // under way; 0: none
  uint64_t finished_ = 0;  // the last one that ended
  // What the steps that succeeded did: of the attempt under way, else of the
  // last one.
  std::map<AdapterStep, StepReport> records_;
  std::shared_ptr<const Incident> incident_;  // null: the attempt goes well
  OrderedRun run_ = {};
  bool under_way_ = false;  // the next step of the run is being taken, ...
  absl::Duration begun_ = absl::ZeroDuration();  // ... since then
  // What succeeded since guests stand still, and where it led.
  std::vector<std::pair<StepOrder, AdapterState>> unlogged_;
};

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_ADAPTER_H_
