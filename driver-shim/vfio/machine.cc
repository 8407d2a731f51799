#include "driver-shim/vfio/machine.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <future>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/fail_point.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/vfio/memory_lock.h"
#include "driver-shim/vfio/migration.h"
#include "driver-shim/vfio/packed.h"
#include "driver-shim/vfio/proc_files.h"

namespace baton::vfio {
namespace {

// The oldest QEMU that can say why it refused what came in, instead of ending.
constexpr std::pair<int, int> kQemuLeast = {9, 1};
constexpr absl::Duration kLearnTimeout = absl::Seconds(2);
// What ending a QEMU that was told to takes at most before it is killed.
constexpr absl::Duration kQuitTimeout = absl::Seconds(3);
constexpr absl::Duration kKillTimeout = absl::Seconds(5);
constexpr absl::Duration kConnectAgain = absl::Milliseconds(2);
// How long a guest that has just gone on is not looked at: it wants the
// processors, and what QEMU complains of it has not written yet.
constexpr absl::Duration kGetsGoing = absl::Milliseconds(100);
constexpr absl::Duration kReachesFor = absl::Seconds(30);
constexpr char kStateFd[] = "baton-state";
constexpr char kMemoryFd[] = "baton-memory";
constexpr size_t kComplaintLinesMax = 5;
constexpr size_t kComplaintBytesMax = size_t{64} << 10;
constexpr int kPipeBytes = 1 << 20;

absl::StatusOr<std::pair<Fd, Fd>> Pipe() {
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC) == 0) {
    // Where it may be so large, the two sides seldom wait for each other.
    fcntl(ends[0], F_SETPIPE_SZ, kPipeBytes);
    return std::make_pair(Fd(ends[0]), Fd(ends[1]));
  }
  return ErrorWithReason(
      absl::StatusCode::kUnavailable, "STREAM_UNREADABLE",
      absl::StrCat("no pipe: ", std::generic_category().message(errno)));
}

absl::Status NotRunning(const std::string& guest, const std::string& status) {
  return ErrorWithReason(absl::StatusCode::kFailedPrecondition,
                         "MACHINE_NOT_RUNNING",
                         absl::StrCat("machine '", guest, "' is '", status,
                                      "', want 'running' or 'paused'"));
}

absl::Status HasEnded() {
  return ErrorWithReason(absl::StatusCode::kUnavailable, "SOCKET_CLOSED",
                         "the QEMU that answered has ended");
}

// QEMU also writes what is no fault, such as where a terminal is.
bool IsComplaint(absl::string_view line) {
  const std::string text = absl::AsciiStrToLower(line);
  if (absl::StrContains(text, "warning:")) return false;
  return absl::StrContains(text, "vfio") || absl::StrContains(text, "error") ||
         absl::StrContains(text, "fail");
}

std::string ItWrote(const std::string& complaints) {
  return complaints.empty() ? ""
                            : absl::StrCat("; its QEMU wrote: ", complaints);
}

// A property's value as QMP wants it, which is strict about types.
Json Typed(const std::string& value, const std::string& type) {
  if (type == "bool") return value == "on" || value == "true" || value == "yes";
  const bool number = absl::StartsWith(type, "uint") ||
                      absl::StartsWith(type, "int") || type == "size";
  int64_t parsed = 0;
  if (number && absl::SimpleAtoi(value, &parsed)) return parsed;
  if (number && absl::SimpleHexAtoi(value, &parsed)) return parsed;
  return value;
}

}  // namespace

Machine::Machine(Options options, Kernel& kernel, Processes& processes,
                 const Clock& clock)
    : options_(std::move(options)),
      kernel_(kernel),
      processes_(processes),
      clock_(clock) {
  running_.socket = options_.name.qmp;
}

Machine::~Machine() = default;

// ---- who is there ----

