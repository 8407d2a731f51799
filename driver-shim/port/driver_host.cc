#include "driver-shim/port/driver_host.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/fail_point.h"
#include "driver-shim/port/bars.h"
#include "driver-shim/port/block_index.h"
#include "driver-shim/port/block_saver.h"
#include "driver-shim/port/host_protocol.h"
#include "driver-shim/port/host_recorder.h"
#include "driver-shim/port/host_socket.h"
#include "driver-shim/port/kernel_exports.h"
#include "driver-shim/port/kernel_memory.h"
#include "driver-shim/port/loaded_driver.h"
#include "driver-shim/port/named_memory.h"
#include "driver-shim/port/piece_digest.h"
#include "driver-shim/port/touch.h"

namespace baton::port {
namespace {

// A driver is taken to allocate twice what was saved while it is loaded with
// it, but no more is touched than fits while the driver before it stops.
constexpr uint64_t kPagesAheadMax = 512;

// What a driver may have of the process's own heap, which no miniport has.
constexpr uint64_t kHeapBytesMax = uint64_t{1} << 30;

constexpr int kFatalSignals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

// What the signal handler may touch.
HostRecorder* signal_recorder = nullptr;
const Bars* signal_bars = nullptr;

void OnFatalSignal(int signal, siginfo_t* info, void*) {
  const auto address = reinterpret_cast<uint64_t>(info->si_addr);
  if (signal_recorder != nullptr) {
    const bool fault = signal == SIGSEGV || signal == SIGBUS;
    if (fault && signal_bars != nullptr && signal_bars->IsVram(address)) {
      signal_recorder->BreakInSignal(14,
                                     "driver wrote to VRAM during the update");
    }
    signal_recorder->RecordDeath(signal, fault ? address : 0);
  }
  ::signal(signal, SIG_DFL);
  raise(signal);
}

void CatchFatalSignals() {
  // No dumps: the memory that matters is in a file, and time counts.
  const rlimit none = {.rlim_cur = 0, .rlim_max = 0};
  setrlimit(RLIMIT_CORE, &none);
  static std::array<std::byte, size_t{64} << 10> stack;
  stack_t alternate = {};
  alternate.ss_sp = stack.data();
  alternate.ss_size = stack.size();
  sigaltstack(&alternate, nullptr);
  struct sigaction action = {};
  action.sa_sigaction = &OnFatalSignal;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (const int signal : kFatalSignals) sigaction(signal, &action, nullptr);
}

// Of private writable memory, as the kernel counts it.
uint64_t DataBytes() {
  std::ifstream status("/proc/self/status");
  std::string line;
  uint64_t kib = 0;
  while (std::getline(status, line)) {
    if (std::sscanf(line.c_str(), "VmData: %" SCNu64, &kib) == 1) break;
  }
  return kib << 10;
}

// A driver that takes all memory there is gets no more, before the machine
// ends somebody else for it: beside its heap it has views of the host's memory,
// at most two of each page.
void LimitHeap(uint64_t memory_bytes) {
  const rlim_t most = DataBytes() + kHeapBytesMax + 2 * memory_bytes;
  const rlimit limit = {.rlim_cur = most, .rlim_max = most};
  setrlimit(RLIMIT_DATA, &limit);
}

// The child's end of the private channel, and everything behind it.
class DriverHost {
 public:
  DriverHost(std::unique_ptr<NamedMemory> status,
             std::unique_ptr<NamedMemory> index)
      : status_(std::move(status)),
        index_memory_(std::move(index)),
        index_(index_memory_->data()),
        recorder_(*reinterpret_cast<HostStatus*>(status_->data())) {}

  ~DriverHost() {
    signal_recorder = nullptr;
    signal_bars = nullptr;
    for (const int fd : {interrupts_, listener_}) {
      if (fd >= 0) close(fd);
    }
  }

  // Returns false when the host's memory cannot be had.
  bool Start();
  // Returns when nobody needs it any more.
  void Loop();

