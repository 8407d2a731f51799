#ifndef SERVICE_OPTIONS_H_
#define SERVICE_OPTIONS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace baton {

// What batond is told on its command line. Every limit that is not a flag is a
// constant beside the code that keeps it.
struct ServiceOptions {
  // Where to listen, as gRPC takes it: "unix:/path" or "127.0.0.1:port", port 0
  // for any that is free. Operators and agents use the same address.
  std::string listen = "";
  // Where to answer monitoring, "127.0.0.1:port", port 0 for any that is free.
  // Empty: nowhere.
  std::string metrics_listen = "";
  // File that is given the address that was really bound. Empty: none.
  std::string address_file = "";
  // Directory of the store and the packages; created when it is missing.
  std::string data = "";
  // "debug", "info", "warning" or "error".
  std::string log_level = "info";
  // How often agents send a sign of life, 10 ms to 1 min.
  absl::Duration heartbeat = absl::Seconds(2);
  // Below so much room on the disk of `data` no host is admitted.
  uint64_t disk_reserve_bytes = uint64_t{256} << 20;
  // What --help says. Empty: it was not asked for. Otherwise nothing else is
  // set.
  std::string help = "";
};

// Reads the command line.
//
// Errors: INVALID_ARGUMENT
//   BAD_FLAG                an unknown or missing flag, or a bad value
//   BAD_LISTEN_ADDRESS      see NormalListenAddress()
//   PLAINTEXT_NOT_LOOPBACK  see there
absl::StatusOr<ServiceOptions> ParseServiceOptions(int argc,
                                                   const char* const* argv);

// Returns `address` as gRPC takes it. What is not encrypted is taken on a unix
// socket or a loopback address alone: one plaintext connection with a large
// header holds gRPC 1.51 up for most of a minute, and nobody is who they say.
//
// Errors: INVALID_ARGUMENT
//   BAD_LISTEN_ADDRESS      neither "unix:/path" nor "address:port"
//   PLAINTEXT_NOT_LOOPBACK  the address could be reached from elsewhere
absl::StatusOr<std::string> NormalListenAddress(absl::string_view address);

}  // namespace baton

#endif  // SERVICE_OPTIONS_H_
