#include "driver-shim/verify/command.h"

#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/flags.h"
#include "driver-shim/verify/verifier.h"

namespace baton::verify {
namespace {

constexpr uint32_t kHotUpdates = 1000;
constexpr uint32_t kHotUpdatesQuick = 30;

struct Options {
  std::string driver = "";
  std::string against = "";
  bool quick = false;
  uint32_t hot_updates = 0;  // 0: as quick says
  int deadline_ms = 3000;
  uint64_t seed = 1;
  bool list = false;
  bool json = false;
  bool junit = false;
  std::string log_level = "error";
};

void Declare(CLI::App& app, Options& options) {
  app.add_option("driver", options.driver, "the driver's image")->required();
  app.add_option("--against", options.against,
                 "another version, known to be good: updates go from it to the "
                 "driver and back; without it, from the driver to itself");
  app.add_flag("--quick", options.quick, "the same rules, less often tried");
  app.add_option("--hot-updates", options.hot_updates,
                 absl::StrCat("in a row; ", kHotUpdates, ", or ",
                              kHotUpdatesQuick, " when quick"))
      ->check(CLI::Range(1, 1'000'000));
  app.add_option("--step-deadline-ms", options.deadline_ms,
                 "how long each step may take")
      ->check(CLI::Range(100, 600'000));
  app.add_option("--seed", options.seed, "of all that is random");
  app.add_flag("--list", options.list, "what would be tried, and no more");
  auto* const json = app.add_flag("--json", options.json, "one JSON object");
  app.add_flag("--junit", options.junit, "a JUnit test suite")->excludes(json);
  app.add_option("--log-level", options.log_level,
                 "debug, info, warning or error");
}

absl::StatusOr<port::DriverImage> ImageAt(const std::string& path) {
  std::error_code error;
  const std::string absolute = std::filesystem::absolute(path, error).string();
  ASSIGN_OR_RETURN(const std::string digest, Sha256OfFile(absolute));
  return port::DriverImage{.path = absolute,
                           .digest = digest,
                           .driver = "verified",
                           .version = digest.substr(0, 15)};
}

// Blocks the signals that ask for an end, before any thread exists: a stand
// is taken down first. Returns how to ask whether one came.
std::function<bool()> InterruptedBySignal() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return [signals, came = false]() mutable {
    const timespec now = {};
    came = came || sigtimedwait(&signals, nullptr, &now) > 0;
    return came;
  };
}

absl::StatusOr<VerifyOptions> Understand(const Options& options) {
  VerifyOptions verify;
  ASSIGN_OR_RETURN(verify.subject, ImageAt(options.driver));
  if (!options.against.empty()) {
    ASSIGN_OR_RETURN(verify.against, ImageAt(options.against));
  }
  verify.effort = options.quick ? Effort::kQuick : Effort::kThorough;
  verify.hot_updates = options.quick ? kHotUpdatesQuick : kHotUpdates;
  if (options.hot_updates != 0) verify.hot_updates = options.hot_updates;
  verify.deadline = absl::Milliseconds(options.deadline_ms);
  verify.seed = options.seed;
  return verify;
}

void Print(const std::vector<std::string>& sequences) {
  for (size_t i = 0; i < sequences.size(); ++i) {
    std::printf("%4zu  %s\n", i + 1, sequences[i].c_str());
  }
}

absl::StatusOr<Findings> Run(VerifyOptions verify,
                             const std::string& log_level) {
  verify.interrupted = InterruptedBySignal();
  RETURN_IF_ERROR(StartLog("baton-shim", log_level));
  return Verify(verify);
}

int Failed(const absl::Status& status) {
  std::fprintf(stderr, "baton-shim verify: %s\n",
               std::string(status.message()).c_str());
  return 2;
}

}  // namespace

int RunCommand(int argc, char** argv) {
  CLI::App app(
      "Verifies that a driver can be hot updated: loads it on a software GPU "
      "of "
      "its own, under load from guests, and tries every legal sequence and "
      "many hostile ones. Says of each documented rule whether it is kept.",
      "baton-shim verify");
  Options options;
  Declare(app, options);
  if (const std::optional<int> code = shim::ReadFlags(app, argc, argv)) {
    return *code;
  }
  const absl::StatusOr<VerifyOptions> verify = Understand(options);
  if (!verify.ok()) return Failed(verify.status());
  if (options.list) {
    Print(ListSequences(*verify));
    return 0;
  }
  const absl::StatusOr<Findings> findings = Run(*verify, options.log_level);
  if (!findings.ok()) return Failed(findings.status());
  const Format format = options.json    ? Format::kJson
                        : options.junit ? Format::kJunit
                                        : Format::kText;
  std::fputs(Render(*findings, format).c_str(), stdout);
  return findings->Count(Outcome::kFail) == 0 ? 0 : 1;
}

}  // namespace baton::verify
