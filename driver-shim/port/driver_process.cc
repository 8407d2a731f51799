#include "driver-shim/port/driver_process.h"

#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace baton::port {
namespace {

// How long a driver host that says that it is dying may take for it.
constexpr absl::Duration kDyingTime = absl::Milliseconds(500);

absl::Status NotStarted(absl::string_view what) {
  return ErrorWithReason(absl::StatusCode::kUnavailable, "DRIVER_NOT_STARTED",
                         absl::StrCat("driver host cannot be started: ", what));
}

template <typename T>
std::vector<std::byte> PacketOf(const T& request, size_t extra) {
  std::vector<std::byte> packet(sizeof request + extra);
  std::memcpy(packet.data(), &request, sizeof request);
  return packet;
}

void Append(std::vector<std::byte>& packet, const void* data, size_t bytes) {
  const auto* const from = static_cast<const std::byte*>(data);
  packet.insert(packet.end(), from, from + bytes);
}

std::vector<std::byte> OpenPacket(const DriverProcess::Options& options) {
  OpenRequest request;
  request.request.command = HostCommand::kOpen;
  request.bars = static_cast<uint32_t>(options.bars.size());
  request.next = options.touch == DriverProcess::Touch::kSaved ? 1u : 0u;
  std::vector<std::byte> packet = PacketOf(request, 0);
  for (const Bar& bar : options.bars) {
    Append(packet, &bar.bytes, sizeof bar.bytes);
  }
  Append(packet, options.image.c_str(), options.image.size() + 1);
  Append(packet, options.interrupts.c_str(), options.interrupts.size() + 1);
  for (const Bar& bar : options.bars) {
    Append(packet, bar.path.c_str(), bar.path.size() + 1);
  }
  return packet;
}

template <size_t size>
std::string TextOf(const std::array<char, size>& text) {
  return std::string(text.data(), strnlen(text.data(), size));
}

// One descriptor of the child's: from where it comes, to where it goes.
struct Descriptor {
  int from = -1;
  int to = -1;
};

}  // namespace

absl::StatusOr<std::unique_ptr<DriverProcess>> DriverProcess::Start(
    const Options& options, const Clock& clock, absl::Duration timeout) {
  const int status_fd = memfd_create("driver-host-status", MFD_CLOEXEC);
  constexpr size_t kStatusBytes =
      (sizeof(HostStatus) + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE;
  if (status_fd < 0 || ftruncate(status_fd, kStatusBytes) != 0) {
    return NotStarted("no memory for its status");
  }
  ASSIGN_OR_RETURN(std::unique_ptr<NamedMemory> status,
                   NamedMemory::Attach(status_fd));
  new (status->data()) HostStatus;
  std::unique_ptr<DriverProcess> process(
      new DriverProcess(clock, std::move(status)));
  process->hostility_ = options.hostility;
  RETURN_IF_ERROR(process->Spawn(options));
  const absl::StatusOr<Answer> opened =
      process->Exchange(OpenPacket(options), timeout);
  if (!opened.ok() && Reason(opened.status()) == "DRIVER_REFUSED") {
    return ErrorWithReason(absl::StatusCode::kFailedPrecondition,
                           "IMAGE_NOT_LOADABLE", opened.status().message());
  }
  if (!opened.ok()) return opened.status();
  return process;
}

absl::Status DriverProcess::Spawn(const Options& options) {
  std::array<int, 2> sockets = {-1, -1};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets.data()) !=
      0) {
    return NotStarted("no socket pair");
  }
  socket_ = sockets[0];
  const Descriptor descriptors[] = {
      {.from = sockets[1], .to = kHostSocket},
      {.from = options.memory_fd, .to = kHostMemory},
      {.from = options.index_fd, .to = kHostIndex},
      {.from = status_memory_->fd(), .to = kHostStatus},
  };
  // By way of high numbers: a source may have the number of another's target.
  constexpr int kHigh = 500;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (const auto& [from, to] : descriptors) {
    posix_spawn_file_actions_adddup2(&actions, from, kHigh + to);
  }
  for (const auto& [from, to] : descriptors) {
    posix_spawn_file_actions_adddup2(&actions, kHigh + to, to);
  }
  std::string name = "baton-driver-host";
  std::string flag = kHostFlag;
  char* const args[] = {name.data(), flag.data(), nullptr};
  const int error = posix_spawn(&pid_, options.executable.c_str(), &actions,
                                nullptr, args, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(sockets[1]);
  if (error == 0) return absl::OkStatus();
  pid_ = -1;
  return NotStarted(
      absl::StrCat("'", options.executable, "': error number ", error));
}

