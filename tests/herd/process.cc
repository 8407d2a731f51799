#include "tests/herd/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "base/check.h"

namespace baton::herd {
namespace {

std::vector<char*> Pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

Process::Process(const std::vector<std::string>& arguments,
                 const std::vector<std::string>& environment,
                 const std::string& log) {
  int ends[2];
  CHECK(::pipe2(ends, O_CLOEXEC) == 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log.c_str(),
                                   O_WRONLY | O_CREAT | O_APPEND, 0644);
  std::vector<std::string> words = arguments;
  std::vector<std::string> variables = environment;
  for (char** each = environ; *each != nullptr; ++each) {
    variables.emplace_back(*each);
  }
  CHECK(posix_spawn(&pid_, words.front().c_str(), &actions, nullptr,
                    Pointers(words).data(), Pointers(variables).data()) == 0);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  out_ = ends[0];
}

Process::~Process() {
  Kill();
  ::close(out_);
}

bool Process::AwaitReady() {
  char byte = 0;
  while (::read(out_, &byte, 1) == 1) {
    if (byte == '\n') return true;
  }
  return false;
}

bool Process::AwaitEnd(absl::Duration most) {
  pollfd end = {.fd = out_, .events = 0, .revents = 0};
  const int ready =
      ::poll(&end, 1, static_cast<int>(absl::ToInt64Milliseconds(most)));
  return ready > 0 && (end.revents & POLLHUP) != 0;
}

void Process::Kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(std::exchange(pid_, -1), nullptr, 0);
}

}  // namespace baton::herd
