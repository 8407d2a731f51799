#ifndef DRIVER_SHIM_PORT_DRIVER_PROCESS_H_
#define DRIVER_SHIM_PORT_DRIVER_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "driver-shim/port/adapter_port.h"
#include "driver-shim/port/device.h"
#include "driver-shim/port/host_protocol.h"
#include "driver-shim/port/hostility.h"
#include "driver-shim/port/named_memory.h"
#include "driver-shim/port/rules.h"

namespace baton::port {

// The shim's hold on one driver host. Whatever a driver does in there, here it
// is an answer or an error with a cause. Confined to one thread.
//
// A host in which no driver was loaded yet dies with the thread that started
// it. Afterwards it lives on without: whoever comes next attaches to it.
class DriverProcess {
 public:
  // What it faults in before it answers: all of its memory, to write, or what
  // it may be handed, to read.
  enum class Touch { kAll, kSaved };

  struct Options {
    // What is started with kHostFlag; by default this very program.
    std::string executable = "/proc/self/exe";
    // What it is known by: the path of its status, in a folder that nobody else
    // may write to. Beside it lies its socket. Both go with this object.
    std::string name = "";
    int memory_fd = -1;
    int index_fd = -1;
    std::string image = "";  // path
    std::vector<Bar> bars = {};
    std::string interrupts = "";  // path of the FIFO
    Touch touch = Touch::kAll;
    // Looked at before each command; null: none. Outlives the process.
    const Hostility* hostility = nullptr;
  };

  struct Answer {
    NTSTATUS nt_status = STATUS_SUCCESS;
    uint32_t gpup_caps = 0;
    std::vector<CensusAnswer> census = {};
  };

  // Starts a driver host and has it open the image, both within `timeout`.
  //
  // Errors: those of Call(); and
  //   UNAVAILABLE          it cannot be started; reason DRIVER_NOT_STARTED
  //   FAILED_PRECONDITION  the image cannot be opened; reason
  //                        IMAGE_NOT_LOADABLE
  static absl::StatusOr<std::unique_ptr<DriverProcess>> Start(
      const Options& options, const Clock& clock, absl::Duration timeout);

  // What the shim before knew of a driver host when it last wrote that down.
  struct Known {
    uint64_t sequence = 0;  // of the last command
    bool busy = false;      // it had not been answered
  };

  // Takes hold of a driver host that another shim started. Does not block: what
  // it is at is found out by the first call. If it has carried out a command
  // since then, nobody has heard of that one's answer: it is given to the first
  // Call() of the same command, which is not carried out twice.
  //
  // Errors:
  //   ABORTED      it is dead, reason DRIVER_CRASHED; the message says of what
  //   UNAVAILABLE  its status cannot be read; reason FILE_UNREADABLE
  static absl::StatusOr<std::unique_ptr<DriverProcess>> Attach(
      const std::string& name, const Known& known, const Clock& clock);

  // Ends whoever is known by a name in `folder`, but for the one named `but`,
  // and takes the names away.
  static void EndAll(const std::string& folder, const std::string& but);

  // Ends it, however it is.
  ~DriverProcess();
  DriverProcess(const DriverProcess&) = delete;
  DriverProcess& operator=(const DriverProcess&) = delete;

  // Has a command carried out. `extra` follows the request in the packet.
  //
  // Errors:
  //   INTERNAL           an entry point returned an error, reason
  //                      DRIVER_REFUSED; or broke a rule, reason RULE_BROKEN
  //   ABORTED            the process died, reason DRIVER_CRASHED
  //   DEADLINE_EXCEEDED  no answer in time, reason DRIVER_HUNG: busy() from
  //                      now on, and AwaitLate() may still get the answer
  absl::StatusOr<Answer> Call(HostCommand command, absl::Duration timeout);
  absl::StatusOr<Answer> Census(HostCommand command, uint32_t functions,
                                absl::Duration timeout);
  absl::StatusOr<Answer> CreateVirtualGpus(const std::vector<WantedGpu>& wanted,
                                           absl::Duration timeout);
  absl::StatusOr<Answer> DestroyVirtualGpus(
      const std::vector<WantedGpu>& unwanted, absl::Duration timeout);

  // Has a command carried out without waiting for it: AwaitLate() gets the
  // answer. After Attach(), waits at most `timeout` for what the host says
  // first, which is no answer to this. Errors: ABORTED, DEADLINE_EXCEEDED, as
  // Call()
  absl::Status Begin(HostCommand command, absl::Duration timeout);

  // Waits for the answer to a call that came to DRIVER_HUNG, or to what was
  // begun. Errors as Call().
  absl::StatusOr<Answer> AwaitLate(absl::Duration timeout);