DriverProcess::~DriverProcess() {
  Kill();
  if (socket_ >= 0) close(socket_);
}

absl::StatusOr<DriverProcess::Answer> DriverProcess::Call(
    HostCommand command, absl::Duration timeout) {
  return Exchange(PacketOf(HostRequest{.command = command}, 0), timeout);
}

absl::StatusOr<DriverProcess::Answer> DriverProcess::Census(
    HostCommand command, uint32_t functions, absl::Duration timeout) {
  return Exchange(
      PacketOf(HostRequest{.command = command, .functions = functions}, 0),
      timeout);
}

absl::StatusOr<DriverProcess::Answer> DriverProcess::CreateVirtualGpus(
    const std::vector<WantedGpu>& wanted, absl::Duration timeout) {
  return CallWith(HostCommand::kCreateVirtualGpus, wanted, timeout);
}

absl::StatusOr<DriverProcess::Answer> DriverProcess::DestroyVirtualGpus(
    const std::vector<WantedGpu>& unwanted, absl::Duration timeout) {
  return CallWith(HostCommand::kDestroyVirtualGpus, unwanted, timeout);
}

absl::StatusOr<DriverProcess::Answer> DriverProcess::CallWith(
    HostCommand command, const std::vector<WantedGpu>& gpus,
    absl::Duration timeout) {
  CreateRequest request;
  request.request.command = command;
  request.count = static_cast<uint32_t>(gpus.size());
  std::vector<std::byte> packet = PacketOf(request, 0);
  Append(packet, gpus.data(), gpus.size() * sizeof(WantedGpu));
  return Exchange(packet, timeout);
}

absl::StatusOr<DriverProcess::Answer> DriverProcess::AwaitLate(
    absl::Duration timeout) {
  return Await(timeout);
}

void DriverProcess::RefuseSaves() { status().refuse_saves = 1; }
void DriverProcess::AllowSaves() { status().refuse_saves = 0; }

absl::Status DriverProcess::Begin(HostCommand command) {
  return Send(PacketOf(HostRequest{.command = command}, 0));
}

absl::StatusOr<DriverProcess::Answer> DriverProcess::Exchange(
    const std::vector<std::byte>& packet, absl::Duration timeout) {
  RETURN_IF_ERROR(Send(packet));
  return Await(timeout);
}

absl::Status DriverProcess::Send(const std::vector<std::byte>& packet) {
  failed_.clear();
  told_ = std::nullopt;
  nt_status_ = std::nullopt;
  if (pid_ < 0) return Died();
  if (busy_) return Hung(absl::ZeroDuration());
  std::vector<std::byte> out = packet;
  HostRequest request;
  std::memcpy(&request, out.data(), sizeof request);
  request.sequence = ++sequence_;
  std::memcpy(out.data(), &request, sizeof request);
  if (out.size() > kPacketBytesMax) {
    return NotStarted(absl::StrCat("request has ", out.size(),
                                   " bytes, at most ", kPacketBytesMax));
  }
  if (hostility_ != nullptr) status().hostility = *hostility_;
  driver_ns_ = status().driver_ns;
  if (send(socket_, out.data(), out.size(), MSG_NOSIGNAL) < 0) return Died();
  busy_ = true;
  return absl::OkStatus();
}

