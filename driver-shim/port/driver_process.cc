#include "driver-shim/port/driver_process.h"

#include <dirent.h>
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

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/port/budget.h"
#include "driver-shim/port/host_socket.h"

namespace baton::port {
namespace {

// How long a driver host that says that it is dying may take for it.
constexpr absl::Duration kDyingTime = absl::Milliseconds(500);
// How long one that was sent SIGKILL may take.
constexpr absl::Duration kKilledTime = absl::Seconds(10);

constexpr char kSocketSuffix[] = ".sock";
constexpr size_t kStatusBytes =
    (sizeof(HostStatus) + PAGE_SIZE - 1) / PAGE_SIZE * PAGE_SIZE;

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

std::string SocketOf(const std::string& name) {
  return absl::StrCat(name, kSocketSuffix);
}

// Of a host's name, without its folder; another number for each.
bool IsHostName(absl::string_view file) {
  return absl::StartsWith(file, "host-") &&
         !absl::EndsWith(file, kSocketSuffix);
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
  const std::string socket = SocketOf(options.name);
  Append(packet, socket.c_str(), socket.size() + 1);
  for (const Bar& bar : options.bars) {
    Append(packet, bar.path.c_str(), bar.path.size() + 1);
  }
  return packet;
}

template <size_t size>
std::string TextOf(const std::array<char, size>& text) {
  return std::string(text.data(), strnlen(text.data(), size));
}

int OpenProcess(pid_t pid) {
  if (pid <= 0) return -1;
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}

// Who listens at the other end; -1 when there is nobody any more.
int OpenListener(int socket) {
  const int process = OpenProcess(ListenerOf(socket));
  // Its number may be another's by now, but then this end hangs up.
  pollfd fd = {.fd = socket, .events = 0, .revents = 0};
  if (process < 0 || poll(&fd, 1, 0) == 0) return process;
  close(process);
  return -1;
}

void SignalTo(int signal, int process) {
  if (process < 0) return;
  syscall(SYS_pidfd_send_signal, process, signal, nullptr, 0);
}

// Returns whether the process has ended.
bool AwaitEnd(int process, absl::Duration timeout) {
  const timespec wait = absl::ToTimespec(timeout);
  pollfd ended = {.fd = process, .events = POLLIN, .revents = 0};
  return ppoll(&ended, 1, &wait, nullptr) > 0;
}

// One descriptor of the child's: from where it comes, to where it goes.
struct Descriptor {
  int from = -1;
  int to = -1;
};

}  // namespace

absl::StatusOr<std::unique_ptr<DriverProcess>> DriverProcess::Start(
    const Options& options, const Clock& clock, absl::Duration timeout) {
  ASSIGN_OR_RETURN(std::unique_ptr<NamedMemory> status,
                   NamedMemory::Create(options.name, kStatusBytes));
  new (status->data()) HostStatus;
  unlink(SocketOf(options.name).c_str());
  std::unique_ptr<DriverProcess> process(
      new DriverProcess(clock, options.name, std::move(status)));
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
  const int error = posix_spawn(&child_, options.executable.c_str(), &actions,
                                nullptr, args, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(sockets[1]);
  if (error != 0) {
    child_ = -1;
    return NotStarted(
        absl::StrCat("'", options.executable, "': error number ", error));
  }
  process_ = OpenProcess(child_);
  if (process_ >= 0) return absl::OkStatus();
  kill(child_, SIGKILL);
  Reap();
  return NotStarted("it cannot be watched");
}

absl::StatusOr<std::unique_ptr<DriverProcess>> DriverProcess::Attach(
    const std::string& name, const Known& known, const Clock& clock) {
  ASSIGN_OR_RETURN(std::unique_ptr<NamedMemory> status,
                   NamedMemory::Open(name, kStatusBytes));
  std::unique_ptr<DriverProcess> process(
      new DriverProcess(clock, name, std::move(status)));
  process->sequence_ = known.sequence;
  process->busy_ = known.busy;
  process->attaching_ = true;
  process->driver_ns_ = process->status().driver_ns;
  process->lines_logged_ = process->status().log_lines;
  RETURN_IF_ERROR(process->Connect());
  return process;
}

absl::Status DriverProcess::Connect() {
  socket_ = ConnectTo(SocketOf(name_));
  if (socket_ < 0) return Died();
  process_ = OpenListener(socket_);
  if (process_ < 0) return Died();
  // The shim before may have frozen it.
  SignalTo(SIGCONT, process_);
  return absl::OkStatus();
}

void DriverProcess::EndAll(const std::string& folder, const std::string& but) {
  std::vector<std::string> names;
  DIR* const directory = opendir(folder.c_str());
  if (directory == nullptr) return;
  // Only this thread has it. NOLINTNEXTLINE(concurrency-mt-unsafe)
  while (const dirent* const entry = readdir(directory)) {
    const std::string name = absl::StrCat(folder, "/", entry->d_name);
    if (IsHostName(entry->d_name) && name != but) names.push_back(name);
  }
  closedir(directory);
  for (const std::string& name : names) {
    const std::string socket_name = SocketOf(name);
    const int socket = ConnectTo(socket_name);
    const int process = socket < 0 ? -1 : OpenListener(socket);
    if (process >= 0) {
      LogInfo(absl::StrCat("ends driver host '", name, "'"));
      SignalTo(SIGKILL, process);
      if (!AwaitEnd(process, kKilledTime)) LogError("it does not end");
      close(process);
    }
    if (socket >= 0) close(socket);
    unlink(name.c_str());
    unlink(socket_name.c_str());
  }
}

DriverProcess::~DriverProcess() {
  Kill();
  if (socket_ >= 0) close(socket_);
  status_memory_->Remove();
  unlink(SocketOf(name_).c_str());
}

absl::StatusOr<DriverProcess::Answer> DriverProcess::Call(
    HostCommand command, absl::Duration timeout) {
  return Exchange(PacketOf(HostRequest{.command = command}, 0), timeout);
}

// Of another shim's host: waits for the reply that it begins with.
absl::Status DriverProcess::Hear(absl::Duration timeout) {
  if (!attaching_) return absl::OkStatus();
  const uint64_t known = sequence_;
  absl::StatusOr<Answer> answer = Await(timeout);
  if (attaching_) return answer.status();
  // It may be that what it said is what the shim before had asked last.
  if (sequence_ > known) {
    untold_ = {.command = last_, .answer = std::move(answer)};
  }
  return absl::OkStatus();
}

std::optional<HostCommand> DriverProcess::Unheard(absl::Duration timeout) {
  if (!Hear(timeout).ok() || !untold_.has_value()) return std::nullopt;
  return untold_->command;
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
  if (std::optional<Untold> untold = std::exchange(untold_, std::nullopt)) {
    return std::move(untold->answer);
  }
  return Await(timeout);
}

void DriverProcess::RefuseSaves() { status().refuse_saves = 1; }
void DriverProcess::AllowSaves() { status().refuse_saves = 0; }

absl::Status DriverProcess::Begin(HostCommand command, absl::Duration timeout) {
  RETURN_IF_ERROR(Hear(timeout));
  // AwaitLate() has the answer.
  if (untold_.has_value() && untold_->command == command) {
    return absl::OkStatus();
  }
  untold_ = std::nullopt;
  return Send(PacketOf(HostRequest{.command = command}, 0));
}

absl::StatusOr<DriverProcess::Answer> DriverProcess::Exchange(
    const std::vector<std::byte>& packet, absl::Duration timeout) {
  const Budget budget(clock_, timeout);
  if (attaching_) RETURN_IF_ERROR(Hear(timeout));
  if (std::optional<Untold> untold = std::exchange(untold_, std::nullopt)) {
    HostRequest request;
    std::memcpy(&request, packet.data(), sizeof request);
    if (untold->command == request.command) return std::move(untold->answer);
  }
  RETURN_IF_ERROR(Send(packet));
  return Await(budget.Left());
}

absl::Status DriverProcess::Send(const std::vector<std::byte>& packet) {
  failed_.clear();
  told_ = std::nullopt;
  nt_status_ = std::nullopt;
  if (process_ < 0) return Died();
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
    if (ready == 0) {
      busy_ = true;
      return Hung(timeout);
    }
    const ssize_t bytes = recv(socket_, packet_.data(), packet_.size(), 0);
    HostReply reply;
    if (bytes < static_cast<ssize_t>(sizeof reply)) return Died();
    std::memcpy(&reply, packet_.data(), sizeof reply);
    if (!attaching_ && reply.sequence != sequence_) continue;
    if (std::exchange(attaching_, false)) sequence_ = reply.sequence;
    last_ = reply.command;
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
  std::string how = HowItDied();
  if (!failed_.empty()) absl::StrAppend(&how, " in ", failed_);
  NoteRuleUnasked();
  if (told_.has_value()) absl::StrAppend(&how, ": ", told_->message);
  return ErrorWithReason(absl::StatusCode::kAborted, "DRIVER_CRASHED",
                         absl::StrCat("driver host ", how));
}

// Of one that another shim started the system does not say how it ended.
std::string DriverProcess::HowItDied() const {
  const int signal = status().signal;
  std::string how = "is gone";
  if (exit_status_.has_value() && WIFSIGNALED(*exit_status_)) {
    how = absl::StrCat("was ended by signal ", WTERMSIG(*exit_status_));
  } else if (exit_status_.has_value()) {
    how = absl::StrCat("exited with ", WEXITSTATUS(*exit_status_));
  } else if (signal != 0) {
    how = absl::StrCat("was ended by signal ", signal);
  }
  if (signal == SIGSEGV || signal == SIGBUS) {
    absl::StrAppendFormat(&how, " at address %#x", status().fault_address);
  }
  return how;
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
  if (process_ < 0) return false;
  NoteLines();
  if (!AwaitEnd(process_, absl::ZeroDuration())) return true;
  Reap();
  failed_ = EntryPointName(status().entry_point.load());
  return false;
}

void DriverProcess::Kill() {
  if (process_ < 0) return;
  // It may be dying by itself, of something better to know than our signal; but
  // what it says of that is the driver's to overwrite, so not believed for
  // long.
  if (status().signal != 0) AwaitEnd(process_, kDyingTime);
  SignalTo(SIGKILL, process_);
  if (!AwaitEnd(process_, kKilledTime))
    LogError("driver host does not end when killed");
  Reap();
  busy_ = false;
}

// It has ended, or does not end whatever is done: that is not waited for.
void DriverProcess::Reap() {
  if (child_ > 0) {
    int status = 0;
    if (waitpid(child_, &status, WNOHANG) == child_) exit_status_ = status;
  }
  child_ = -1;
  if (process_ >= 0) close(std::exchange(process_, -1));
}

bool DriverProcess::AwaitDeath(absl::Duration timeout) {
  if (process_ < 0) return true;
  return !busy_ && AwaitEnd(process_, timeout) && !Alive();
}

void DriverProcess::Freeze() { SignalTo(SIGSTOP, process_); }

void DriverProcess::Retire() { SignalTo(SIGKILL, process_); }

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
  calls.reserve(count);
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