absl::StatusOr<Qmp*> Machine::Monitor(Qemu& qemu, const Budget& budget) {
  if (qemu.monitor != nullptr) return qemu.monitor.get();
  ASSIGN_OR_RETURN(auto monitor, Qmp::Connect(qemu.socket, budget));
  if (qemu.process.pid != 0) {
    // Its folder is the user's, who may put a link to another machine's there.
    const auto peer = processes_.PeerOf(monitor->fd());
    if (!peer.has_value()) return HasEnded();
    if (*peer != qemu.process) {
      return ErrorWithReason(
          absl::StatusCode::kFailedPrecondition, "MACHINE_OTHER_ANSWERS",
          absl::StrCat("machine '", options_.name.guest, "': at '", qemu.socket,
                       "' process ", peer->pid, " answers, want ",
                       qemu.process.pid));
    }
  }
  qemu.monitor = std::move(monitor);
  return qemu.monitor.get();
}

absl::Status Machine::Learn(const Budget& budget) {
  const bool known = running_.process.pid != 0;
  if (known && processes_.Alive(running_.process)) return absl::OkStatus();
  running_ = {.socket = options_.name.qmp, .bound = options_.name.qmp};
  device_ = nullptr;
  ASSIGN_OR_RETURN(Qmp* const qmp, Monitor(running_, budget));
  version_ = qmp->version();
  const auto process = processes_.PeerOf(qmp->fd());
  const auto user = processes_.PeerUserOf(qmp->fd());
  running_.monitor = nullptr;  // others may want it meanwhile
  if (!process.has_value() || !user.has_value()) return HasEnded();
  program_ = processes_.ProgramOf(*process);
  line_ = core::ReadMachineLine(program_.argv, options_.name);
  running_.process = *process;
  user_ = *user;
  return absl::OkStatus();
}

bool Machine::Present() { return Learn(Budget(clock_, kLearnTimeout)).ok(); }

std::vector<core::Blocker> Machine::Preflight() {
  if (!Present()) return {};
  std::vector<core::Blocker> blockers = line_.blockers;
  const std::string who = absl::StrCat("machine '", options_.name.guest, "': ");
  if (version_ < kQemuLeast) {
    blockers.push_back(
        {"MACHINE_QEMU_TOO_OLD",
         absl::StrCat(who, "its QEMU is ", version_.first, ".", version_.second,
                      ", which cannot carry a vGPU: start it "
                      "with ",
                      kQemuLeast.first, ".", kQemuLeast.second, " or later")});
  }
  for (core::Blocker& blocker : JudgeStanding()) {
    blockers.push_back(std::move(blocker));
  }
  struct stat info = {};
  if (!line_.memory_path.empty() &&
      (lstat(line_.memory_path.c_str(), &info) != 0 ||
       !S_ISREG(info.st_mode))) {
    blockers.push_back({"MACHINE_MEMORY_NOT_A_FILE",
                        absl::StrCat(who, "its memory '", line_.memory_path,
                                     "' is a link, or no file that the next "
                                     "QEMU could open: let mem-path name the "
                                     "file")});
  }
  const absl::StatusOr<Device*> device =
      HeldDevice(Budget(clock_, kLearnTimeout));
  if (!device.ok() || !(*device)->CanMigrate()) {
    blockers.push_back(
        {"MIGRATION_UNSUPPORTED",
         absl::StrCat(who, device.ok()
                               ? "its vGPU's driver cannot save it: load one "
                                 "with VFIO migration (STOP_COPY)"
                               : device.status().message())});
  }
  device_ = nullptr;  // it keeps the module in
  return blockers;
}

// Learns anew as whom it runs: that may change while it does.
std::vector<core::Blocker> Machine::JudgeStanding() {
  const auto facts = processes_.FactsOf(running_.process);
  const auto own = processes_.OwnFacts();
  const std::string who = absl::StrCat("machine '", options_.name.guest, "': ");
  if (!facts.has_value() || !own.has_value()) {
    return {{"MACHINE_STANDING_UNKNOWN",
             absl::StrCat(who,
                          "/proc does not tell as whom its QEMU runs: let "
                          "the shim see all of it (no hidepid, no "
                          "ProtectProc)")}};
  }
  // A process becomes another user's only by a program such as sudo, with words
  // that are its first user's: the next one would be theirs as that user.
  if (user_ != 0 && facts->standing.user != user_) {
    return {{"MACHINE_USER_MIXED",
             absl::StrCat(who, "its QEMU was user ", user_, "'s and is user ",
                          facts->standing.user, "'s: start it as one user")}};
  }
  user_ = facts->standing.user;
  program_.standing = facts->standing;
  judged_ = running_.process;
  std::vector<core::Blocker> blockers = core::JudgeStanding(
      options_.name.guest, *facts, *own, line_.filters_itself);
  for (const std::string& path : OutOfReach(facts->standing)) {
    blockers.push_back(
        {"MACHINE_FILE_OUT_OF_REACH",
         absl::StrCat(who, "the next QEMU could not use '", path, "' as user ",
                      facts->standing.user,
                      ", whom this one runs as: let that user read and write "
                      "it, of a folder make files in it")});
  }
  return blockers;
}

