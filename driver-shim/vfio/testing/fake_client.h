#ifndef DRIVER_SHIM_VFIO_TESTING_FAKE_CLIENT_H_
#define DRIVER_SHIM_VFIO_TESTING_FAKE_CLIENT_H_

#include <memory>
#include <string>
#include <thread>

#include "base/mutex.h"
#include "driver-shim/vfio/fd.h"
#include "driver-shim/vfio/line_socket.h"

namespace baton::vfio {

// A client that speaks the control protocol, and has any descriptor for its
// device's.
class FakeClient {
 public:
  FakeClient(std::string socket, std::string uuid);
  ~FakeClient();
  FakeClient(const FakeClient&) = delete;
  FakeClient& operator=(const FakeClient&) = delete;

  std::string state();
  // Every answer is this from now on; "": as it should be.
  void set_answer(const std::string& answer);
  void set_sends_fd(bool sends);

 private:
  void Serve();
  std::string Answer(const std::string& request, bool& with_fd);

  const std::string socket_;
  const std::string uuid_;
  Fd listener_;
  Fd wake_;
  Mutex mu_;
  std::string state_ ABSL_GUARDED_BY(mu_) = "RUNNING";
  std::string answer_ ABSL_GUARDED_BY(mu_);
  bool sends_fd_ ABSL_GUARDED_BY(mu_) = true;
  std::thread thread_;
};

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_TESTING_FAKE_CLIENT_H_
