#include <sys/stat.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/fail_point.h"
#include "base/log.h"
#include "base/reason.h"
#include "service/options.h"
#include "service/server.h"

namespace {

// One line on stderr, however the log is set.
int Fail(const absl::Status& why) {
  std::fprintf(stderr, "batond: %s (%s)\n", std::string(why.message()).c_str(),
               baton::Reason(why).c_str());
  return EXIT_FAILURE;
}

// Asks for a stop instead of ending the process, in this thread and in all that
// it starts.
sigset_t BlockStopSignals() {
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop, nullptr);
  return stop;
}

int Serve(const baton::ServiceOptions& options, const sigset_t& stop) {
  auto server = baton::Server::Start(options, [](const absl::Status& why) {
    // What was never durable was never seen; a restart begins from what was.
    Fail(why);
    std::_Exit(EXIT_FAILURE);
  });
  if (!server.ok()) return Fail(server.status());
  std::printf("ready %s\n", (*server)->address().c_str());
  std::fflush(stdout);
  baton::LogInfo(absl::StrCat("serving on ", (*server)->address()));
  if (const std::string metrics = (*server)->metrics_address();
      !metrics.empty()) {
    baton::LogInfo(absl::StrCat("metrics on http://", metrics, "/metrics"));
  }
  int signal = 0;
  sigwait(&stop, &signal);
  baton::LogInfo("stopping");
  *server = nullptr;
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && absl::string_view(argv[1]) == "--fail-points") {
    for (const std::string& name : baton::FailPointNames()) {
      std::puts(name.c_str());
    }
    return EXIT_SUCCESS;
  }
  const auto options = baton::ParseServiceOptions(argc, argv);
  if (!options.ok()) return Fail(options.status());
  if (!options->help.empty()) {
    std::fputs(options->help.c_str(), stdout);
    return EXIT_SUCCESS;
  }
  if (absl::Status bad = baton::StartLog("batond", options->log_level);
      !bad.ok()) {
    return Fail(bad);
  }
  // Data and sockets are for this user and its group.
  umask(0007);
  const sigset_t stop = BlockStopSignals();
  return Serve(*options, stop);
}
