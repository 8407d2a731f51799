#ifndef DRIVER_SHIM_VFIO_TESTING_FAKE_QEMU_H_
#define DRIVER_SHIM_VFIO_TESTING_FAKE_QEMU_H_

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "driver-shim/vfio/line_socket.h"
#include "driver-shim/vfio/testing/fake_device.h"
#include "nlohmann/json.hpp"

namespace baton::vfio {

// As much of a QEMU as its monitor shows, with its traps: one client at a time;
// no second migration out of what was migrated; on `cont` a device that is not
// settled yet is reset, and only stderr says so.
class FakeQemu {
 public:
  struct Options {
    std::string socket = "";
    std::string log = "";  // where it complains
    bool incoming = false;
    std::string status = "running";
    std::shared_ptr<FakeVgpu> vgpu = nullptr;  // null: no device yet
    // What a device is that is plugged in.
    std::function<std::shared_ptr<FakeVgpu>()> plug = nullptr;
    std::pair<int, int> version = {10, 0};
    std::map<std::string, std::string> refuses = {};  // command: why
    std::string answers_late = "";  // a command: only once it is asked again
  };

  explicit FakeQemu(Options options);
  ~FakeQemu();  // as by SIGKILL
  FakeQemu(const FakeQemu&) = delete;
  FakeQemu& operator=(const FakeQemu&) = delete;

  bool ended() const { return ended_; }
  const std::string& socket() const { return options_.socket; }
  std::string status();
  std::vector<std::string> commands();
  std::shared_ptr<FakeVgpu> vgpu();
  // Whether it was given a descriptor of that name.
  bool Has(const std::string& fd);
  void Refuse(const std::string& command, const std::string& why);

 private:
  using Json = nlohmann::json;

  void Serve();
  void Talk(LineSocket socket);
  // Returns the answer.
  Json Answer(const Json& request, LineSocket& socket);
  Json Carry(const std::string& command, const Json& arguments,
             LineSocket& socket) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Json Continue() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  Json MigrateOut() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void MigrateIn();

  Options options_;
  Fd listener_;
  Fd wake_;  // readable: end
  std::atomic<bool> ended_ = false;
  Mutex mu_;
  std::string status_ ABSL_GUARDED_BY(mu_);
  std::string migration_ ABSL_GUARDED_BY(mu_) = "none";
  std::string migration_error_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, Fd> fds_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> commands_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<FakeVgpu> vgpu_ ABSL_GUARDED_BY(mu_);
  bool comes_in_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_TESTING_FAKE_QEMU_H_
