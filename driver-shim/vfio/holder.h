#ifndef DRIVER_SHIM_VFIO_HOLDER_H_
#define DRIVER_SHIM_VFIO_HOLDER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "driver-shim/vfio/budget.h"
#include "driver-shim/vfio/core/acts.h"
#include "driver-shim/vfio/core/blocker.h"
#include "driver-shim/vfio/device.h"
#include "driver-shim/vfio/stream.h"

namespace baton::vfio {

// Who uses a vGPU, and how it is led from one module to the next. Each function
// may be called again after one that failed or whose end nobody saw, and goes
// on from what it finds. All block at most until the budget ends, plus what
// ending a process takes. Confined to one thread.
//
// Errors of all: UNAVAILABLE, SOCKET_CLOSED: it does not answer;
//   DEADLINE_EXCEEDED, STEP_TOO_SLOW; and those named below
class Holder {
 public:
  virtual ~Holder() = default;

  // Whether there is anybody. Does not block for long.
  virtual bool Present() = 0;
  // Whether what was saved can be given to somebody: not where it would be the
  // process that has ended.
  virtual bool CanReturn() = 0;
  // What stands in the way of an update, of whoever is there now.
  virtual std::vector<core::Blocker> Preflight() = 0;
  // The process, for messages and to tell it from strangers; 0: nobody.
  virtual int Pid() = 0;

  // Makes ready what can be while the guest runs, as the Preflight() just
  // before it, which found nothing, has learned of it. Errors: MEMORY_IN_USE
  virtual absl::Status Prepare(const Budget& budget) = 0;
  // Ends what Prepare() made.
  virtual void Dismiss() = 0;

  // Stops the guest, then the device. One that was saved already, and not for
  // good, is stopped anew, so that it can be saved.
  virtual absl::Status Stop(const Budget& budget) = 0;
  // Saves the stopped vGPU into a file.
  virtual absl::StatusOr<Stream> Save(const std::string& path,
                                      const Budget& budget) = 0;
  // Lets go of the device, for good: what was saved is all there is.
  virtual absl::Status Release(const Budget& budget) = 0;
  // Takes the device again, stopped, with what was saved, once the driver has
  // taken all of it. Errors: STREAM_REFUSED, STREAM_DAMAGED
  virtual absl::Status Restore(const Stream& stream, const Budget& budget) = 0;
  // Makes whoever has the device now the one that may run; nobody runs yet. To
  // be recorded before Resume(). Errors: MEMORY_IN_USE
  virtual absl::Status Adopt(const Budget& budget) = 0;
  // Lets the guest go on, where it was running when it was stopped.
  virtual absl::Status Resume(const Budget& budget) = 0;
  // Whether the guest goes on, as far as its holder knows.
  // Errors: FAILED_PRECONDITION, reason VGPU_NO_PROGRESS
  virtual absl::Status Confirm(const Budget& budget) = 0;

  // The device as it is held now. Errors: DEVICE_GONE
  virtual absl::StatusOr<Device*> HeldDevice(const Budget& budget) = 0;

  // What another life of the shim must know to go on, and its counterpart: how
  // far that life had come is the vGPU's phase. False: it makes no sense.
  virtual std::string Record() const = 0;
  virtual bool Recall(const std::string& record, core::Phase phase) = 0;
};

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_HOLDER_H_