// A child of ours tries, after which each page of ours costs a fault: what was
// found well is believed for a while, so that guests do not stand for it.
std::vector<std::string> Machine::OutOfReach(const core::Standing& standing) {
  std::vector<std::string> paths = {absl::StrCat(
      options_.name.qmp.substr(0, options_.name.qmp.rfind('/')), "/")};
  const std::string node = kernel_.NodeOf(options_.name.uuid);
  if (!node.empty()) paths.push_back(node);
  if (access(line_.memory_path.c_str(), F_OK) == 0) {
    paths.push_back(line_.memory_path);
  }
  const absl::Duration now = clock_.Monotonic();
  if (reached_ == std::make_pair(standing, paths) &&
      now - reached_at_ < kReachesFor) {
    return {};
  }
  std::vector<std::string> out = processes_.OutOfReach(standing, paths);
  reached_ = std::nullopt;
  if (out.empty()) {
    reached_ = std::make_pair(standing, std::move(paths));
    reached_at_ = now;
  }
  return out;
}

// ---- before the pause ----

// What the lock is taken through, on both sides. We open it as root, and its
// path is the user's to change: nobody gets what it has not got itself.
absl::Status Machine::GiveMemory(Qemu& qemu, const Budget& budget) {
  if (qemu.memory.ok()) return absl::OkStatus();
  ASSIGN_OR_RETURN(Fd memory, OpenMemory(line_.memory_path));
  // Once its monitor answers, a QEMU has its memory.
  ASSIGN_OR_RETURN(Qmp* const qmp, Monitor(qemu, budget));
  if (!processes_.HasOpen(qemu.process, memory.get())) {
    return ErrorWithReason(
        absl::StatusCode::kFailedPrecondition, "MACHINE_MEMORY_OTHER",
        absl::StrCat("machine '", options_.name.guest, "': '",
                     line_.memory_path, "' is not the file that process ",
                     qemu.process.pid, " has as its memory"));
  }
  RETURN_IF_ERROR(qmp->Give(kMemoryFd, memory.get(), budget));
  qemu.memory = std::move(memory);
  return absl::OkStatus();
}

// The lock goes to the one that may run. Once it has it, it keeps it: also
// through what a shim gave it that is no more.
absl::Status Machine::LetRun(Qemu& qemu, const Budget& budget) {
  if (!qemu.memory.ok() &&
      processes_.HasLocked(qemu.process, line_.memory_path)) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(GiveMemory(qemu, budget));
  RETURN_IF_ERROR(LockMemory(qemu.memory, line_.memory_path));
  qemu.memory.Close();
  return absl::OkStatus();
}

absl::Status Machine::SetUpSource(const Budget& budget) {
  ASSIGN_OR_RETURN(Qmp* const qmp, Monitor(running_, budget));
  const Json capability = {{"capability", "x-ignore-shared"}, {"state", true}};
  RETURN_IF_ERROR(qmp->Run("migrate-set-capabilities",
                           {{"capabilities", Json::array({capability})}},
                           budget)
                      .status());
  // Kernel 6.1 gives no size hint: without limits that are never reached, a
  // migration stays active for ever.
  constexpr int64_t kBandwidth = 1'000'000'000'000;
  return qmp
      ->Run("migrate-set-parameters",
            {{"max-bandwidth", kBandwidth},
             {"avail-switchover-bandwidth", kBandwidth},
             {"downtime-limit", 2'000'000}},
            budget)
      .status();
}

