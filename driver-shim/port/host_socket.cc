#include "driver-shim/port/host_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace baton::port {
namespace {

// Calls `use` with a new socket and the address of `path`. Returns the socket,
// or -1.
template <typename Use>
int WithAddress(const std::string& path, Use use) {
  const size_t slash = path.rfind('/');
  const std::string folder =
      slash == std::string::npos ? "." : path.substr(0, slash);
  const std::string name =
      slash == std::string::npos ? path : path.substr(slash + 1);
  const int at = open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (at < 0) return -1;
  // By way of the open folder: its own path may be too long.
  const std::string shortened = absl::StrCat("/proc/self/fd/", at, "/", name);
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  int socket_fd = -1;
  if (shortened.size() < sizeof address.sun_path) {
    shortened.copy(address.sun_path, shortened.size());
    socket_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  } else {
    errno = ENAMETOOLONG;
  }
  const bool used =
      socket_fd >= 0 && use(socket_fd, reinterpret_cast<sockaddr*>(&address),
                            static_cast<socklen_t>(sizeof address));
  const int error = errno;
  close(at);
  if (!used && socket_fd >= 0) close(socket_fd);
  errno = error;
  return used ? socket_fd : -1;
}

}  // namespace

int ListenAt(const std::string& path) {
  return WithAddress(path, [](int fd, const sockaddr* address, socklen_t size) {
    // Whoever connects must not wait, however many died who did so before.
    return bind(fd, address, size) == 0 && listen(fd, SOMAXCONN) == 0;
  });
}

int ConnectTo(const std::string& path) {
  return WithAddress(path, [](int fd, const sockaddr* address, socklen_t size) {
    return connect(fd, address, size) == 0;
  });
}

int ListenerOf(int socket) {
  ucred peer = {};
  socklen_t size = sizeof peer;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return 0;
  return peer.pid;
}

}  // namespace baton::port
