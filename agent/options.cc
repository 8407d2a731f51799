#include "agent/options.h"

#include <CLI/CLI.hpp>
#include <fstream>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace baton::agent {
namespace {

constexpr size_t kHostBytesMax = 63;
constexpr size_t kHookBytesMax = 63;
constexpr char kBootIdPath[] = "/proc/sys/kernel/random/boot_id";

absl::Status BadFlag(absl::string_view flag, absl::string_view got,
                     absl::string_view want) {
  return ErrorWithReason(
      absl::StatusCode::kInvalidArgument, "BAD_FLAG",
      absl::StrCat("--", flag, " is '", got, "', want ", want));
}

absl::Status CheckHost(const std::string& host) {
  const bool letters =
      host.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-") ==
      std::string::npos;
  if (letters && !host.empty() && host.size() <= kHostBytesMax) {
    return absl::OkStatus();
  }
  return BadFlag("host", host, "1 to 63 of [a-z0-9.-]");
}

absl::Status TakeLabels(const std::vector<std::string>& labels,
                        Options& options) {
  for (const std::string& label : labels) {
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(label, absl::MaxSplits('=', 1));
    if (parts.first.empty() || !absl::StrContains(label, '=')) {
      return BadFlag("label", label, "key=value");
    }
    if (!options.labels.insert(parts).second) {
      return BadFlag("label", label, "each key once");
    }
  }
  return absl::OkStatus();
}

absl::Status TakeGate(const std::string& gate, Options& options) {
  absl::string_view rest = gate;
  if (rest == "none") return absl::OkStatus();
  if (!absl::ConsumePrefix(&rest, "exec:") || !absl::StartsWith(rest, "/")) {
    return BadFlag("gate", gate, "none or exec:/absolute/path");
  }
  options.gate_command = std::string(rest);
  return absl::OkStatus();
}

absl::Status TakeHooks(const std::vector<std::string>& hooks,
                       Options& options) {
  for (const std::string& hook : hooks) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(hook, absl::MaxSplits('=', 1));
    absl::string_view path = parts.second;
    const bool named =
        !parts.first.empty() && parts.first.size() <= kHookBytesMax &&
        parts.first.find_first_not_of(
            "abcdefghijklmnopqrstuvwxyz0123456789-") == absl::string_view::npos;
    if (!named || !absl::ConsumePrefix(&path, "exec:") ||
        !absl::StartsWith(path, "/")) {
      return BadFlag("hook", hook,
                     "NAME=exec:/absolute/path, NAME 1 to 63 of [a-z0-9-]");
    }
    const bool added =
        options.hooks.emplace(std::string(parts.first), std::string(path))
            .second;
    if (!added) return BadFlag("hook", hook, "each NAME once");
  }
  return absl::OkStatus();
}

std::string ReadBootId() {
  std::ifstream file(kBootIdPath);
  std::string id;
  std::getline(file, id);
  return id;
}

absl::Status Check(const Options& options) {
  RETURN_IF_ERROR(CheckHost(options.host));
  if (!absl::StartsWith(options.root, "/")) {
    return BadFlag("root", options.root, "an absolute path");
  }
  if (!absl::StartsWith(options.shim, "unix:")) {
    return BadFlag("shim", options.shim, "unix:/path");
  }
  if (!absl::StrContains(options.service, ':')) {
    return BadFlag("service", options.service, "unix:/path or host:port");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Options> ParseOptions(int argc, const char* const* argv) {
  Options options;
  std::vector<std::string> labels;
  std::vector<std::string> hooks;
  std::string gate = "none";
  CLI::App app("Keeps one host's GPU driver as the service wants it.",
               "baton-agent");
  app.add_option("--host", options.host, "this host's name")->required();
  app.add_option("--service", options.service,
                 "the service: unix:/path or host:port")
      ->required();
  app.add_option("--shim", options.shim, "the driver shim: unix:/path")
      ->required();
  app.add_option("--root", options.root,
                 "directory for packages and the journal")
      ->required();
  app.add_option("--label", labels, "key=value; may be repeated");
  app.add_option("--gate", gate,
                 "what keeps new vGPUs away: none, or exec:/path of a command "
                 "that is called with status, pause or resume")
      ->capture_default_str();
  app.add_option("--hook", hooks,
                 "NAME=exec:/path of a command that rollouts may name; it is "
                 "called with before or after; may be repeated");
  app.add_option("--boot-id", options.boot_id,
                 "told to the service; default: the kernel's");
  app.add_option("--installed", options.installed,
                 "package of the driver that is loaded already; staged when "
                 "nothing is");
  app.add_option("--log-level", options.log_level,
                 "debug, info, warning or error")
      ->capture_default_str();
  app.set_version_flag("--version", "0.1.0");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    options.text = app.help();
    return options;
  } catch (const CLI::CallForVersion& version) {
    options.text = absl::StrCat(version.what(), "\n");
    return options;
  } catch (const CLI::ParseError& error) {
    return ErrorWithReason(absl::StatusCode::kInvalidArgument, "BAD_FLAG",
                           error.what());
  }
  RETURN_IF_ERROR(TakeLabels(labels, options));
  RETURN_IF_ERROR(TakeGate(gate, options));
  RETURN_IF_ERROR(TakeHooks(hooks, options));
  RETURN_IF_ERROR(Check(options));
  if (options.boot_id.empty()) options.boot_id = ReadBootId();
  return options;
}

}  // namespace baton::agent
