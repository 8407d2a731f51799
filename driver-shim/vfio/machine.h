#ifndef DRIVER_SHIM_VFIO_MACHINE_H_
#define DRIVER_SHIM_VFIO_MACHINE_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "driver-shim/port/record_codec.h"
#include "driver-shim/vfio/core/command_line.h"
#include "driver-shim/vfio/core_fields.h"
#include "driver-shim/vfio/holder.h"
#include "driver-shim/vfio/kernel.h"
#include "driver-shim/vfio/processes.h"
#include "driver-shim/vfio/qmp.h"

namespace baton::vfio {

// A virtual machine under QEMU that holds a vGPU. It is carried over by a
// second QEMU with the same command line: started beforehand without the
// device, on the same memory file, given the device once the new module is in,
// and the state that the first one saved. Only one of them may ever run:
// whoever does holds the memory's lock.
class Machine final : public Holder {
 public:
  struct Options {
    core::MachineName name = {};
    std::string log_directory = "";  // for stderr of the QEMUs that it starts
  };

  // All outlive this object.
  Machine(Options options, Kernel& kernel, Processes& processes,
          const Clock& clock);
  ~Machine() override;

  bool Present() override;
  bool CanReturn() override { return true; }  // in another QEMU
  std::vector<core::Blocker> Preflight() override;
  int Pid() override { return running_.process.pid; }
  absl::Status Prepare(const Budget& budget) override;
  void Dismiss() override;
  absl::Status Stop(const Budget& budget) override;
  absl::StatusOr<Stream> Save(const std::string& path,
                              const Budget& budget) override;
  absl::Status Release(const Budget& budget) override;
  absl::Status Restore(const Stream& stream, const Budget& budget) override;
  absl::Status Adopt(const Budget& budget) override;
  absl::Status Resume(const Budget& budget) override;
  absl::Status Confirm(const Budget& budget) override;
  absl::StatusOr<Device*> HeldDevice(const Budget& budget) override;
  std::string Record() const override;
  bool Recall(const std::string& record, core::Phase phase) override;

 private:
  // One QEMU.
  struct Qemu {
    Process process = {};
    std::string socket = "";  // where its monitor listens
    std::string bound =
        "";                // where it did at first: it unlinks that in the end
    std::string log = "";  // "" where somebody else started it
    std::unique_ptr<Qmp> monitor = nullptr;
    bool ready = false;  // set up to be handed a machine
    // As whom we started it.
    std::optional<core::Standing> standing = std::nullopt;
    // Of its memory, as it has it too; none once it has the lock by it.
    Fd memory = Fd();
  };

  // What another life must know, see record_codec.h.
  template <typename Archive, port::Of<Machine> Self>
  friend void Fields(Archive& archive, Self& self) {
    archive(self.line_.memory_path, self.line_.device, self.line_.next,
            self.line_.filters_itself, self.line_.blockers,
            self.program_.environment, self.program_.directory,
            self.program_.nice, self.program_.oom_score_adj,
            self.program_.standing, self.version_.first, self.version_.second,
            self.user_, self.given_, self.was_running_, self.next_.standing);
    for (auto* qemu : {&self.running_, &self.next_}) {
      archive(qemu->process, qemu->log, qemu->bound);
    }
  }

  // The QEMU that has the device now: the next one once it was given it.
  Qemu& Held() { return given_ ? next_ : running_; }
  // Its monitor, connected.
  absl::StatusOr<Qmp*> Monitor(Qemu& qemu, const Budget& budget);
  // The command line of a next QEMU that listens at `socket`.
  std::vector<std::string> LineFor(const std::string& socket) const;
  // Where the next one may listen: not where the one that runs did at first,
  // nor one that is still there and was given the device.
  std::string NextSocket() const;
  // Finds out who listens and with what command line, unless it is known.
  absl::Status Learn(const Budget& budget);

  // What of its user, limits and the like stands in the way.
  std::vector<core::Blocker> JudgeStanding();
  // Files that its user must be able to use, and cannot.
  std::vector<std::string> OutOfReach(const core::Standing& standing);
  absl::Status GiveMemory(Qemu& qemu, const Budget& budget);
  absl::Status LetRun(Qemu& qemu, const Budget& budget);
  absl::Status SetUpSource(const Budget& budget);
  // Starts another, and ends the one that was the next.
  absl::Status LaunchNext();
  // Has one that waits for the device, and can be talked to.
  absl::Status StartNext(const Budget& budget);
  absl::Status AwaitMonitor(Qemu& qemu, const Budget& budget);
  absl::Status GiveDevice(Qmp& qmp, const Budget& budget);
  absl::Status PourInto(Qmp& qmp, const Stream& stream, const Budget& budget);
  absl::Status End(Qemu& qemu, const Budget& budget);
  void EndAt(const std::string& socket, const Process& kept);
  // Ends it, unless it is `kept` or the one that runs.
  void EndBut(const Process& process, const Process& kept);
  void EndNext(const Qemu& kept);
  absl::Status Refused(const absl::Status& status) const;
  // The last lines that a QEMU of ours wrote; "" when it is silent.
  static std::string ComplaintsOf(const Qemu& qemu);

  const Options options_;
  Kernel& kernel_;
  Processes& processes_;
  const Clock& clock_;
  core::MachineLine line_;
  Program program_;  // with the next one's argv
  // Whose it is; root's may yet become another's.
  uint32_t user_ = 0;
  Process judged_;  // of whom Preflight() learned as whom it runs
  std::pair<int, int> version_ = {0, 0};
  // Who could use which files, and when that was found.
  std::optional<std::pair<core::Standing, std::vector<std::string>>> reached_;
  absl::Duration reached_at_ = -absl::InfiniteDuration();
  Qemu running_;
  Qemu next_;
  bool given_ = false;       // the next one was given the device
  bool was_running_ = true;  // before it was stopped
  bool stopped_ = false;     // by us, and not let go on since
  absl::Duration resumed_ = -absl::InfiniteDuration();  // last, by us
  std::map<std::string, std::string> property_types_;   // of the device
  std::unique_ptr<Device> device_;
};

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_MACHINE_H_
