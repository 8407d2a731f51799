// baton-shim: stands beside one GPU's driver and updates it while it is used.

#include <signal.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/conformance/command.h"
#include "driver-shim/device_lock.h"
#include "driver-shim/options.h"
#include "driver-shim/port/adapter.h"
#include "driver-shim/port/driver_host.h"
#include "driver-shim/port/update_steps.h"
#include "driver-shim/rpc/shim_server.h"
#include "driver-shim/softgpu/device_control.h"
#include "driver-shim/verify/command.h"

namespace baton::shim {
namespace {

constexpr char kVersion[] = "0.1.0";
constexpr absl::Duration kStartTimeout = absl::Seconds(30);
constexpr absl::Duration kStopTimeout = absl::Seconds(5);
// How long an update past its point of no return may take to end.
constexpr absl::Duration kFinishTimeout = absl::Seconds(60);
constexpr timespec kLook = {.tv_sec = 0, .tv_nsec = 50'000'000};

absl::Status MakeDirectory(const std::string& path) {
  struct stat info = {};
  const bool there = mkdir(path.c_str(), S_IRWXU) == 0 ||
                     (stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode));
  if (there) return absl::OkStatus();
  return ErrorWithReason(absl::StatusCode::kUnavailable, "FILE_UNWRITABLE",
                         absl::StrCat("cannot make directory '", path, "'"));
}

absl::StatusOr<port::UpdateSteps::Options> StepOptions(const Options& options) {
  port::UpdateSteps::Options steps;
  steps.state_directory = options.state_dir;
  steps.memory_bytes = options.driver_memory_mib << 20;
  steps.luid_high_part = static_cast<int32_t>(RealRandom().Bits() >> 33);
  for (const std::string& text : options.vgpus) {
    ASSIGN_OR_RETURN(Vgpu vgpu, ParseVgpu(text));
    steps.tenants.push_back(
        {.guest = std::move(vgpu.guest), .profile = std::move(vgpu.profile)});
  }
  return steps;
}

// Names this life of the shim, see InspectResponse.
std::string NewInstance() {
  return absl::StrCat(absl::Hex(RealRandom().Bits(), absl::kZeroPad16));
}

// Blocked before any thread exists, so that sigwait alone receives them.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

// Whether an update is past its point of no return and has not ended.
bool MustFinish(port::AdapterState state) {
  switch (state) {
    case port::AdapterState::kUnloaded:
    case port::AdapterState::kRestored:
    case port::AdapterState::kVerified:
    case port::AdapterState::kResumed:
    case port::AdapterState::kConfirmed:
      return true;
    case port::AdapterState::kEmpty:
    case port::AdapterState::kRunning:
    case port::AdapterState::kPrepared:
    case port::AdapterState::kPaused:
    case port::AdapterState::kSaved:
    case port::AdapterState::kBroken:
      return false;
  }
  return false;
}

// Returns once a signal came and nobody's state depends on this process; or
// when a second one came, or the update does not end.
void AwaitEnd(const sigset_t& signals, const rpc::ShimWorker& worker) {
  int received = 0;
  sigwait(&signals, &received);
  if (!MustFinish(worker.Last().state)) return;
  LogWarning(
      "asked to stop past the point of no return: the update ends first; ask "
      "again to stop at once, which loses the vGPUs");
  const absl::Duration end = RealClock().Monotonic() + kFinishTimeout;
  while (MustFinish(worker.Last().state) && RealClock().Monotonic() < end) {
    if (sigtimedwait(&signals, nullptr, &kLook) > 0) return;
  }
}

// Serves until a signal comes.
absl::Status Serve(const Options& options, port::DdiAdapter& adapter,
                   const sigset_t& signals) {
  rpc::ShimWorker worker(adapter);
  absl::Status started;
  // On the worker: a driver host dies with the thread that started it.
  worker.Run([&] {
    started = adapter.Start({.path = options.driver,
                             .driver = options.driver_name,
                             .version = options.driver_version},
                            kStartTimeout);
    worker.Show();
  });
  absl::Status served = started;
  if (started.ok()) {
    rpc::ShimService service(adapter, worker, {kVersion, NewInstance()});
    auto server = rpc::StartShimServer(options.listen, service);
    served = server.status();
    if (server.ok()) {
      LogInfo(absl::StrCat("adapter '", options.adapter_name, "' serves on '",
                           options.listen, "'"));
      std::printf("ready\n");
      std::fflush(stdout);
      AwaitEnd(signals, worker);
      (*server)->Shutdown(absl::ToChronoTime(RealClock().Now()));
    }
  }
  worker.Run([&] { adapter.Stop(kStopTimeout); });
  return served;
}

absl::Status Run(const Options& options) {
  const sigset_t signals = BlockSignals();
  ASSIGN_OR_RETURN(port::UpdateSteps::Options step_options,
                   StepOptions(options));
  RETURN_IF_ERROR(MakeDirectory(options.state_dir));
  ASSIGN_OR_RETURN(const std::unique_ptr<softgpu::DeviceControl> device,
                   softgpu::DeviceControl::Open(options.device));
  // Before anything of a driver or a socket that another shim may use.
  ASSIGN_OR_RETURN(const std::unique_ptr<DeviceLock> lock,
                   DeviceLock::Take(options.device));
  ASSIGN_OR_RETURN(
      std::unique_ptr<port::UpdateSteps> steps,
      port::UpdateSteps::Create(std::move(step_options), *device, RealClock()));
  port::DdiAdapter adapter(options.adapter_name, *device, RealClock(),
                           std::move(steps));
  return Serve(options, adapter, signals);
}

}  // namespace
}  // namespace baton::shim

int main(int argc, char** argv) {
  if (baton::port::IsDriverHost(argc, argv)) {
    return baton::port::RunDriverHost();
  }
  if (argc > 1 && std::strcmp(argv[1], "conformance") == 0) {
    return baton::conformance::RunCommand(argc - 1, argv + 1);
  }
  if (argc > 1 && std::strcmp(argv[1], "verify") == 0) {
    return baton::verify::RunCommand(argc - 1, argv + 1);
  }
  CLI::App app("Updates one GPU's driver while it is used.", "baton-shim");
  app.footer(
      "Other things it does, each with its own --help:\n"
      "  baton-shim conformance   hold a ShimService to its promises\n"
      "  baton-shim verify        find out whether a driver keeps the rules");
  baton::shim::Options options;
  baton::shim::Declare(app, options);
  CLI11_PARSE(app, argc, argv);
  const absl::Status log = baton::StartLog("baton-shim", options.log_level);
  if (!log.ok()) {
    std::fprintf(stderr, "%s\n", std::string(log.message()).c_str());
    return 2;
  }
  const absl::Status status = baton::shim::Run(options);
  if (status.ok()) return 0;
  baton::LogError(status.message());
  return status.code() == absl::StatusCode::kInvalidArgument ? 2 : 1;
}
