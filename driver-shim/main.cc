// baton-shim: stands beside one GPU's driver and updates it while it is used.

#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/fail_point.h"
#include "base/log.h"
#include "base/random.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/conformance/command.h"
#include "driver-shim/device_lock.h"
#include "driver-shim/flags.h"
#include "driver-shim/options.h"
#include "driver-shim/port/adapter.h"
#include "driver-shim/port/driver_host.h"
#include "driver-shim/port/update_steps.h"
#include "driver-shim/rpc/shim_server.h"
#include "driver-shim/softgpu/device_control.h"
#include "driver-shim/verify/command.h"
#include "driver-shim/vfio/config.h"
#include "driver-shim/vfio/stand.h"

namespace baton::shim {
namespace {

constexpr char kVersion[] = "0.1.0";
constexpr absl::Duration kStartTimeout = absl::Seconds(30);
constexpr absl::Duration kStopTimeout = absl::Seconds(5);
// How long an update past its point of no return may take to end.
constexpr absl::Duration kFinishTimeout = absl::Seconds(60);
constexpr timespec kLook = {.tv_sec = 0, .tv_nsec = 50'000'000};
// How often it says that it lives; a part of WatchdogSec= in its unit.
constexpr timespec kBeat = {.tv_sec = 0, .tv_nsec = 500'000'000};

absl::Status MakeDirectory(const std::string& path) {
  struct stat info = {};
  const bool there = mkdir(path.c_str(), S_IRWXU) == 0 ||
                     (stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode));
  if (there) return absl::OkStatus();
  return ErrorWithReason(absl::StatusCode::kUnavailable, "FILE_UNWRITABLE",
                         absl::StrCat("cannot make directory '", path, "'"));
}

// Names what begins anew, see InspectResponse.shim_instance.
std::string NewLife() {
  return absl::StrCat(absl::Hex(RealRandom().Bits(), absl::kZeroPad16));
}

absl::StatusOr<port::UpdateSteps::Options> StepOptions(const Options& options) {
  port::UpdateSteps::Options steps;
  steps.state_directory = options.state_dir;
  steps.memory_bytes = options.driver_memory_mib << 20;
  steps.luid_high_part = static_cast<int32_t>(RealRandom().Bits() >> 33);
  steps.life = NewLife();
  for (const std::string& text : options.vgpus) {
    ASSIGN_OR_RETURN(Vgpu vgpu, ParseVgpu(text));
    steps.tenants.push_back(
        {.guest = std::move(vgpu.guest), .profile = std::move(vgpu.profile)});
  }
  return steps;
}

// Names the time since the machine was started; "" where it does not say.
std::string BootId() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

// Blocked before any thread exists, so that sigwait alone receives them.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
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

// Tells systemd's watchdog, if there is one, that this process is not stopped.
// One that is cannot be followed by another, which could go on in its place.
void SayAlive() {
  // Nothing sets it. NOLINTNEXTLINE(concurrency-mt-unsafe)
  const char* const path = std::getenv("NOTIFY_SOCKET");
  if (path == nullptr) return;
  const absl::string_view name = path;
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (name.empty() || name.size() > sizeof address.sun_path) return;
  name.copy(address.sun_path, name.size());
  if (name.front() == '@') address.sun_path[0] = '\0';
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  constexpr absl::string_view kText = "WATCHDOG=1";
  (void)sendto(
      fd, kText.data(), kText.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
      reinterpret_cast<const sockaddr*>(&address),
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size()));
  close(fd);
}

// Returns whether a signal came within the time.
bool AwaitSignal(const sigset_t& signals, const timespec& time) {
  SayAlive();
  return sigtimedwait(&signals, nullptr, &time) > 0;
}

// Returns true once a signal came and nobody's state depends on this process;
// false when a second one came, or the update does not end.
bool AwaitEnd(const sigset_t& signals, const rpc::ShimWorker& worker,
              bool must_finish) {
  while (!AwaitSignal(signals, kBeat)) {
  }
  if (!must_finish || !MustFinish(worker.Last().state)) return true;
  LogWarning(
      "asked to stop past the point of no return: the update ends first; ask "
      "again to stop at once, and have the next start go on with it");
  const absl::Duration end = RealClock().Monotonic() + kFinishTimeout;
  while (MustFinish(worker.Last().state)) {
    if (AwaitSignal(signals, kLook)) return false;
    if (RealClock().Monotonic() >= end) return false;
  }
  return true;
}

// Ends as if it were killed: the driver's host and all that is known stay for
// the next one.
[[noreturn]] void LeaveAsIs(absl::string_view why) {
  LogError(absl::StrCat("leaves driver and vGPUs to the next start: ", why));
  _exit(1);
}

// An adapter, whatever its kind, and what is done about it once.
struct Served {
  port::AdapterPort& adapter;
  std::function<absl::Status()> start;
  std::function<void()> stop;
  std::function<std::string()> instance;
  // Whether its vGPUs depend on this process while an update is under way.
  bool must_finish = true;
  // Whether its vGPUs began with this start: nobody can have one yet.
  std::function<bool()> began_anew;
};

