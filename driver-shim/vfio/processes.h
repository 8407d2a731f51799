#ifndef DRIVER_SHIM_VFIO_PROCESSES_H_
#define DRIVER_SHIM_VFIO_PROCESSES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "driver-shim/port/record_codec.h"
#include "driver-shim/vfio/budget.h"
#include "driver-shim/vfio/core/standing.h"

namespace baton::vfio {

// One process of this boot, for ever: a pid alone may come again.
struct Process {
  int pid = 0;         // 0: none
  uint64_t start = 0;  // field 22 of /proc/PID/stat, clock ticks after boot

  bool operator==(const Process&) const = default;
};

template <typename Archive, port::Of<Process> T>
void Fields(Archive& archive, T& process) {
  archive(process.pid, process.start);
}

// What a process was started as.
struct Program {
  std::vector<std::string> argv = {};
  std::vector<std::string> environment = {};  // "NAME=value"
  std::string directory = "/";                // where it works
  // What it may take of others: a shim's own is no measure for it.
  int nice = 0;
  int oom_score_adj = 0;
  // As whom, and within what; nothing: as we are.
  std::optional<core::Standing> standing = std::nullopt;
  // Better without its places, which are control groups and processors, than
  // not at all.
  bool without_places = false;
};

// Starts processes that outlive this one, and looks at others. Confined to one
// thread.
class Processes {
 public:
  virtual ~Processes() = default;

  // Starts a program in a session of its own, no child of ours, with nothing on
  // stdin, and stdout and stderr appended to the file `log`, which we open. One
  // that does not come to stand as it should is ended; of places that it may do
  // without, the log tells.
  // Errors: UNAVAILABLE, reason PROCESS_NOT_STARTED
  virtual absl::StatusOr<Process> Launch(const Program& program,
                                         const std::string& log) = 0;

  // The process that has `pid` now; nothing where none has, or has ended.
  virtual std::optional<Process> Find(int pid) = 0;
  bool Alive(const Process& process) { return Find(process.pid) == process; }

  // What it was started as; without argv where it is gone.
  virtual Program ProgramOf(const Process& process) = 0;

  // What it is to the kernel now; nothing where that cannot be told.
  virtual std::optional<core::ProcessFacts> FactsOf(const Process& process) = 0;
  virtual std::optional<core::ProcessFacts> OwnFacts() = 0;

  // Those of `paths` that somebody of that standing may not read and write, or
  // in which, being folders, may not make files; all where that is not found
  // out within a second. At most 64.
  virtual std::vector<std::string> OutOfReach(
      const core::Standing& standing,
      const std::vector<std::string>& paths) = 0;

  // The process that listens at the other end of a connected unix socket;
  // nothing where it has ended.
  virtual std::optional<Process> PeerOf(int socket) = 0;

  // Who that was when it began to listen; nothing where that cannot be told.
  virtual std::optional<uint32_t> PeerUserOf(int socket) = 0;

  // Whether it has the very file open that our descriptor `file` is of: to
  // read or write it, not only to name it.
  virtual bool HasOpen(const Process& process, int file) = 0;

  // Whether a descriptor of it has the lock (flock) of the file at `path`.
  virtual bool HasLocked(const Process& process, const std::string& path) = 0;

  // Waits until it has ended. Errors: DEADLINE_EXCEEDED, STEP_TOO_SLOW
  virtual absl::Status AwaitEnd(const Process& process,
                                const Budget& budget) = 0;

  // Ends it (SIGKILL), and whatever it holds is let go of. Does not wait.
  virtual void Kill(const Process& process) = 0;

  // Processes that have `word` in their command line.
  virtual std::vector<Process> WithWord(const std::string& word) = 0;
};

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_PROCESSES_H_