absl::StatusOr<DriverProcess::Answer> DriverProcess::Await(
    absl::Duration timeout) {
  const absl::Duration begin = clock_.Monotonic();
  while (true) {
    const absl::Duration left = timeout - (clock_.Monotonic() - begin);
    const timespec wait =
        absl::ToTimespec(std::max(left, absl::ZeroDuration()));
    pollfd fd = {.fd = socket_, .events = POLLIN, .revents = 0};
    const int ready = ppoll(&fd, 1, &wait, nullptr);
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) return Hung(timeout);
    const ssize_t bytes = recv(socket_, packet_.data(), packet_.size(), 0);
    HostReply reply;
    if (bytes < static_cast<ssize_t>(sizeof reply)) return Died();
    std::memcpy(&reply, packet_.data(), sizeof reply);
    if (reply.sequence != sequence_) continue;
    busy_ = false;
    std::vector<CensusAnswer> census(std::min<size_t>(
        reply.count,
        (static_cast<size_t>(bytes) - sizeof reply) / sizeof(CensusAnswer)));
    if (!census.empty()) {
      std::memcpy(census.data(), packet_.data() + sizeof reply,
                  census.size() * sizeof(CensusAnswer));
    }
    return Judge(reply, std::move(census));
  }
}

absl::StatusOr<DriverProcess::Answer> DriverProcess::Judge(
    const HostReply& reply, std::vector<CensusAnswer> census) {
  NoteLines();
  saved_blocks_ = reply.blocks;
  page_faults_ = reply.page_faults;
  RETURN_IF_ERROR(NoteRule(reply.broken));
  const bool refused = reply.refused != 0 || !NT_SUCCESS(reply.nt_status);
  // It failed for itself.
  if (refused) told_ = std::nullopt;
  if (reply.refused != 0) {
    return ErrorWithReason(absl::StatusCode::kInternal, "DRIVER_REFUSED",
                           TextOf(reply.message));
  }
  if (!NT_SUCCESS(reply.nt_status)) {
    failed_ = EntryPointName(reply.failed);
    nt_status_ = static_cast<uint32_t>(reply.nt_status);
    return ErrorWithReason(
        absl::StatusCode::kInternal, "DRIVER_REFUSED",
        absl::StrFormat("%s returned %#010x", failed_, *nt_status_));
  }
  return Answer{.nt_status = reply.nt_status,
                .gpup_caps = reply.gpup_caps,
                .census = std::move(census)};
}

// Returns an error when the command that was answered broke it: a driver may go
// on as if it had not been refused.
absl::Status DriverProcess::NoteRule(const BrokenRule& broken) {
  told_ = std::nullopt;
  if (broken.rule <= 0) return absl::OkStatus();
  told_ = Violation{.rule = broken.rule, .message = TextOf(broken.message)};
  failed_ = EntryPointName(broken.entry_point);
  const std::string message =
      absl::StrCat("rule R", told_->rule, " is broken: ", told_->message);
  if (broken.between == 0) {
    return ErrorWithReason(absl::StatusCode::kInternal, "RULE_BROKEN", message);
  }
  LogWarning(absl::StrCat(message, ", between two commands, in ", failed_));
  return absl::OkStatus();
}

absl::Status DriverProcess::Died() {
  busy_ = false;
  if (failed_.empty()) {
    failed_ = EntryPointName(status().entry_point.load());
  }
  NoteLines();
  Kill();
  std::string how;
  const int signal = status().signal;
  if (WIFSIGNALED(exit_status_)) {
    how = absl::StrCat("was ended by signal ", WTERMSIG(exit_status_));
  } else {
    how = absl::StrCat("exited with ", WEXITSTATUS(exit_status_));
  }
  if (signal == SIGSEGV || signal == SIGBUS) {
    absl::StrAppendFormat(&how, " at address %#x", status().fault_address);
  }
  if (!failed_.empty()) absl::StrAppend(&how, " in ", failed_);
  NoteRuleUnasked();
  if (told_.has_value()) absl::StrAppend(&how, ": ", told_->message);
  return ErrorWithReason(absl::StatusCode::kAborted, "DRIVER_CRASHED",
                         absl::StrCat("driver host ", how));
}