absl::Status Machine::Prepare(const Budget& budget) {
  // Another would be started as whom nobody has looked at.
  if (judged_ != running_.process || !processes_.Alive(judged_)) {
    return HasEnded();
  }
  ASSIGN_OR_RETURN(Qmp* const qmp, Monitor(running_, budget));
  ASSIGN_OR_RETURN(const std::string status, qmp->Status(budget));
  // Found out before others were stopped. One after a migration was saved once.
  if (status != "running" && status != "paused" && status != "postmigrate") {
    return NotRunning(options_.name.guest, status);
  }
  // One that we stopped and that does not run yet is none that was paused.
  if (!stopped_) was_running_ = status == "running";
  RETURN_IF_ERROR(LetRun(running_, budget));
  RETURN_IF_ERROR(SetUpSource(budget));
  return StartNext(budget);
}

// Before others end: a control group of systemd's is gone with its limits once
// nobody is in it.
absl::Status Machine::LaunchNext() {
  Qemu next;
  next.socket = NextSocket();
  next.bound = next.socket;
  // Neither socket nor log is the one that runs's.
  next.log = absl::StrCat(options_.log_directory, "/", options_.name.guest,
                          next.socket.substr(next.socket.rfind('.')), ".log");
  EndAt(next.socket, Process());
  for (const std::string& left : {next.socket, next.log}) unlink(left.c_str());
  program_.argv = LineFor(next.socket);
  next.standing = program_.standing;
  // While another has the machine the update ends; once none has, that is no
  // way out.
  program_.without_places = !processes_.Alive(running_.process);
  ASSIGN_OR_RETURN(next.process, processes_.Launch(program_, next.log));
  FAIL_POINT("shim.vfio_next_started");
  EndNext(next);
  next_ = std::move(next);
  return absl::OkStatus();
}

absl::Status Machine::StartNext(const Budget& budget) {
  // What the machine may changes while the next one waits.
  const bool there = !given_ && next_.process.pid != 0 &&
                     processes_.Alive(next_.process) &&
                     next_.standing == program_.standing;
  if (!there) RETURN_IF_ERROR(LaunchNext());
  if (next_.ready) return absl::OkStatus();
  RETURN_IF_ERROR(AwaitMonitor(next_, budget));
  ASSIGN_OR_RETURN(Qmp* const qmp, Monitor(next_, budget));
  const Json capability = {{"capability", "x-ignore-shared"}, {"state", true}};
  RETURN_IF_ERROR(qmp->Run("migrate-set-capabilities",
                           {{"capabilities", Json::array({capability})}},
                           budget)
                      .status());
  if (property_types_.empty()) {
    ASSIGN_OR_RETURN(
        const Json properties,
        qmp->Run("device-list-properties",
                 {{"typename", line_.device.at("driver")}}, budget));
    for (const Json& property : properties) {
      property_types_[TextIn(property, "name")] = TextIn(property, "type");
    }
  }
  RETURN_IF_ERROR(GiveMemory(next_, budget));
  next_.ready = true;
  return absl::OkStatus();
}

std::string Machine::NextSocket() const {
  const std::string first = absl::StrCat(options_.name.next_qmp, ".1");
  const std::string& taken = given_ ? next_.bound : running_.bound;
  return taken == first ? absl::StrCat(options_.name.next_qmp, ".2") : first;
}

std::vector<std::string> Machine::LineFor(const std::string& socket) const {
  std::vector<std::string> line = line_.next;
  for (std::string& word : line) {
    const size_t at = word.find(options_.name.next_qmp);
    if (at == std::string::npos) continue;
    word.replace(at, options_.name.next_qmp.size(), socket);
  }
  return line;
}

// A QEMU that was just started does not listen yet.
absl::Status Machine::AwaitMonitor(Qemu& qemu, const Budget& budget) {
  while (true) {
    absl::Status connected = Monitor(qemu, budget).status();
    if (connected.ok() || Reason(connected) != "SOCKET_CLOSED") {
      return connected;
    }
    if (!processes_.Alive(qemu.process)) {
      return ErrorWithReason(
          absl::StatusCode::kUnavailable, "PROCESS_NOT_STARTED",
          absl::StrCat("the next QEMU of '", options_.name.guest, "' has ended",
                       ItWrote(ComplaintsOf(qemu))));
    }
    if (budget.Left() == absl::ZeroDuration()) {
      return budget.Exceeded("the next QEMU's start");
    }
    poll(nullptr, 0,
         static_cast<int>(absl::ToInt64Milliseconds(kConnectAgain)));
  }
}

