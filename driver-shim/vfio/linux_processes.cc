#include "driver-shim/vfio/linux_processes.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/log.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/vfio/fd.h"
#include "driver-shim/vfio/linux_standing.h"
#include "driver-shim/vfio/proc_files.h"

namespace baton::vfio {
namespace {

// How long a child may look at a machine's files.
constexpr absl::Duration kTryFor = absl::Seconds(1);
// How long it may take to become a program: its control group is another's, who
// may freeze it.
constexpr absl::Duration kStartFor = absl::Seconds(5);

absl::Status NotStarted(const std::string& program, absl::string_view why) {
  return ErrorWithReason(absl::StatusCode::kUnavailable, "PROCESS_NOT_STARTED",
                         absl::StrCat("cannot start '", program, "': ", why));
}

std::string TextOf(int error) { return std::generic_category().message(error); }

// What the process that becomes the program tells the one that waits: its pid
// before it tries, an errno where it could not, and what that was: a text that
// lies at the same place in both.
struct Word {
  int pid = 0;
  int error = 0;
  const char* what = "";
};

void Tell(int fd, const Word& word) {
  const ssize_t put = write(fd, &word, sizeof word);
  static_cast<void>(put);  // whoever waits sees the end of the pipe
}

// Texts as exec wants them.
struct Words {
  explicit Words(const std::vector<std::string>& texts) {
    for (const std::string& text : texts) {
      pointers.push_back(const_cast<char*>(text.c_str()));
    }
    pointers.push_back(nullptr);
  }
  std::vector<char*> pointers;
};

// A program's texts, made before the fork: after it nothing may allocate.
struct Texts {
  explicit Texts(const Program& program)
      : argv(program.argv),
        environment(program.environment),
        oom_score_adj(absl::StrCat(program.oom_score_adj)) {}
  Words argv;
  Words environment;
  std::string oom_score_adj;
};

// The texts of a file of /proc, each of which ends with a zero.
std::vector<std::string> TextsOf(const Process& process,
                                 absl::string_view name) {
  const auto text = ReadFile(absl::StrCat("/proc/", process.pid, "/", name));
  std::vector<std::string> texts =
      absl::StrSplit(text.value_or(""), '\0', absl::AllowEmpty());
  if (!texts.empty() && texts.back().empty()) texts.pop_back();
  return texts;
}

// The kernel's texts on those descriptors of a process that are of that file.
std::vector<std::string> DescriptorsOn(const struct stat& file,
                                       const Process& process) {
  std::vector<std::string> texts;
  const std::string folder = absl::StrCat("/proc/", process.pid);
  for (const std::string& fd : NamesIn(absl::StrCat(folder, "/fd"))) {
    struct stat one = {};
    const bool same =
        stat(absl::StrCat(folder, "/fd/", fd).c_str(), &one) == 0 &&
        one.st_dev == file.st_dev && one.st_ino == file.st_ino;
    if (!same) continue;
    texts.push_back(
        ReadFile(absl::StrCat(folder, "/fdinfo/", fd)).value_or(""));
  }
  return texts;
}

// "flags:\t0100002", octal: one that only names a file (O_PATH) is to be had by
// whoever may not open it.
bool OpensIt(absl::string_view text) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(text, absl::MaxSplits("flags:\t", 1));
  if (parts.second.empty()) return false;
  const std::string flags(parts.second.substr(0, parts.second.find('\n')));
  return (std::strtoull(flags.c_str(), nullptr, 8) & O_PATH) == 0;
}

void ResetSignals() {
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
  signal(SIGPIPE, SIG_DFL);
}

// As far as it is allowed: whoever may not raise them started without.
void TakeWeight(int nice, const std::string& oom_score_adj) {
  setpriority(PRIO_PROCESS, 0, nice);
  const int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  const ssize_t put = write(file, oom_score_adj.data(), oom_score_adj.size());
  static_cast<void>(put);
  close(file);
}

// We are root still, and the path is the user's to change. What the kernel
// wrote of a directory has no links: where it has one now, it is another.
bool Enters(const char* directory) {
  open_how how = {};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_NO_SYMLINKS;
  const auto fd = static_cast<int>(
      syscall(SYS_openat2, AT_FDCWD, directory, &how, sizeof how));
  return fd >= 0 && fchdir(fd) == 0;
}

// Between fork and exec: system calls alone.
[[noreturn]] void Become(const Program& program, const Texts& texts,
                         const Becoming& becoming, int log, int told) {
  if (setsid() < 0 || fork() != 0) _exit(0);
  ResetSignals();
  TakeWeight(program.nice, texts.oom_score_adj);
  const int nothing = open("/dev/null", O_RDWR);
  dup2(nothing, STDIN_FILENO);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  Tell(told, {.pid = getpid()});
  const char* what = "directory";
  // While we may: it was there before it became whom it is.
  if (Enters(program.directory.c_str())) {
    what = becoming.Take(program.without_places);
    if (what == nullptr) {
      what = "program";
      execvpe(texts.argv.pointers.front(), texts.argv.pointers.data(),
              texts.environment.pointers.data());
    }
  }
  Tell(told, {.pid = getpid(), .error = errno, .what = what});
  _exit(127);
}

// Says of each path whether it may be used, in a child that has taken its
// standing.
[[noreturn]] void TryPaths(const Becoming& becoming,
                           const std::vector<const char*>& paths, int told) {
  // A control group that is not to be had is not named here: the start does.
  static_cast<void>(becoming.TakeCgroups());
  if (becoming.TakeUser() != nullptr) _exit(1);
  uint64_t refused = 0;
  for (size_t i = 0; i < paths.size(); ++i) {
    struct stat file = {};
    const bool folder = stat(paths[i], &file) == 0 && S_ISDIR(file.st_mode);
    const int mode = folder ? W_OK | X_OK : R_OK | W_OK;
    // Not access(): that asks for the real user, without capabilities.
    if (syscall(SYS_faccessat2, AT_FDCWD, paths[i], mode, AT_EACCESS) != 0) {
      refused |= uint64_t{1} << i;
    }
  }
  const ssize_t put = write(told, &refused, sizeof refused);
  _exit(put == sizeof refused ? 0 : 1);
}

// What it told of paths; nothing where it does not in time.
std::optional<uint64_t> HearOfPaths(int told) {
  pollfd one = {.fd = told, .events = POLLIN, .revents = 0};
  const auto bound = static_cast<int>(absl::ToInt64Milliseconds(kTryFor));
  int ready = 0;
  while ((ready = poll(&one, 1, bound)) < 0 && errno == EINTR) {
  }
  uint64_t refused = 0;
  const bool heard =
      ready == 1 && read(told, &refused, sizeof refused) == sizeof refused;
  return heard ? std::optional<uint64_t>(refused) : std::nullopt;
}

void Reap(pid_t child) {
  while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
}

// The last word of whoever holds the other end; as of one that could not where
// that is held for too long.
Word Hear(int fd) {
  const Budget budget(RealClock(), kStartFor);
  Word word;
  Word next;
  while (true) {
    pollfd one = {.fd = fd, .events = POLLIN, .revents = 0};
    const int ready = poll(&one, 1, budget.LeftMilliseconds());
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) return {word.pid, ETIMEDOUT, "start"};
    if (read(fd, &next, sizeof next) != static_cast<ssize_t>(sizeof next)) {
      return word;
    }
    word = next;
  }
}

