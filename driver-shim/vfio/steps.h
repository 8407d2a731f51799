#ifndef DRIVER_SHIM_VFIO_STEPS_H_
#define DRIVER_SHIM_VFIO_STEPS_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "driver-shim/port/adapter_port.h"
#include "driver-shim/vfio/budget.h"
#include "driver-shim/vfio/config.h"
#include "driver-shim/vfio/core/acts.h"
#include "driver-shim/vfio/core/blocker.h"
#include "driver-shim/vfio/holder.h"
#include "driver-shim/vfio/kernel.h"
#include "driver-shim/vfio/module_file.h"
#include "driver-shim/vfio/record.h"

namespace baton::vfio {

// Carries out the steps of an update of one module, act by act, and keeps on
// record how far it came. Whether a step may be taken is not its business: see
// VfioAdapter. Confined to one thread.
class Steps {
 public:
  // One vGPU of the configuration, in its order.
  struct Vgpu {
    Config::Vgpu config = {};
    std::unique_ptr<Holder> holder = nullptr;
  };

  // `kernel` and `clock` outlive this object. `state_directory` exists.
  Steps(Config config, std::string state_directory, std::vector<Vgpu> vgpus,
        Kernel& kernel, const Clock& clock);

  // Goes on from the record of this boot; where there is none, makes the module
  // of `image` the one that is loaded.
  //
  // Errors: MODULE_NOT_LOADED; MODULE_UNKNOWN: another file's is loaded;
  //         RECORD_DAMAGED, RECORD_UNKNOWN, RECORD_UNWRITABLE; those of the
  //         image's file
  absl::Status Start(const port::DriverImage& image,
                     const std::string& fresh_instance);

  // Each takes its step in the state that allows it, and sets state().
  port::StepReport Prepare(const port::StepOrder& order);
  port::StepReport Pause(const port::StepOrder& order);
  port::StepReport Save(const port::StepOrder& order);
  port::StepReport Cancel(const port::StepOrder& order);
  port::StepReport Unload(const port::StepOrder& order);
  port::StepReport Restore(const port::StepOrder& order);
  port::StepReport Verify(const port::StepOrder& order);
  port::StepReport Resume(const port::StepOrder& order);
  port::StepReport Confirm(const port::StepOrder& order);
  port::StepReport Commit(const port::StepOrder& order);

  Record& record() { return record_; }
  const Record& record() const { return record_; }
  // Makes the record durable. Errors: RECORD_UNWRITABLE
  absl::Status Keep();
  // Drops what an attempt that has ended left: streams, QEMUs that wait.
  void CleanUp();
  // Does so after a Commit, which leaves it for later, and looks who is there.
  void Tidy();
  bool untidy() const { return untidy_; }

  // Who has a vGPU, ordered by partition id: during an update, whoever is
  // carried over.
  std::vector<port::VirtualGpu> Vgpus() const;
  std::optional<port::SavedState> Saved() const;
  // What stands in the way of an update, as it was looked at last.
  const std::vector<core::Blocker>& blockers() const { return blockers_; }
  std::string kernel_release() const { return kernel_.Release(); }
  // Looks who is there, and what stands in the way. May block for seconds where
  // a holder hangs.
  void Look();
  std::vector<port::CensusEntry> census() const { return census_; }

 private:
  VgpuRecord& RecordOf(const Vgpu& vgpu) {
    return record_.vgpus[vgpu.config.uuid];
  }
  const VgpuRecord* FindRecord(const Vgpu& vgpu) const;

  // ---- start ----
  absl::Status Recall(Record record);
  absl::Status LoadFirst(const port::DriverImage& image);

  // ---- acts ----
  // Acts until the goal is reached. `wanted`: the module to have.
  absl::Status Reach(core::Goal goal, const port::DriverImage& wanted,
                     const Budget& budget);
  // The same, but a vGPU that cannot be brought there keeps no other from it:
  // it takes half of what is left at most while others wait, and `turn` at
  // least, also where nothing is left. Returns the first failure, and which
  // vGPUs failed.
  using Failures = std::map<size_t, absl::Status>;  // by index
  absl::Status ReachEach(core::Goal goal, const port::DriverImage& wanted,
                         const Budget& budget, absl::Duration turn,
                         Failures& failures);
  absl::Status LetAllGoOn(const Budget& budget);
  absl::Status BringBack(const port::StepOrder& order, const Budget& budget);
  void SetAside(Vgpu& vgpu, const absl::Status& why);
  // Has everybody let go of their devices, and leaves the module as it is.
  absl::Status ReleaseAll(const Budget& budget);
  core::Sight See(const port::DriverImage& wanted) const;
  absl::Status Do(const core::Next& next, const port::DriverImage& wanted,
                  const Budget& budget);
  absl::Status LoadModule(const port::DriverImage& image);
  absl::Status UnloadModule(const Budget& budget);
  absl::Status ActOn(Vgpu& vgpu, core::Act act, const Budget& budget);
  absl::Status Carry(Vgpu& vgpu, core::Act act, const Budget& budget);
  absl::Status RestoreVgpu(Vgpu& vgpu, const Budget& budget);
  absl::Status ResumeVgpu(Vgpu& vgpu, const Budget& budget);

  // ---- before ----
  // Whether it is a module for here, with that digest. What was found well is
  // not read again while its file stays as it is: guests stand meanwhile.
  absl::Status CheckImage(const port::DriverImage& image);
  absl::Status CheckModule(const port::DriverImage& image) const;
  absl::Status CheckSpace() const;
  absl::Status CheckBlockers();
  absl::Status ReadyHolders(const Budget& budget);

  // ---- proof ----
  absl::StatusOr<std::string> StateOf(Vgpu& vgpu, const Budget& budget);
  std::string AttributeOf(const Vgpu& vgpu, const std::string& path) const;
  absl::Status TakeCensus(const Budget& budget, port::StepReport& report);
  // What is not as it was; "" where all is.
  absl::StatusOr<std::string> DifferenceOf(Vgpu& vgpu, const Budget& budget);
  // Whether it has done something since, or has nothing to do.
  bool MakesProgress(const Vgpu& vgpu);
  absl::Status AwaitProgress(Vgpu& vgpu, const Budget& budget);

  port::VirtualGpu IdentityOf(size_t index) const;
  std::vector<port::VirtualGpuResult> Results() const;
  bool AnyCarriedIn(std::initializer_list<core::Phase> phases) const;

  const Config config_;
  const std::string state_directory_;
  std::vector<Vgpu> vgpus_;
  Kernel& kernel_;
  const Clock& clock_;
  RecordFile file_;
  Record record_;
  std::vector<bool> present_;  // by index in vgpus_
  bool untidy_ = false;        // what was committed has left things behind
  // By digest: which file had it.
  std::map<std::string, FileIdentity> checked_;
  std::vector<core::Blocker> blockers_;
  std::vector<port::CensusEntry> census_;  // of the last Pause
};

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_STEPS_H_