void Machine::Dismiss() {
  EndNext(Qemu());
  device_ = nullptr;
  running_.monitor = nullptr;  // others may want it
}

// Ends whoever was started to listen there, but for `kept` and the one that
// runs: after a swap that was started so, too.
void Machine::EndAt(const std::string& socket, const Process& kept) {
  std::vector<Process> started;
  for (const std::string& word : LineFor(socket)) {
    if (!absl::StrContains(word, socket)) continue;
    for (const Process& process : processes_.WithWord(word)) {
      started.push_back(process);
    }
  }
  for (const Process& process : started) EndBut(process, kept);
}

void Machine::EndBut(const Process& process, const Process& kept) {
  if (process == running_.process || process == kept) return;
  processes_.Kill(process);
  const absl::Status ended =
      processes_.AwaitEnd(process, Budget(clock_, kKillTimeout));
  if (!ended.ok()) LogWarning(ended.message());
}

// Not only the one that is recorded: a shim may have died before it was. And
// that one whatever its command line says by now.
void Machine::EndNext(const Qemu& kept) {
  if (given_) device_ = nullptr;
  given_ = false;
  for (const char* end : {".1", ".2"}) {
    const std::string socket = absl::StrCat(options_.name.next_qmp, end);
    EndAt(socket, kept.process);
    if (socket != kept.socket) unlink(socket.c_str());
  }
  if (processes_.Alive(next_.process)) EndBut(next_.process, kept.process);
  next_ = {};
}

// ---- out ----

absl::Status Machine::Stop(const Budget& budget) {
  ASSIGN_OR_RETURN(Qmp* const qmp, Monitor(running_, budget));
  ASSIGN_OR_RETURN(std::string status, qmp->Status(budget));
  stopped_ = true;
  if (status == "postmigrate") {
    // It was saved, and what came was lost: QEMU saves again only what ran.
    RETURN_IF_ERROR(qmp->Run("cont", Json::object(), budget).status());
    status = "running";
  }
  if (status == "running") {
    return qmp->Run("stop", Json::object(), budget).status();
  }
  if (status == "paused") return absl::OkStatus();
  return NotRunning(options_.name.guest, status);
}

absl::StatusOr<Stream> Machine::Save(const std::string& path,
                                     const Budget& budget) {
  ASSIGN_OR_RETURN(Qmp* const qmp, Monitor(running_, budget));
  ASSIGN_OR_RETURN(auto ends, Pipe());
  RETURN_IF_ERROR(qmp->Give(kStateFd, ends.second.get(), budget));
  ends.second.Close();
  // It may fill the pipe before it answers, and answers only once it is empty.
  std::future<absl::StatusOr<Stream>> kept =
      std::async(std::launch::async,
                 [&] { return KeepStream(ends.first.get(), path, budget); });
  const absl::Status begun =
      qmp->Run("migrate", {{"uri", absl::StrCat("fd:", kStateFd)}}, budget)
          .status();
  if (!begun.ok()) {
    // One that refuses has the other end still, and would keep it for ever.
    const Budget again(clock_, kLearnTimeout);
    const absl::Status closed =
        qmp->Run("closefd", {{"fdname", kStateFd}}, again).status();
    if (!closed.ok()) LogWarning(closed.message());
  }
  absl::StatusOr<Stream> stream = kept.get();
  RETURN_IF_ERROR(begun);
  if (!stream.ok()) {
    ends.first.Close();  // it hears nothing while it waits for a reader
    const Budget again(clock_, kLearnTimeout);
    const absl::Status cancelled =
        qmp->Run("migrate_cancel", Json::object(), again).status();
    if (!cancelled.ok()) LogWarning(cancelled.message());
    return stream.status();
  }
  RETURN_IF_ERROR(qmp->AwaitMigration(budget));
  return stream;
}

