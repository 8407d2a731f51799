#include "agent/host/command.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/reason.h"

namespace baton::agent {
namespace {

absl::Status Failed(const Command& command, absl::string_view what) {
  return ErrorWithReason(absl::StatusCode::kFailedPrecondition,
                         "COMMAND_FAILED",
                         absl::StrCat("command '", command.path, " ",
                                      command.argument, "' ", what));
}

std::string CauseOf(int error) {
  return std::error_code(error, std::generic_category()).message();
}

// A running command: its process and our end of its stdout.
class Child {
 public:
  Child(const Command& command, const Clock& clock)
      : command_(command),
        clock_(clock),
        until_(clock.Monotonic() + command.deadline) {}

  ~Child() {
    EndGroup();
    if (pid_ > 0 && !reaped_) waitpid(pid_, nullptr, 0);
    for (const int fd : {input_, output_, process_}) {
      if (fd >= 0) close(fd);
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  absl::Status Start();
  absl::StatusOr<std::string> Finish();

 private:
  // Whatever it left behind in its group goes with it. Only while it was not
  // waited for: its number may be another's afterwards.
  void EndGroup() const {
    if (pid_ > 0 && !reaped_) kill(-pid_, SIGKILL);
  }
  int Spawn(int write_end);
  absl::Status Wait(int fd);
  absl::Status ReadAll(std::string& out);

  const Command& command_;
  const Clock& clock_;
  const absl::Duration until_;
  int input_ = -1;
  int output_ = -1;
  int process_ = -1;
  pid_t pid_ = -1;
  bool reaped_ = false;
};

// Returns 0 or the error's number.
int Child::Spawn(int write_end) {
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, input_, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&files, write_end, STDOUT_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // The signals that this process waits for must not be held from the command,
  // nor the one that it ignores.
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  sigset_t ignored = none;
  sigaddset(&ignored, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &ignored);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP |
                                            POSIX_SPAWN_SETSIGMASK |
                                            POSIX_SPAWN_SETSIGDEF);
  std::string path = command_.path;
  std::string argument = command_.argument;
  char* const arguments[] = {path.data(), argument.data(), nullptr};
  const int error =
      posix_spawn(&pid_, path.c_str(), &files, &attributes, arguments, environ);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return error;
}

absl::Status Child::Start() {
  // In memory and whole: a command that does not read it blocks nobody.
  input_ = memfd_create("baton-command", MFD_CLOEXEC);
  const std::string& text = command_.input;
  if (input_ < 0 || pwrite(input_, text.data(), text.size(), 0) !=
                        static_cast<ssize_t>(text.size())) {
    return Failed(command_, absl::StrCat("has no input: ", CauseOf(errno)));
  }
  int ends[2] = {-1, -1};
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return Failed(command_, absl::StrCat("has no output: ", CauseOf(errno)));
  }
  output_ = ends[0];
  const int error = Spawn(ends[1]);
  close(ends[1]);
  if (error != 0) {
    pid_ = -1;
    return Failed(command_,
                  absl::StrCat("cannot be started: ", CauseOf(error)));
  }
  process_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  if (process_ < 0) {
    return Failed(command_, absl::StrCat("is lost: ", CauseOf(errno)));
  }
  return absl::OkStatus();
}

// Returns once `fd` has something to say, or the deadline has passed.
absl::Status Child::Wait(int fd) {
  for (;;) {
    const absl::Duration left = until_ - clock_.Monotonic();
    if (left <= absl::ZeroDuration()) {
      return ErrorWithReason(
          absl::StatusCode::kDeadlineExceeded, "COMMAND_TOO_SLOW",
          absl::StrCat("command '", command_.path, " ", command_.argument,
                       "' took longer than ",
                       absl::FormatDuration(command_.deadline),
                       " and was killed; what it did is unknown"));
    }
    pollfd waited = {fd, POLLIN, 0};
    const auto ms = static_cast<int>(absl::ToInt64Milliseconds(
        std::min(absl::Ceil(left, absl::Milliseconds(1)), absl::Hours(1))));
    if (poll(&waited, 1, ms) > 0) return absl::OkStatus();
  }
}

absl::Status Child::ReadAll(std::string& out) {
  char piece[4096];
  for (;;) {
    if (absl::Status ready = Wait(output_); !ready.ok()) return ready;
    const ssize_t got = read(output_, piece, sizeof(piece));
    if (got == 0) return absl::OkStatus();
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Failed(command_, CauseOf(errno));
    out.append(piece, static_cast<size_t>(got));
    if (out.size() > kCommandOutputBytesMax) {
      return Failed(command_, absl::StrCat("wrote more than ",
                                           kCommandOutputBytesMax, " bytes"));
    }
  }
}

absl::StatusOr<std::string> Child::Finish() {
  std::string out;
  if (absl::Status read = ReadAll(out); !read.ok()) return read;
  if (absl::Status ended = Wait(process_); !ended.ok()) return ended;
  EndGroup();
  int how = 0;
  if (waitpid(pid_, &how, 0) != pid_) {
    return Failed(command_, absl::StrCat("is lost: ", CauseOf(errno)));
  }
  reaped_ = true;
  if (WIFSIGNALED(how)) {
    return Failed(command_,
                  absl::StrCat("was killed by signal ", WTERMSIG(how)));
  }
  if (WEXITSTATUS(how) != 0) {
    return Failed(command_, absl::StrCat("ended with code ", WEXITSTATUS(how),
                                         ", want 0"));
  }
  return out;
}

}  // namespace

absl::StatusOr<std::string> RunCommand(const Command& command,
                                       const Clock& clock) {
  Child child(command, clock);
  if (absl::Status started = child.Start(); !started.ok()) return started;
  return child.Finish();
}

}  // namespace baton::agent
