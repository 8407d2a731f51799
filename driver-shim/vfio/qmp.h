#ifndef DRIVER_SHIM_VFIO_QMP_H_
#define DRIVER_SHIM_VFIO_QMP_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "driver-shim/vfio/budget.h"
#include "driver-shim/vfio/line_socket.h"
#include "nlohmann/json.hpp"

namespace baton::vfio {

using Json = nlohmann::json;

// The text of that name; "" where there is none.
std::string TextIn(const Json& json, const char* name);

// One connection to a QEMU's monitor (QMP). A QEMU serves one at a time.
// Confined to one thread.
class Qmp {
 public:
  // Connects, hears the greeting and agrees on capabilities.
  //
  // Errors: UNAVAILABLE, SOCKET_CLOSED; DEADLINE_EXCEEDED, STEP_TOO_SLOW:
  //         somebody else is connected, or it hangs
  static absl::StatusOr<std::unique_ptr<Qmp>> Connect(const std::string& path,
                                                      const Budget& budget);

  // To ask who listens there.
  int fd() const { return socket_.fd(); }
  // Of QEMU, e.g. {10, 0}.
  std::pair<int, int> version() const { return version_; }

  // Runs a command; returns what it returns. Events that come meanwhile are
  // dropped, and so are answers to commands that were given up.
  //
  // Errors: as Connect(); and
  //   FAILED_PRECONDITION  QEMU refuses; reason QMP_REFUSED, with its words
  absl::StatusOr<Json> Run(const std::string& command, const Json& arguments,
                           const Budget& budget);

  // Gives QEMU a descriptor under a name (getfd), which lasts as long as QEMU.
  absl::Status Give(const std::string& name, int fd, const Budget& budget);

  // QEMU's run state, e.g. "running". Errors as Run().
  absl::StatusOr<std::string> Status(const Budget& budget);

  // Waits until a migration has ended, out of it or into it.
  // Errors: as Run(); and FAILED_PRECONDITION, reason MIGRATION_FAILED, with
  // QEMU's words
  absl::Status AwaitMigration(const Budget& budget);

 private:
  explicit Qmp(LineSocket socket) : socket_(std::move(socket)) {}

  absl::StatusOr<Json> Receive(const Budget& budget);
  absl::StatusOr<Json> Ask(const std::string& command, const Json& arguments,
                           int fd, const Budget& budget);

  LineSocket socket_;
  uint64_t asked_ = 0;  // number of the last command
  std::pair<int, int> version_ = {0, 0};
};

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_QMP_H_
