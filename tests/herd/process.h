#ifndef TESTS_HERD_PROCESS_H_
#define TESTS_HERD_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/time/time.h"

namespace baton::herd {

// A child process whose stdout is read here. Killed when it goes.
class Process {
 public:
  // `environment`  NAME=VALUE, beside those of this process
  // `log`          file that its stderr is appended to
  Process(const std::vector<std::string>& arguments,
          const std::vector<std::string>& environment, const std::string& log);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Waits for its first line on stdout. Returns false when it ended before.
  bool AwaitReady();
  // Waits for its end, at most so long. Returns whether it ended.
  bool AwaitEnd(absl::Duration most);
  void Kill();

 private:
  pid_t pid_ = -1;
  int out_ = -1;
};

}  // namespace baton::herd

#endif  // TESTS_HERD_PROCESS_H_