absl::Status Machine::Release(const Budget& budget) {
  device_ = nullptr;
  if (given_) {
    // It never ran: there is nothing in it that is not saved.
    if (absl::Status launched = LaunchNext(); !launched.ok()) {
      LogWarning(launched.message());  // it is tried again when it is wanted
      EndNext(Qemu());
    }
    return absl::OkStatus();
  }
  return End(running_, budget);
}

absl::Status Machine::End(Qemu& qemu, const Budget& budget) {
  if (!processes_.Alive(qemu.process)) return absl::OkStatus();
  const absl::StatusOr<Qmp*> qmp = Monitor(qemu, budget);
  // It ends whether it says so or not.
  if (qmp.ok() && (*qmp)->Run("quit", Json::object(), budget).ok()) {
    const Budget quit(clock_, std::min(budget.Left(), kQuitTimeout));
    if (processes_.AwaitEnd(qemu.process, quit).ok()) {
      qemu.monitor = nullptr;
      return absl::OkStatus();
    }
  }
  qemu.monitor = nullptr;
  processes_.Kill(qemu.process);
  return processes_.AwaitEnd(qemu.process, Budget(clock_, kKillTimeout));
}

// ---- in ----

absl::Status Machine::GiveDevice(Qmp& qmp, const Budget& budget) {
  Json device = Json::object();
  for (const auto& [name, value] : line_.device) {
    const auto type = property_types_.find(name);
    device[name] =
        Typed(value, type == property_types_.end() ? "str" : type->second);
  }
  return qmp.Run("device_add", device, budget).status();
}

absl::Status Machine::PourInto(Qmp& qmp, const Stream& stream,
                               const Budget& budget) {
  ASSIGN_OR_RETURN(auto ends, Pipe());
  RETURN_IF_ERROR(qmp.Give(kStateFd, ends.first.get(), budget));
  ends.first.Close();
  const Json arguments = {{"uri", absl::StrCat("fd:", kStateFd)},
                          {"exit-on-error", false}};
  RETURN_IF_ERROR(qmp.Run("migrate-incoming", arguments, budget).status());
  // Where it does not take all, it says why.
  absl::Status poured = PourStream(stream, ends.second.get(), budget);
  ends.second.Close();
  // Looked for while QEMU loads what it was given; who needs it hears whether
  // it was found.
  static_cast<void>(HeldDevice(budget));
  RETURN_IF_ERROR(qmp.AwaitMigration(budget));
  return poured;
}

// Whatever went wrong while the state was given, in the words of all who know.
absl::Status Machine::Refused(const absl::Status& status) const {
  if (status.code() == absl::StatusCode::kDeadlineExceeded) return status;
  const std::string complaints = ComplaintsOf(next_);
  return ErrorWithReason(
      absl::StatusCode::kFailedPrecondition, "STREAM_REFUSED",
      absl::StrCat("machine '", options_.name.guest, "' cannot be restored: ",
                   status.message(), ItWrote(complaints)));
}

absl::Status Machine::Restore(const Stream& stream, const Budget& budget) {
  // Guests stand meanwhile, and the stream is not needed at once.
  std::future<absl::Status> checked =
      std::async(std::launch::async, [&stream] { return CheckStream(stream); });
  // One that was given the device before may have anything in it.
  RETURN_IF_ERROR(StartNext(budget));
  ASSIGN_OR_RETURN(Qmp* const qmp, Monitor(next_, budget));
  given_ = true;
  device_ = nullptr;
  if (absl::Status added = GiveDevice(*qmp, budget); !added.ok()) {
    return Refused(added);
  }
  RETURN_IF_ERROR(checked.get());
  if (absl::Status poured = PourInto(*qmp, stream, budget); !poured.ok()) {
    return Refused(poured);
  }
  // QEMU leaves RESUMING only when the guest goes on, and a refusal then is a
  // reset and a line on stderr: so it is we who leave it.
  ASSIGN_OR_RETURN(Device* const device, HeldDevice(budget));
  if (absl::Status settled = SettleDevice(*device); !settled.ok()) {
    return Refused(settled);
  }
  if (!ComplaintsOf(next_).empty()) {
    return Refused(absl::FailedPreconditionError("it complains"));
  }
  return absl::OkStatus();
}

