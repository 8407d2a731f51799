#ifndef DRIVER_SHIM_VFIO_TESTING_UNIX_LISTENER_H_
#define DRIVER_SHIM_VFIO_TESTING_UNIX_LISTENER_H_

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <string>

#include "base/check.h"
#include "driver-shim/vfio/fd.h"

namespace baton::vfio {

// Listens on a unix socket at `path`, in place of whatever was there.
inline Fd ListenAt(const std::string& path) {
  unlink(path.c_str());
  sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
  CHECK(path.size() < sizeof address.sun_path);
  std::memcpy(address.sun_path, path.data(), path.size());
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  CHECK(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) ==
        0);
  CHECK(listen(fd.get(), 4) == 0);
  return fd;
}

// Waits for `fd` to be readable; false once `wake` is.
inline bool AwaitInput(int fd, int wake) {
  pollfd both[] = {{.fd = fd, .events = POLLIN, .revents = 0},
                   {.fd = wake, .events = POLLIN, .revents = 0}};
  poll(both, 2, -1);
  return both[1].revents == 0;
}

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_TESTING_UNIX_LISTENER_H_