 private:
  void LoseShim();
  void AwaitShim();
  void Keep();
  void Answer(const std::byte* packet, size_t bytes);
  LoadedDriver::Result Execute(const HostRequest& request,
                               const std::byte* packet, size_t bytes,
                               std::vector<CensusAnswer>& answers);
  LoadedDriver::Result Open(const std::byte* packet, size_t bytes);
  LoadedDriver::Result ReserveSaved();
  LoadedDriver::Result LoadSaved();
  LoadedDriver::Result Settle();
  void Run();
  void TakeInterrupts();

  const std::unique_ptr<NamedMemory> status_;
  const std::unique_ptr<NamedMemory> index_memory_;
  BlockIndex index_;
  HostRecorder recorder_;
  Bars bars_;
  std::unique_ptr<KernelMemory> memory_;
  std::unique_ptr<BlockSaver> saver_;
  std::unique_ptr<LoadedDriver> driver_;
  std::optional<std::vector<SavedBlock>> saved_;  // once they are reserved
  int interrupts_ = -1;
  int listener_ = -1;
  int shim_ = kHostSocket;  // -1 while there is none
  std::vector<std::byte> last_reply_;
  bool quiet_ = true;
  bool kept_ = false;  // a driver was loaded: it outlives the shim
  bool device_gone_ = false;
};

// What follows a CreateRequest.
std::vector<WantedGpu> GpusOf(const std::byte* packet, size_t bytes) {
  CreateRequest create;
  CHECK(bytes >= sizeof create);
  std::memcpy(&create, packet, sizeof create);
  CHECK((bytes - sizeof create) / sizeof(WantedGpu) >= create.count);
  std::vector<WantedGpu> gpus(create.count);
  // Of none there is no address to copy to.
  if (!gpus.empty()) {
    std::memcpy(gpus.data(), packet + sizeof create,
                create.count * sizeof(WantedGpu));
  }
  return gpus;
}

LoadedDriver::Result Refused(absl::string_view message) {
  return {.nt_status = STATUS_UNSUCCESSFUL, .message = std::string(message)};
}

bool DriverHost::Start() {
  auto memory = KernelMemory::Create(
      kHostMemory, [this](int rule, const std::string& message) {
        recorder_.Break({.rule = rule, .message = message});
      });
  if (!memory.ok()) return false;
  memory_ = std::move(*memory);
  saver_ = std::make_unique<BlockSaver>(*memory_, index_, recorder_);
  driver_ = std::make_unique<LoadedDriver>(LoadedDriver::Kit{
      .memory = *memory_,
      .recorder = recorder_,
      .saver = *saver_,
      .bars = bars_,
  });
  TheKernel().memory = memory_.get();
  TheKernel().recorder = &recorder_;
  signal_recorder = &recorder_;
  signal_bars = &bars_;
  CatchFatalSignals();
  LimitHeap(memory_->bytes());
  return true;
}

void DriverHost::Loop() {
  std::vector<std::byte> packet(kPacketBytesMax);
  // Once the device is gone, its line says nothing else.
  while (shim_ >= 0 || (kept_ && !device_gone_)) {
    const auto line_events = static_cast<short>(quiet_ ? 0 : POLLIN);
    std::array<pollfd, 2> fds = {{
        {.fd = shim_ >= 0 ? shim_ : listener_, .events = POLLIN, .revents = 0},
        {.fd = device_gone_ ? -1 : interrupts_,
         .events = line_events,
         .revents = 0},
    }};
    if (poll(fds.data(), fds.size(), -1) < 0) continue;
    if ((fds[1].revents & POLLIN) != 0) TakeInterrupts();
    if ((fds[1].revents & (POLLHUP | POLLERR)) != 0) device_gone_ = true;
    if (fds[0].revents == 0) continue;
    if (shim_ < 0) {
      AwaitShim();
      continue;
    }
    const ssize_t bytes = recv(shim_, packet.data(), packet.size(), 0);
    if (bytes <= 0) {
      LoseShim();
      continue;
    }
    Answer(packet.data(), static_cast<size_t>(bytes));
    if (!quiet_) driver_->RunDpcs();
  }
}

void DriverHost::LoseShim() {
  close(shim_);
  shim_ = -1;
}

// One came: it hears first what the one before it may not have heard.
void DriverHost::AwaitShim() {
  shim_ = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (shim_ < 0) return;
  FAIL_POINT("host.after_accept");
  send(shim_, last_reply_.data(), last_reply_.size(), MSG_NOSIGNAL);
}

// From the first entry point on guests depend on this process, and not on the
// shim.
void DriverHost::Keep() {
  prctl(PR_SET_PDEATHSIG, 0);
  kept_ = true;
}

void DriverHost::TakeInterrupts() {
  std::array<uint8_t, 64> messages = {};
  const ssize_t count = read(interrupts_, messages.data(), messages.size());
  for (ssize_t i = 0; i < count; ++i) driver_->Interrupt(messages[i]);
  driver_->RunDpcs();
}

uint64_t PageFaults() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_minflt + usage.ru_majflt);
}

