#include "service/options.h"

#include <sys/un.h>

#include <CLI/CLI.hpp>
#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace baton {
namespace {

constexpr absl::Duration kHeartbeatMin = absl::Milliseconds(10);
constexpr absl::Duration kHeartbeatMax = absl::Minutes(1);

absl::Status Invalid(absl::string_view reason, absl::string_view message) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, reason, message);
}

absl::Status BadListenAddress(absl::string_view address,
                              absl::string_view why) {
  return Invalid("BAD_LISTEN_ADDRESS",
                 absl::StrCat("cannot listen on \"", address, "\": ", why,
                              ", want unix:/path or 127.0.0.1:port"));
}

absl::Status CheckUnixPath(absl::string_view address, absl::string_view path) {
  if (!absl::StartsWith(path, "/")) {
    return BadListenAddress(address, "the path is not absolute");
  }
  if (constexpr size_t kMax = sizeof(sockaddr_un{}.sun_path) - 1;
      path.size() > kMax) {
    return BadListenAddress(
        address, absl::StrCat("the path has ", path.size(), " bytes, at most ",
                              kMax, " are possible"));
  }
  return absl::OkStatus();
}

absl::StatusOr<absl::Duration> ParseHeartbeat(const std::string& text) {
  absl::Duration heartbeat;
  if (!absl::ParseDuration(text, &heartbeat) || heartbeat < kHeartbeatMin ||
      heartbeat > kHeartbeatMax) {
    return Invalid("BAD_FLAG",
                   absl::StrCat("--heartbeat: got \"", text, "\", want ",
                                absl::FormatDuration(kHeartbeatMin), " to ",
                                absl::FormatDuration(kHeartbeatMax)));
  }
  return heartbeat;
}

// CLI11 throws; nothing of that leaves this function.
absl::Status Parse(CLI::App& app, int argc, const char* const* argv,
                   std::string& help) noexcept {
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    help = app.help();
  } catch (const CLI::Error& error) {
    return Invalid("BAD_FLAG", error.what());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> NormalListenAddress(absl::string_view address) {
  absl::string_view rest = address;
  if (absl::ConsumePrefix(&rest, "unix:")) {
    RETURN_IF_ERROR(CheckUnixPath(address, rest));
    return std::string(address);
  }
  const size_t colon = address.rfind(':');
  uint32_t port = 0;
  if (colon == absl::string_view::npos ||
      !absl::SimpleAtoi(address.substr(colon + 1), &port) || port > 65535) {
    return BadListenAddress(address, "it has no port");
  }
  absl::string_view host = address.substr(0, colon);
  if (host == "localhost") host = "127.0.0.1";
  if (host != "127.0.0.1" && host != "[::1]") {
    return Invalid("PLAINTEXT_NOT_LOOPBACK",
                   absl::StrCat("cannot listen on \"", address,
                                "\": what is not encrypted is taken on "
                                "unix:/path, 127.0.0.1 and [::1] alone"));
  }
  return absl::StrCat(host, ":", port);
}

absl::StatusOr<ServiceOptions> ParseServiceOptions(int argc,
                                                   const char* const* argv) {
  ServiceOptions options;
  std::string heartbeat = "2s";
  CLI::App app("Rolls GPU drivers out over a fleet of hosts.", "batond");
  app.add_option("--listen", options.listen,
                 "unix:/path or 127.0.0.1:port; port 0: any that is free")
      ->required();
  app.add_option("--metrics-listen", options.metrics_listen,
                 "127.0.0.1:port for GET /metrics; else none");
  app.add_option("--data", options.data, "directory of the store and packages")
      ->required();
  app.add_option("--address-file", options.address_file,
                 "file that is given the address that was really bound");
  app.add_option("--log-level", options.log_level,
                 "debug, info, warning or error")
      ->capture_default_str();
  app.add_option("--heartbeat", heartbeat,
                 "how often agents send a sign of life")
      ->capture_default_str();
  uint64_t reserve_mib = options.disk_reserve_bytes >> 20;
  app.add_option("--disk-reserve-mib", reserve_mib,
                 "MiB that must be free on the disk of --data for more hosts "
                 "to be admitted, and are left by packages; 0 to 1048576")
      ->check(CLI::Range(uint64_t{0}, uint64_t{1} << 20))
      ->capture_default_str();
  std::string help;
  RETURN_IF_ERROR(Parse(app, argc, argv, help));
  if (!help.empty()) return ServiceOptions{.help = help};
  options.disk_reserve_bytes = reserve_mib << 20;
  ASSIGN_OR_RETURN(options.heartbeat, ParseHeartbeat(heartbeat));
  ASSIGN_OR_RETURN(options.listen, NormalListenAddress(options.listen));
  if (options.metrics_listen.empty()) return options;
  if (absl::StartsWith(options.metrics_listen, "unix:")) {
    return Invalid("BAD_FLAG", absl::StrCat("--metrics-listen: got \"",
                                            options.metrics_listen,
                                            "\", want 127.0.0.1:port"));
  }
  ASSIGN_OR_RETURN(options.metrics_listen,
                   NormalListenAddress(options.metrics_listen));
  return options;
}

}  // namespace baton
