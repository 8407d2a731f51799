#ifndef DRIVER_SHIM_MINIPORT_TESTING_LIVE_HOST_H_
#define DRIVER_SHIM_MINIPORT_TESTING_LIVE_HOST_H_

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "base/mutex.h"
#include "driver-shim/miniport/faults.h"
#include "driver-shim/port/adapter.h"
#include "driver-shim/softgpu/board.h"
#include "driver-shim/softgpu/device_control.h"
#include "driver-shim/softgpu/guest/tenant.h"

namespace baton::miniport {

// The image of the build of that name, e.g. "1_0".
port::DriverImage ImageOf(const std::string& name);
// And of the build that has the row's fault.
port::DriverImage ImageOf(const FaultRow& row);

// Whether the build with the fault is the driver that is to go.
bool IsOld(const FaultRow& row);
// The drivers of an update that meets the fault.
port::DriverImage OldOf(const FaultRow& row);
port::DriverImage NextOf(const FaultRow& row);

class Bell final : public softgpu::Stop {
 public:
  bool WaitFor(absl::Duration timeout) override;
  void Ring();

 private:
  Mutex mu_;
  CondVar rung_changed_;
  bool rung_ ABSL_GUARDED_BY(mu_) = false;
};

// A host below its agent with two guests at work, and this agent's part of an
// update. Confined to one thread, a test's: what must not fail is expected.
class LiveHost {
 public:
  explicit LiveHost(const port::DriverImage& driver);
  // Expects that no file is left.
  ~LiveHost();
  LiveHost(const LiveHost&) = delete;
  LiveHost& operator=(const LiveHost&) = delete;

  // Goes from the driver that is there to `next`, as the agent would, and
  // returns how it ended.
  Ending Update(const port::DriverImage& next, const FaultRow& row);

  // Whether a report since Forget() named all that the row says.
  bool Told(const FaultRow& row) const;
  void Forget() { reports_.clear(); }
  // The reports, one a line.
  std::string All() const;

  port::AdapterState state() { return adapter_->Inspect().state; }

  // Waits until the present driver's host is the only child.
  void AwaitEndOfStandbys();

  // Waits until each guest has moved on.
  void AwaitProgress();
  const std::vector<softgpu::Report>& EndGuests();

 private:
  void StartGuests();
  bool Try(port::AdapterStep step, const port::DriverImage& image,
           const FaultRow& row);
  bool LoadAndGoOn(const port::DriverImage& image, const FaultRow& row);

  const port::DriverImage old_;
  std::string directory_;
  std::unique_ptr<softgpu::Board> board_;
  std::unique_ptr<softgpu::DeviceControl> device_;
  std::unique_ptr<port::DdiAdapter> adapter_;
  std::vector<std::unique_ptr<softgpu::Tenant>> tenants_;
  std::vector<softgpu::Report> guest_reports_;
  std::vector<std::thread> threads_;
  std::atomic<int> guests_ready_ = 0;
  Bell bell_;
  std::vector<port::StepReport> reports_;
  uint64_t attempt_ = 0;
};

}  // namespace baton::miniport

#endif  // DRIVER_SHIM_MINIPORT_TESTING_LIVE_HOST_H_