void DriverHost::Answer(const std::byte* packet, size_t bytes) {
  HostRequest request;
  CHECK(bytes >= sizeof request);
  std::memcpy(&request, packet, sizeof request);
  recorder_.Begin();
  std::vector<CensusAnswer> answers;
  const uint64_t faults = PageFaults();
  const LoadedDriver::Result result = Execute(request, packet, bytes, answers);
  HostReply reply = {
      .sequence = request.sequence,
      .command = request.command,
      .nt_status = result.nt_status,
      .failed = result.failed,
      .refused = result.message.empty() ? 0u : 1u,
      .gpup_caps = driver_->gpup_caps().Caps.Value,
      .count = static_cast<uint32_t>(answers.size()),
      .blocks = static_cast<uint32_t>(saver_->blocks()),
      .page_faults = PageFaults() - faults,
      .broken = recorder_.End(),
  };
  result.message.copy(reply.message.data(), reply.message.size() - 1);
  std::vector<std::byte>& out = last_reply_;
  out.resize(sizeof reply + answers.size() * sizeof(CensusAnswer));
  std::memcpy(out.data(), &reply, sizeof reply);
  if (!answers.empty()) {
    std::memcpy(out.data() + sizeof reply, answers.data(),
                answers.size() * sizeof(CensusAnswer));
  }
  FAIL_POINT("host.before_reply");
  send(shim_, out.data(), out.size(), MSG_NOSIGNAL);
}

LoadedDriver::Result DriverHost::Execute(const HostRequest& request,
                                         const std::byte* packet, size_t bytes,
                                         std::vector<CensusAnswer>& answers) {
  switch (request.command) {
    case HostCommand::kOpen:
      return Open(packet, bytes);
    case HostCommand::kLoad:
      Keep();
      FAIL_POINT("host.in_load");
      return driver_->Load({});
    case HostCommand::kReserveSaved:
      return ReserveSaved();
    case HostCommand::kLoadSaved:
      return LoadSaved();
    case HostCommand::kCreateVirtualGpus:
      return driver_->CreateVirtualGpus(GpusOf(packet, bytes));
    case HostCommand::kDestroyVirtualGpus:
      return driver_->DestroyVirtualGpus(GpusOf(packet, bytes));
    case HostCommand::kQuiesce:
      FAIL_POINT("host.in_quiesce");
      quiet_ = true;
      bars_.LockVram();
      return driver_->Census(request.functions, answers);
    case HostCommand::kRun:
      FAIL_POINT("host.in_run");
      Run();
      return {};
    case HostCommand::kCensus:
      return driver_->Census(request.functions, answers);
    case HostCommand::kSave:
      FAIL_POINT("host.in_save");
      return driver_->Save();
    case HostCommand::kCancelSave:
      FAIL_POINT("host.in_cancel_save");
      return driver_->CancelSave();
    case HostCommand::kStop:
      FAIL_POINT("host.in_stop");
      quiet_ = true;
      return driver_->Stop();
    case HostCommand::kRestoreComplete:
      FAIL_POINT("host.in_restore_complete");
      return driver_->RestoreComplete();
    case HostCommand::kSettle:
      FAIL_POINT("host.in_settle");
      return Settle();
  }
  return Refused("command is unknown");
}