port::DriverImage FirstDriver(const Options& options) {
  return {.path = options.driver,
          .driver = options.driver_name,
          .version = options.driver_version};
}

// Serves until a signal comes.
absl::Status Serve(const Options& options, const Served& what,
                   const sigset_t& signals) {
  rpc::ShimWorker worker(what.adapter);
  absl::Status started;
  // On the worker: a driver host without a driver dies with the thread that
  // started it.
  worker.Run(
      [&] {
        started = what.start();
        worker.Show();
      },
      &SayAlive);
  absl::Status served = started;
  if (started.ok()) {
    rpc::ShimService service(what.adapter, worker, {kVersion, what.instance()});
    // Before any call, and without waiting: whoever asks meanwhile hears how
    // far it is.
    CHECK(worker.TryPost([&service] { service.GoOn(); }));
    auto server = rpc::StartShimServer(options.listen, service);
    served = server.status();
    if (server.ok()) {
      LogInfo(absl::StrCat("adapter '", options.adapter_name, "' serves on '",
                           options.listen, "'"));
      std::printf("ready\n");
      std::fflush(stdout);
      const bool in_order = AwaitEnd(signals, worker, what.must_finish);
      (*server)->Shutdown(absl::ToChronoTime(RealClock().Now()));
      if (!in_order) LeaveAsIs("an update is in the middle");
    } else if (!what.began_anew()) {
      // Guests compute already, and would lose their vGPUs.
      LeaveAsIs(served.message());
    }
    // What it goes on with must not outlive it.
    worker.Run([] {});
  }
  worker.Run(what.stop, &SayAlive);
  return served;
}

// Machines and clients live on without it, and so does an update.
absl::Status RunVfio(const Options& options, const sigset_t& signals) {
  ASSIGN_OR_RETURN(const vfio::Config config,
                   vfio::ReadConfig(options.vfio_config));
  RETURN_IF_ERROR(MakeDirectory(options.state_dir));
  ASSIGN_OR_RETURN(const std::unique_ptr<DeviceLock> lock,
                   DeviceLock::Take(options.state_dir));
  ASSIGN_OR_RETURN(const std::unique_ptr<vfio::Stand> stand,
                   vfio::Stand::Create({.adapter_name = options.adapter_name,
                                        .state_directory = options.state_dir,
                                        .config = config},
                                       RealClock()));
  vfio::VfioAdapter& adapter = stand->adapter();
  return Serve(
      options,
      {.adapter = adapter,
       .start = [&] { return adapter.Start(FirstDriver(options), NewLife()); },
       .stop = [] {},
       .instance = [&] { return adapter.instance(); },
       .must_finish = false,
       .began_anew = [] { return false; }},
      signals);
}

absl::Status RunDdi(const Options& options, const sigset_t& signals) {
  ASSIGN_OR_RETURN(port::UpdateSteps::Options step_options,
                   StepOptions(options));
  RETURN_IF_ERROR(MakeDirectory(options.state_dir));
  ASSIGN_OR_RETURN(const std::unique_ptr<softgpu::DeviceControl> device,
                   softgpu::DeviceControl::Open(options.device));
  // Before anything of a driver or a socket that another shim may use.
  ASSIGN_OR_RETURN(const std::unique_ptr<DeviceLock> lock,
                   DeviceLock::Take(options.device));
  ASSIGN_OR_RETURN(const std::unique_ptr<DeviceLock> state_lock,
                   DeviceLock::Take(options.state_dir));
  ASSIGN_OR_RETURN(
      std::unique_ptr<port::UpdateSteps> steps,
      port::UpdateSteps::Create(std::move(step_options), *device, RealClock()));
  port::DdiAdapter adapter(options.adapter_name, *device, RealClock(),
                           std::move(steps));
  return Serve(options,
               {.adapter = adapter,
                .start =
                    [&] {
                      return adapter.Start(FirstDriver(options), kStartTimeout,
                                           BootId());
                    },
                .stop = [&] { adapter.Stop(kStopTimeout); },
                .instance = [&] { return adapter.life(); },
                .began_anew = [&] { return adapter.began_anew(); }},
               signals);
}

absl::Status Run(const Options& options) {
  const sigset_t signals = BlockSignals();
  RETURN_IF_ERROR(CheckAdapterOptions(options));
  return options.adapter == "vfio" ? RunVfio(options, signals)
                                   : RunDdi(options, signals);
}

}  // namespace
}  // namespace baton::shim

// Only flags that are declared wrongly throw.
// NOLINTNEXTLINE(bugprone-exception-escape)
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
  if (argc > 1 && std::strcmp(argv[1], "--fail-points") == 0) {
    for (const std::string& name : baton::FailPointNames()) {
      std::printf("%s\n", name.c_str());
    }
    return 0;
  }
  CLI::App app("Updates one GPU's driver while it is used.", "baton-shim");
  app.footer(
      "Other things it does, each with its own --help:\n"
      "  baton-shim conformance   hold a ShimService to its promises\n"
      "  baton-shim verify        find out whether a driver keeps the rules");
  baton::shim::Options options;
  baton::shim::Declare(app, options);
  if (const std::optional<int> code = baton::shim::ReadFlags(app, argc, argv)) {
    return *code;
  }
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
