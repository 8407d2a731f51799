#ifndef DRIVER_SHIM_VFIO_CLIENT_H_
#define DRIVER_SHIM_VFIO_CLIENT_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "driver-shim/vfio/holder.h"
#include "driver-shim/vfio/line_socket.h"
#include "driver-shim/vfio/processes.h"

namespace baton::vfio {

// A program that holds a vGPU through VFIO and is no machine. It listens on a
// unix socket and does as it is told (docs/KVM.md): PAUSE, CLOSE, OPEN, RESUME.
// Its device's descriptor comes along with the answers, and what has to be done
// to the device is done here.
class Client final : public Holder {
 public:
  struct Options {
    std::string guest = "";
    std::string uuid = "";
    std::string socket = "";
  };

  // What it takes to use a descriptor as a device; a test has its own.
  using DeviceOpener = std::unique_ptr<Device> (*)(Fd fd);

  // All outlive this object.
  Client(Options options, Processes& processes, const Clock& clock,
         DeviceOpener open);

  bool Present() override;
  bool CanReturn() override { return Present(); }
  std::vector<core::Blocker> Preflight() override;
  int Pid() override { return process_.pid; }
  absl::Status Prepare(const Budget& budget) override;
  void Dismiss() override {
    device_ = nullptr;
    connection_.reset();
  }
  absl::Status Stop(const Budget& budget) override;
  absl::StatusOr<Stream> Save(const std::string& path,
                              const Budget& budget) override;
  absl::Status Release(const Budget& budget) override;
  absl::Status Restore(const Stream& stream, const Budget& budget) override;
  absl::Status Adopt(const Budget& /*budget*/) override {
    return absl::OkStatus();
  }
  absl::Status Resume(const Budget& budget) override;
  absl::Status Confirm(const Budget& budget) override;
  absl::StatusOr<Device*> HeldDevice(const Budget& budget) override;
  std::string Record() const override;
  bool Recall(const std::string& record, core::Phase phase) override;

 private:
  using Facts = std::map<std::string, std::string>;

  // Sends a request; returns what its answer says.
  // Errors: FAILED_PRECONDITION, CLIENT_REFUSED: with the client's words
  absl::StatusOr<Facts> Ask(const std::string& request, const Budget& budget);
  // The same, for a request whose answer has the device along.
  absl::Status AskForDevice(const std::string& request, const Budget& budget);

  const Options options_;
  Processes& processes_;
  const Clock& clock_;
  const DeviceOpener open_;
  Process process_;
  std::optional<LineSocket> connection_;
  std::unique_ptr<Device> device_;
};

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_CLIENT_H_