LoadedDriver::Result DriverHost::Open(const std::byte* packet, size_t bytes) {
  OpenRequest open_request;
  CHECK(bytes >= sizeof open_request);
  std::memcpy(&open_request, packet, sizeof open_request);
  size_t at = sizeof open_request;
  std::vector<Bar> bars(open_request.bars);
  for (Bar& bar : bars) {
    CHECK(bytes - at >= sizeof bar.bytes);
    std::memcpy(&bar.bytes, packet + at, sizeof bar.bytes);
    at += sizeof bar.bytes;
  }
  const auto next = [&] {
    const char* const text = reinterpret_cast<const char*>(packet + at);
    std::string string(text, strnlen(text, bytes - at));
    at = std::min(bytes, at + string.size() + 1);
    return string;
  };
  const std::string image = next();
  const std::string interrupts = next();
  const std::string socket = next();
  for (Bar& bar : bars) bar.path = next();
  const absl::Status opened = bars_.Open(bars);
  if (!opened.ok()) return Refused(opened.message());
  // For reading alone: then its end tells that the device is gone.
  interrupts_ = open(interrupts.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (interrupts_ < 0) {
    return Refused(
        absl::StrCat("cannot open interrupt line '", interrupts, "'"));
  }
  listener_ = ListenAt(socket);
  if (listener_ < 0) {
    return Refused(
        absl::StrCat("cannot listen at '", socket, "': error number ", errno));
  }
  // Nobody stands still yet.
  WarmDigests();
  if (open_request.next != 0) {
    const absl::Status touched = memory_->TouchSaved();
    if (!touched.ok()) return Refused(touched.message());
  } else {
    memory_->Touch();
  }
  LoadedDriver::Result result = driver_->Open(image);
  TouchCodeAndStack();
  return result;
}

LoadedDriver::Result DriverHost::ReserveSaved() {
  if (saved_.has_value()) return {};
  auto blocks = index_.Read();
  if (!blocks.ok()) return Refused(blocks.status().message());
  const absl::Status reserved = memory_->Reserve(*blocks);
  if (!reserved.ok()) return Refused(reserved.message());
  saved_ = *std::move(blocks);
  uint64_t pages = 0;
  for (const SavedBlock& block : *saved_) pages += 2 * PageCount(block);
  memory_->TouchFree(std::min(pages, kPagesAheadMax));
  bars_.LockVram();
  return {};
}

LoadedDriver::Result DriverHost::LoadSaved() {
  Keep();
  if (LoadedDriver::Result reserved = ReserveSaved(); !reserved.ok()) {
    return reserved;
  }
  FAIL_POINT("host.in_load_saved");
  return driver_->Load(*saved_);
}

LoadedDriver::Result DriverHost::Settle() {
  const absl::Status settled = memory_->Settle();
  return settled.ok() ? LoadedDriver::Result() : Refused(settled.message());
}

void DriverHost::Run() {
  bars_.UnlockVram();
  quiet_ = false;
}

}  // namespace

bool IsDriverHost(int argc, char** argv) {
  return argc > 1 && std::strcmp(argv[1], kHostFlag) == 0;
}

int RunDriverHost() {
  // Until a driver is loaded: see Keep().
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() == 1) return 1;
  close_range(kHostStatus + 1, ~0u, 0);
  auto status = NamedMemory::Attach(kHostStatus);
  auto index = NamedMemory::Attach(kHostIndex);
  if (!status.ok() || !index.ok()) return 1;
  DriverHost host(std::move(*status), std::move(*index));
  if (!host.Start()) return 1;
  host.Loop();
  return 0;
}

}  // namespace baton::port
