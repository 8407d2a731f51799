#ifndef DRIVER_SHIM_VFIO_LINE_SOCKET_H_
#define DRIVER_SHIM_VFIO_LINE_SOCKET_H_

#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "driver-shim/vfio/budget.h"
#include "driver-shim/vfio/fd.h"

namespace baton::vfio {

// One connection to a unix socket on which lines go to and fro, and descriptors
// along with them. Confined to one thread.
class LineSocket {
 public:
  static constexpr size_t kLineBytesMax = size_t{4} << 20;

  // Errors: UNAVAILABLE, reason SOCKET_CLOSED: nobody listens at `path`
  static absl::StatusOr<LineSocket> Connect(const std::string& path);

  // Over a descriptor that is connected already; `path` is for messages.
  static LineSocket Over(Fd fd, std::string path) {
    return LineSocket(std::move(fd), std::move(path));
  }

  // To wait for it, or to ask who listens there; for nothing else.
  int fd() const { return fd_.get(); }

  // Sends a line, with a descriptor along where `fd` is not -1.
  // Errors: UNAVAILABLE, reason SOCKET_CLOSED
  absl::Status Send(absl::string_view line, int fd, const Budget& budget);

  // The next line without its end, within `budget`.
  // Errors: UNAVAILABLE, SOCKET_CLOSED: it has ended, or what comes is no line;
  //         DEADLINE_EXCEEDED, STEP_TOO_SLOW
  absl::StatusOr<std::string> Receive(const Budget& budget);

  // The last descriptor that came along; none where none did.
  Fd TakeFd() { return std::move(received_); }

 private:
  LineSocket(Fd fd, std::string path)
      : fd_(std::move(fd)), path_(std::move(path)) {}

  absl::Status Closed(absl::string_view why) const;
  std::optional<std::string> TakeLine();
  absl::Status ReceiveSome();

  Fd fd_;
  std::string path_;
  std::string buffer_;
  Fd received_;
};

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_LINE_SOCKET_H_
