// baton-guest: a tenant of one virtual GPU, which notices if anything is lost.

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <fstream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "driver-shim/softgpu/guest/tenant.h"

namespace baton::softgpu {
namespace {

struct Flags {
  Tenant::Options tenant = {};
  int64_t stall_ms = 2000;
  int64_t batch_ms = 8;
  int64_t mailbox_ms = 100;
  uint64_t working_kib = 512;
  double seconds = 0;  // 0: until a signal
  std::string report = "";
};

void Declare(CLI::App& app, Flags& flags) {
  app.add_option("--dir", flags.tenant.directory, "the device's directory")
      ->required();
  app.add_option("--function", flags.tenant.function, "virtual function")
      ->required();
  app.add_option("--name", flags.tenant.name, "the guest's name");
  app.add_option("--rate", flags.tenant.rate, "commands per second at most");
  app.add_option("--stall-ms", flags.stall_ms, "a longer wait is a stall, ms")
      ->check(CLI::Range(1, 3600000));
  app.add_option("--batch-ms", flags.batch_ms, "time between batches, ms")
      ->check(CLI::Range(1, 1000));
  app.add_option("--mailbox-ms", flags.mailbox_ms,
                 "time between requests to the driver, ms")
      ->check(CLI::Range(1, 3600000));
  app.add_option("--working-kib", flags.working_kib,
                 "VRAM that commands work in, KiB, a multiple of 4")
      ->check(CLI::Range(32, 1048576));
  app.add_option("--seconds", flags.seconds,
                 "ends by itself after that many; 0: never")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--seed", flags.tenant.seed, "of all that is random");
  app.add_option("--report", flags.report, "file that receives the report");
}

// SIGTERM, SIGINT, or the end of the given seconds. SIGUSR1 asks for a report.
class SignalStop final : public Stop {
 public:
  explicit SignalStop(double seconds)
      : end_(seconds > 0 ? RealClock().Monotonic() + absl::Seconds(seconds)
                         : absl::InfiniteDuration()) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    fd_ = signalfd(-1, &signals, SFD_CLOEXEC);
  }
  ~SignalStop() override { close(fd_); }

  bool WaitFor(absl::Duration timeout) override {
    if (!stopped_ && RealClock().Monotonic() >= end_) stopped_ = true;
    if (stopped_) return true;
    pollfd waited = {fd_, POLLIN, 0};
    const timespec limit = absl::ToTimespec(timeout);
    if (ppoll(&waited, 1, &limit, nullptr) <= 0) return false;
    signalfd_siginfo received = {};
    if (read(fd_, &received, sizeof(received)) != sizeof(received)) {
      return false;
    }
    if (received.ssi_signo == SIGUSR1) {
      report_wanted_ = true;
    } else {
      stopped_ = true;
    }
    return stopped_;
  }

  // Whether a report was asked for since the last call.
  bool TakeReportWanted() { return std::exchange(report_wanted_, false); }

 private:
  const absl::Duration end_;
  int fd_ = -1;
  bool stopped_ = false;
  bool report_wanted_ = false;
};

// Replaces the file as a whole, so that no half of a report is ever read.
bool WriteReport(const std::string& path, const std::string& json) {
  const std::string temporary = path + ".new";
  std::ofstream file(temporary);
  file << json << "\n";
  file.close();
  if (file && std::rename(temporary.c_str(), path.c_str()) == 0) return true;
  LogError(absl::StrCat("report '", path, "' cannot be written"));
  return false;
}

int Run(Flags& flags) {
  flags.tenant.stall = absl::Milliseconds(flags.stall_ms);
  flags.tenant.batch_period = absl::Milliseconds(flags.batch_ms);
  flags.tenant.mailbox_period = absl::Milliseconds(flags.mailbox_ms);
  flags.tenant.working_bytes = flags.working_kib * 1024;
  flags.tenant.on_ready = [] {
    std::printf("ready\n");
    std::fflush(stdout);
  };
  SignalStop stop(flags.seconds);
  if (!flags.report.empty()) {
    flags.tenant.report_wanted = [&] { return stop.TakeReportWanted(); };
    flags.tenant.on_report = [&](const Report& report) {
      WriteReport(flags.report, report.ToJson());
    };
  }
  auto tenant = Tenant::Create(flags.tenant);
  if (!tenant.ok()) {
    LogError(tenant.status().message());
    return 2;
  }
  LogInfo(absl::StrCat("guest '", flags.tenant.name, "' begins, seed ",
                       flags.tenant.seed));
  const Report report = (*tenant)->Run(stop);
  const std::string json = report.ToJson();
  if (!flags.report.empty() && !WriteReport(flags.report, json)) return 2;
  std::printf("%s\n", json.c_str());
  return report.Clean() ? 0 : 1;
}

int Main(int argc, char** argv) {
  CLI::App app(
      "A tenant of one virtual GPU: computes and checks until SIGTERM, then "
      "reports; SIGUSR1 has it report and go on. Exits with 0 when nothing was "
      "lost or wrong, else with 1.",
      "baton-guest");
  Flags flags;
  flags.tenant.seed = RealRandom().Bits();
  Declare(app, flags);
  CLI11_PARSE(app, argc, argv);
  if (!StartLog("baton-guest", "info").ok()) return 2;
  return Run(flags);
}

}  // namespace
}  // namespace baton::softgpu

int main(int argc, char** argv) {
  try {
    return baton::softgpu::Main(argc, argv);
  } catch (const std::exception& error) {  // of the library that reads flags
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