absl::Status DriverProcess::Hung(absl::Duration waited) {
  failed_ = EntryPointName(status().entry_point.load());
  const Violation late = TooLate(waited, failed_);
  if (status().rule_between == 0) NoteRuleUnasked();
  if (!told_.has_value()) told_ = late;
  NoteLines();
  return ErrorWithReason(absl::StatusCode::kDeadlineExceeded, "DRIVER_HUNG",
                         late.message);
}

bool DriverProcess::Alive() {
  if (pid_ < 0) return false;
  NoteLines();
  if (waitpid(pid_, &exit_status_, WNOHANG) != pid_) return true;
  pid_ = -1;
  failed_ = EntryPointName(status().entry_point.load());
  return false;
}

void DriverProcess::Kill() {
  if (pid_ < 0) return;
  // It may be dying by itself, of something better to know than our signal; but
  // what it says of that is the driver's to overwrite, so not believed for
  // long.
  if (status().signal != 0) AwaitExit(kDyingTime);
  kill(pid_, SIGKILL);
  waitpid(pid_, &exit_status_, 0);
  pid_ = -1;
  busy_ = false;
}

void DriverProcess::AwaitExit(absl::Duration timeout) const {
  const auto fd = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  if (fd < 0) return;
  const timespec wait = absl::ToTimespec(timeout);
  pollfd ended = {.fd = fd, .events = POLLIN, .revents = 0};
  (void)ppoll(&ended, 1, &wait, nullptr);
  close(fd);
}

bool DriverProcess::AwaitDeath(absl::Duration timeout) {
  if (pid_ < 0) return true;
  const timespec wait = absl::ToTimespec(timeout);
  // It says nothing unasked: whatever is to be read is its end.
  pollfd fd = {.fd = socket_, .events = POLLIN, .revents = 0};
  if (busy_ || ppoll(&fd, 1, &wait, nullptr) <= 0) return false;
  return !Alive();
}

void DriverProcess::Freeze() {
  if (pid_ > 0) kill(pid_, SIGSTOP);
}

void DriverProcess::Retire() {
  if (pid_ > 0) kill(pid_, SIGKILL);
}

// What no reply told of: the driver does not answer.
void DriverProcess::NoteRuleUnasked() {
  const int rule = status().rule;
  told_ = std::nullopt;
  if (rule <= 0) return;
  told_ = Violation{.rule = rule, .message = TextOf(status().rule_message)};
}

std::vector<EntryPointCall> DriverProcess::Calls() const {
  std::vector<EntryPointCall> calls;
  const size_t count = std::min<size_t>(status().calls, kCallsMax);
  for (size_t i = 0; i < count; ++i) {
    const RecordedCall call = status().call[i];
    calls.push_back({.entry_point = EntryPointName(call.entry_point),
                     .nt_status = static_cast<uint32_t>(call.nt_status),
                     .elapsed = absl::Nanoseconds(call.elapsed_ns)});
  }
  return calls;
}

std::vector<EntryPoint> DriverProcess::EntryPoints() const {
  std::vector<EntryPoint> entry_points;
  const size_t count = std::min<size_t>(status().calls, kCallsMax);
  for (size_t i = 0; i < count; ++i) {
    const EntryPoint entry_point = status().call[i].entry_point;
    // A driver can write there, too.
    if (entry_point <= kLastEntryPoint) entry_points.push_back(entry_point);
  }
  return entry_points;
}

std::vector<std::string> DriverProcess::LastLines() const {
  std::vector<std::string> lines;
  const uint64_t end = status().log_lines;
  for (uint64_t i = end - std::min<uint64_t>(end, kLogLines); i < end; ++i) {
    lines.push_back(TextOf(status().log[i % kLogLines]));
  }
  return lines;
}

// Passes on what the driver said since the last time.
void DriverProcess::NoteLines() {
  const uint64_t end = status().log_lines;
  const uint64_t first =
      std::max(lines_logged_, end - std::min<uint64_t>(end, kLogLines));
  for (uint64_t i = first; i < end; ++i) {
    LogDebug(absl::StrCat("driver: ", TextOf(status().log[i % kLogLines])));
  }
  lines_logged_ = end;
}

}  // namespace baton::port