  // The command whose answer nobody has heard of, see Attach(), once it has
  // been waited for; nullopt when there is none. Call() of another drops it.
  std::optional<HostCommand> Unheard(absl::Duration timeout);

  // From now on no block is saved any more, even inside a Save that hangs.
  void RefuseSaves();
  void AllowSaves();

  // Whether an answer is outstanding.
  bool busy() const { return busy_; }
  // For Attach().
  const std::string& name() const { return name_; }
  Known known() const { return {sequence_, busy_}; }
  // Whether it can be called. Notices a death. Does not block.
  bool Alive();
  // Ends it at once, and waits until it is gone.
  void Kill();
  // For one that runs no driver any more, where the time counts: it does
  // nothing from now on, but stays. Retire() ends it.
  void Freeze();
  // Ends it without waiting. Alive() tells when it is gone.
  void Retire();

  // The entry point that failed last, or that hangs; "" when none did.
  const std::string& failed_entry_point() const { return failed_; }
  // What a driver's entry point returned, if it failed so.
  std::optional<uint32_t> failed_nt_status() const { return nt_status_; }
  // Blocks that the driver had saved when it answered last.
  uint32_t saved_blocks() const { return saved_blocks_; }
  // How long the driver's code has run since the last command was given,
  // interrupts that were served since then included. Works on the dead.
  absl::Duration driver_time() const {
    return absl::Nanoseconds(status().driver_ns - driver_ns_);
  }
  // Page faults that the last command took.
  uint64_t page_faults() const { return page_faults_; }
  // Waits until it dies, at most `timeout`. Returns whether it did.
  bool AwaitDeath(absl::Duration timeout);
  // Allocations that the last command tried. Works on the dead.
  uint32_t allocations() const { return status().allocations; }
  // The rule that the last command broke, or that was broken since the one
  // before it: by an interrupt or a DPC. The latter fails no command, but is
  // the driver's all the same; failed_entry_point() says where.
  const Verdict& broken_rule() const { return told_; }
  // The calls of the last command. Work on the dead.
  std::vector<EntryPointCall> Calls() const;
  std::vector<EntryPoint> EntryPoints() const;
  // The driver's last lines, oldest first. Works on the dead.
  std::vector<std::string> LastLines() const;

 private:
  DriverProcess(const Clock& clock, std::string name,
                std::unique_ptr<NamedMemory> status)
      : clock_(clock),
        name_(std::move(name)),
        status_memory_(std::move(status)) {}

  absl::Status Connect();
  absl::Status Hear(absl::Duration timeout);
  absl::Status Spawn(const Options& options);
  absl::StatusOr<Answer> CallWith(HostCommand command,
                                  const std::vector<WantedGpu>& gpus,
                                  absl::Duration timeout);
  absl::Status Send(const std::vector<std::byte>& packet);
  absl::StatusOr<Answer> Exchange(const std::vector<std::byte>& packet,
                                  absl::Duration timeout);
  absl::StatusOr<Answer> Await(absl::Duration timeout);
  absl::StatusOr<Answer> Judge(const HostReply& reply,
                               std::vector<CensusAnswer> census);
  absl::Status Died();
  absl::Status Hung(absl::Duration waited);
  absl::Status NoteRule(const BrokenRule& broken);
  void NoteRuleUnasked();
  void NoteLines();
  void Reap();
  std::string HowItDied() const;
  HostStatus& status() const {
    return *reinterpret_cast<HostStatus*>(status_memory_->data());
  }

  // What another shim's host did when nobody listened.
  struct Untold {
    HostCommand command = HostCommand::kOpen;
    absl::StatusOr<Answer> answer;
  };

  const Clock& clock_;
  const std::string name_;
  const std::unique_ptr<NamedMemory> status_memory_;
  const Hostility* hostility_ = nullptr;
  int process_ = -1;  // pidfd; -1 once it is gone
  pid_t child_ = -1;  // -1 when another shim started it, or it was waited for
  std::optional<int> exit_status_ = std::nullopt;
  bool attaching_ = false;  // it has not said yet where it stands
  std::optional<Untold> untold_ = std::nullopt;
  int socket_ = -1;
  // What was received last. One for all: its pages are touched.
  std::vector<std::byte> packet_ = std::vector<std::byte>(kPacketBytesMax);
  uint64_t sequence_ = 0;
  HostCommand last_ = HostCommand::kOpen;  // that was answered
  bool busy_ = false;
  uint64_t lines_logged_ = 0;
  uint32_t saved_blocks_ = 0;
  uint64_t page_faults_ = 0;
  int64_t driver_ns_ = 0;        // when the last command was given
  Verdict told_ = std::nullopt;  // the broken rule
  std::string failed_ = "";
  std::optional<uint32_t> nt_status_ = std::nullopt;
};

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_DRIVER_PROCESS_H_