class LinuxProcesses final : public Processes {
 public:
  absl::StatusOr<Process> Launch(const Program& program,
                                 const std::string& log) override {
    if (program.argv.empty()) return NotStarted("", TextOf(EINVAL));
    const std::string& name = program.argv.front();
    const Texts texts(program);
    ASSIGN_OR_RETURN(const Becoming becoming, BecomingOf(program));
    const Fd file(open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                       S_IRUSR | S_IWUSR));
    int ends[2] = {-1, -1};
    if (!file.ok() || pipe2(ends, O_CLOEXEC) != 0) {
      return NotStarted(name, TextOf(errno));
    }
    const Fd heard(ends[0]);
    Fd told(ends[1]);
    const pid_t child = fork();
    if (child == 0) {
      Become(program, texts, becoming, file.get(), told.get());
    }
    told.Close();
    if (child < 0) return NotStarted(name, TextOf(errno));
    const Word word = Hear(heard.get());
    Reap(child);
    if (word.error != 0) {
      // Only one that hangs is it still, and no other with its number.
      const auto stuck =
          word.error == ETIMEDOUT ? Find(word.pid) : std::nullopt;
      if (stuck.has_value()) Kill(*stuck);
      return NotStarted(name,
                        absl::StrCat(word.what, ": ", TextOf(word.error)));
    }
    const std::optional<Process> started = Find(word.pid);
    if (!started.has_value()) return NotStarted(name, TextOf(ESRCH));
    if (absl::Status same = Same(program, *started); !same.ok()) {
      Kill(*started);
      return same;
    }
    return *started;
  }

  std::optional<Process> Find(int pid) override {
    if (pid <= 0) return std::nullopt;
    const auto stat = ReadFile(absl::StrCat("/proc/", pid, "/stat"));
    if (!stat.has_value()) return std::nullopt;
    // The command, in brackets, may hold anything.
    const size_t end = stat->rfind(')');
    if (end == std::string::npos) return std::nullopt;
    const std::vector<std::string> fields =
        absl::StrSplit(stat->substr(end + 1), ' ', absl::SkipEmpty());
    constexpr size_t kState = 0;
    constexpr size_t kStart = 19;
    Process process = {.pid = pid};
    const bool lives = fields.size() > kStart && fields[kState] != "Z" &&
                       fields[kState] != "X" &&
                       absl::SimpleAtoi(fields[kStart], &process.start);
    if (!lives) return std::nullopt;
    return process;
  }

  Program ProgramOf(const Process& process) override {
    Program program = {
        .argv = TextsOf(process, "cmdline"),
        .environment = TextsOf(process, "environ"),
        .directory = ReadLink(absl::StrCat("/proc/", process.pid, "/cwd")),
        .nice = getpriority(PRIO_PROCESS, static_cast<id_t>(process.pid)),
        .oom_score_adj = std::atoi(
            ReadFile(absl::StrCat("/proc/", process.pid, "/oom_score_adj"))
                .value_or("0")
                .c_str())};
    return Alive(process) ? program : Program();
  }

  std::optional<core::ProcessFacts> FactsOf(const Process& process) override {
    std::optional<core::ProcessFacts> facts = vfio::FactsOf(process.pid);
    if (!Alive(process)) return std::nullopt;
    return facts;
  }

  std::optional<core::ProcessFacts> OwnFacts() override {
    return vfio::FactsOf(getpid());
  }

  std::vector<std::string> OutOfReach(
      const core::Standing& standing,
      const std::vector<std::string>& paths) override {
    if (StillHangs(paths)) return paths;
    const auto own = OwnFacts();
    int ends[2] = {-1, -1};
    if (!own.has_value() || pipe2(ends, O_CLOEXEC) != 0) return paths;
    const Fd heard(ends[0]);
    Fd told(ends[1]);
    const Becoming becoming(standing, own->standing);
    std::vector<const char*> names;
    names.reserve(paths.size());
    for (const std::string& path : paths) names.push_back(path.c_str());
    const pid_t child = fork();
    if (child == 0) TryPaths(becoming, names, told.get());
    told.Close();
    if (child < 0) return paths;
    const std::optional<uint64_t> refused = HearOfPaths(heard.get());
    if (!refused.has_value()) {
      kill(child, SIGKILL);
      hanging_[paths] = child;
      return paths;
    }
    Reap(child);
    std::vector<std::string> out;
    for (size_t i = 0; i < paths.size(); ++i) {
      if ((*refused >> i & 1) != 0) out.push_back(paths[i]);
    }
    return out;
  }

  std::optional<Process> PeerOf(int socket) override {
    ucred peer = {};
    socklen_t size = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
      return std::nullopt;
    }
    return Find(peer.pid);
  }

  std::optional<uint32_t> PeerUserOf(int socket) override {
    ucred peer = {};
    socklen_t size = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
      return std::nullopt;
    }
    return peer.uid;
  }

  bool HasOpen(const Process& process, int file) override {
    struct stat info = {};
    if (fstat(file, &info) != 0) return false;
    const std::vector<std::string> texts = DescriptorsOn(info, process);
    return std::any_of(texts.begin(), texts.end(), OpensIt) && Alive(process);
  }

  bool HasLocked(const Process& process, const std::string& path) override {
    struct stat info = {};
    if (!Alive(process) || stat(path.c_str(), &info) != 0) return false;
    const std::vector<std::string> texts = DescriptorsOn(info, process);
    // Only the description that was locked says so, not every open one.
    return std::any_of(texts.begin(), texts.end(), [](const std::string& text) {
      return absl::StrContains(text, "FLOCK");
    });
  }

  absl::Status AwaitEnd(const Process& process, const Budget& budget) override {
    const Fd fd(static_cast<int>(syscall(SYS_pidfd_open, process.pid, 0)));
    while (Alive(process)) {
      pollfd one = {.fd = fd.get(), .events = POLLIN, .revents = 0};
      const int got = poll(&one, 1, budget.LeftMilliseconds());
      if (got == 0) {
        return budget.Exceeded(
            absl::StrCat("the end of process ", process.pid));
      }
    }
    return absl::OkStatus();
  }

  void Kill(const Process& process) override {
    const Fd fd(static_cast<int>(syscall(SYS_pidfd_open, process.pid, 0)));
    if (!fd.ok() || !Alive(process)) return;
    syscall(SYS_pidfd_send_signal, fd.get(), SIGKILL, nullptr, 0);
  }

  std::vector<Process> WithWord(const std::string& word) override {
    std::vector<Process> found;
    for (const int pid : Pids()) {
      const std::optional<Process> process = Find(pid);
      if (!process.has_value()) continue;
      const std::vector<std::string> words = TextsOf(*process, "cmdline");
      if (std::find(words.begin(), words.end(), word) != words.end()) {
        found.push_back(*process);
      }
    }
    return found;
  }

 private:
  bool StillHangs(const std::vector<std::string>& paths) {
    std::erase_if(hanging_, [](const auto& one) {
      return waitpid(one.second, nullptr, WNOHANG) != 0;
    });
    return hanging_.contains(paths);
  }

  absl::StatusOr<Becoming> BecomingOf(const Program& program) {
    if (!program.standing.has_value()) return Becoming();
    const auto own = OwnFacts();
    if (own.has_value()) return Becoming(*program.standing, own->standing);
    return NotStarted(program.argv.front(), "what we are is not to be read");
  }

  // Whether it has come to stand as it should. One that has ended does not
  // matter, whoever it was.
  absl::Status Same(const Program& program, const Process& started) {
    if (!program.standing.has_value()) return absl::OkStatus();
    auto facts = FactsOf(started);
    if (!facts.has_value()) {
      if (!Alive(started)) return absl::OkStatus();
      return NotStarted(program.argv.front(),
                        "what it has become is not to be read");
    }
    const core::Standing& wanted = *program.standing;
    core::Standing& got = facts->standing;
    std::string difference = core::DifferenceOf(got, wanted);
    if (!difference.empty() && program.without_places) {
      LogWarning(absl::StrCat("process ", started.pid, ", '",
                              program.argv.front(), "', goes on though ",
                              difference));
      got.cgroups = wanted.cgroups;
      got.processors = wanted.processors;
      got.policy = wanted.policy;
      got.priority = wanted.priority;
      difference = core::DifferenceOf(got, wanted);
    }
    if (difference.empty()) return absl::OkStatus();
    return NotStarted(program.argv.front(), difference);
  }

  // Who was sent to look at which paths, and was killed: where the kernel waits
  // for a server, that ends it only later.
  std::map<std::vector<std::string>, pid_t> hanging_;
};

}  // namespace

std::unique_ptr<Processes> OpenProcesses() {
  return std::make_unique<LinuxProcesses>();
}

}  // namespace baton::vfio
