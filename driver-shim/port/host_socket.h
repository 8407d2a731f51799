#ifndef DRIVER_SHIM_PORT_HOST_SOCKET_H_
#define DRIVER_SHIM_PORT_HOST_SOCKET_H_

#include <string>

namespace baton::port {

// The named socket at which a driver host is found by the shim after the one
// that started it. The name may be longer than a socket's address has room for.
// Any thread.

// Listens at `path`, which must not exist. Returns the descriptor, or -1, with
// the cause in errno.
int ListenAt(const std::string& path);

// Connects to whoever listens at `path`. Does not wait for it to accept.
// Returns the descriptor, or -1, with the cause in errno.
int ConnectTo(const std::string& path);

// Returns the process that called ListenAt() for the peer of `socket`; 0 when
// the system does not say.
int ListenerOf(int socket);

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_HOST_SOCKET_H_