absl::Status Machine::Adopt(const Budget& budget) {
  if (!given_) return absl::OkStatus();
  // It never ran, so what was saved is still all of it.
  if (!processes_.Alive(next_.process)) {
    return ErrorWithReason(
        absl::StatusCode::kUnavailable, "SOCKET_CLOSED",
        absl::StrCat("the next QEMU of '", options_.name.guest,
                     "' has ended before it ran",
                     ItWrote(ComplaintsOf(next_))));
  }
  // It may have been renamed by a shim that died then.
  if (access(next_.socket.c_str(), F_OK) != 0) {
    next_.socket = options_.name.qmp;
  }
  RETURN_IF_ERROR(LetRun(next_, budget));
  // Whoever looks for the machine finds it where it was.
  if (next_.socket != options_.name.qmp &&
      rename(next_.socket.c_str(), options_.name.qmp.c_str()) != 0) {
    return ErrorWithReason(
        absl::StatusCode::kUnavailable, "SOCKET_CLOSED",
        absl::StrCat("cannot rename '", next_.socket, "' to '",
                     options_.name.qmp,
                     "': ", std::generic_category().message(errno)));
  }
  running_ = std::move(next_);
  running_.socket = options_.name.qmp;
  next_ = {};
  given_ = false;
  return absl::OkStatus();
}

absl::Status Machine::Resume(const Budget& budget) {
  if (was_running_) {
    // One that runs already takes it well.
    ASSIGN_OR_RETURN(Qmp* const qmp, Monitor(running_, budget));
    RETURN_IF_ERROR(qmp->Run("cont", Json::object(), budget).status());
    resumed_ = clock_.Monotonic();
  }
  stopped_ = false;
  return absl::OkStatus();
}

absl::Status Machine::Confirm(const Budget& budget) {
  const Budget going(clock_, resumed_ + kGetsGoing - clock_.Monotonic());
  poll(nullptr, 0, going.AtMost(budget.Left() / 2).LeftMilliseconds());
  ASSIGN_OR_RETURN(Qmp* const qmp, Monitor(running_, budget));
  ASSIGN_OR_RETURN(const std::string status, qmp->Status(budget));
  const std::string complaints = ComplaintsOf(running_);
  const bool goes_on = status == "running" || !was_running_;
  if (goes_on && complaints.empty()) return absl::OkStatus();
  return ErrorWithReason(
      absl::StatusCode::kFailedPrecondition, "VGPU_NO_PROGRESS",
      absl::StrCat("machine '", options_.name.guest, "' is '", status, "'",
                   ItWrote(complaints)));
}

absl::StatusOr<Device*> Machine::HeldDevice(const Budget& budget) {
  static_cast<void>(budget);  // the kernel answers at once
  if (device_ == nullptr) {
    ASSIGN_OR_RETURN(device_, kernel_.DeviceOf(Held().process));
  }
  return device_.get();
}

std::string Machine::ComplaintsOf(const Qemu& qemu) {
  if (qemu.log.empty()) return "";
  std::vector<std::string> lines;
  // It may write without an end, also while it is read.
  const std::string text = ReadEnd(qemu.log, kComplaintBytesMax);
  for (absl::string_view line :
       absl::StrSplit(text, '\n', absl::SkipWhitespace())) {
    if (IsComplaint(line)) lines.emplace_back(line);
  }
  if (lines.size() > kComplaintLinesMax) {
    lines.erase(lines.begin(),
                lines.end() - static_cast<ptrdiff_t>(kComplaintLinesMax));
  }
  return absl::StrJoin(lines, " | ");
}

// ---- another life ----

std::string Machine::Record() const { return Packed(*this); }

bool Machine::Recall(const std::string& record, core::Phase phase) {
  if (!Unpack(record, *this)) return false;
  program_.argv = line_.next;
  next_.socket = next_.bound;
  // It may have been stopped, and nobody wrote that down.
  stopped_ = phase != core::Phase::kRuns;
  return true;
}

}  // namespace baton::vfio
