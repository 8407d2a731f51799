#ifndef DRIVER_SHIM_PORT_UPDATE_STEPS_H_
#define DRIVER_SHIM_PORT_UPDATE_STEPS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "driver-shim/port/adapter_port.h"
#include "driver-shim/port/budget.h"
#include "driver-shim/port/census.h"
#include "driver-shim/port/device.h"
#include "driver-shim/port/driver_process.h"
#include "driver-shim/port/hostility.h"
#include "driver-shim/port/record_codec.h"
#include "driver-shim/port/record_fields.h"
#include "driver-shim/port/rules.h"
#include "driver-shim/port/saved_state.h"

namespace baton::port {

// The steps of a hot update, each carried out when it is asked for: whether it
// is a step's turn is for others (order, adapter) to know. Confined to one
// thread.
class UpdateSteps {
 public:
  // Whom the adapter is to serve. Partition ids are given in this order.
  struct Tenant {
    std::string guest = "";
    std::string profile = "";
  };

  struct Options {
    std::string executable = "/proc/self/exe";  // see DriverProcess::Options
    std::string state_directory = "";           // exists; best on a tmpfs
    size_t memory_bytes = size_t{32} << 20;     // that drivers have
    std::vector<Tenant> tenants = {};
    SavedStateStore::Digests digests = SavedStateStore::Digests::kTaken;
    // Names the vGPUs that StartFresh() makes, and is a part of all their
    // LUIDs: each time another, so that none is taken for one that was.
    std::string life = "";
    int32_t luid_high_part = 0;
    // For whoever verifies drivers; null: none. See DriverProcess::Options.
    const Hostility* hostility = nullptr;
  };

  // What a step did, and where the adapter stands now.
  struct Outcome {
    StepReport report = {};
    AdapterState state = AdapterState::kEmpty;
  };

  // Errors: INVALID_ARGUMENT, reason BAD_PROFILE
  static absl::StatusOr<std::unique_ptr<UpdateSteps>> Create(
      Options options, Device& device, const Clock& clock);

  // Loads a driver where there is none, without any saved state, and has it
  // create the vGPUs that are missing. Ends whatever another shim left behind.
  //
  // Errors: those of DriverProcess and SavedStateStore; IMAGE_UNREADABLE
  absl::Status StartFresh(const DriverImage& image, absl::Duration timeout);
  // Has the driver destroy whoever is past the last of `tenants`, and create
  // whoever is missing. Only between updates.
  //
  // Errors: those of StartFresh()
  absl::Status Populate(const std::vector<Tenant>& tenants,
                        absl::Duration timeout);
  // Takes over from a shim that was killed, once Fields() has read what it
  // knew. Returns where the adapter stands now. The step that was under way is
  // still to be taken, again: nothing of it is done twice that must not be.
  //
  // `state`      where the adapter stood then
  // `under_way`  the step that the shim was taking, if any
  AdapterState Recover(AdapterState state, std::optional<AdapterStep> under_way,
                       absl::Duration timeout);
  // Nobody knows what the shim before did: leaves its driver to the guests.
  void LeaveAlone(const std::string& fault);
  // Stops the driver in order and takes the files' names away.
  void Stop(absl::Duration timeout);

  // Notes where the driver is to be found, for Fields().
  void NoteHost();
  // What Recover() needs to know.
  template <typename Archive, Of<UpdateSteps> Self>
  friend void Fields(Archive& archive, Self& self) {
    archive(self.life_, self.host_.name, self.host_.known.sequence,
            self.host_.known.busy, self.hosts_, self.image_, self.next_,
            self.caps_.Caps.Value, self.vgpus_, self.fault_, self.origin_,
            self.before_, self.at_unload_, self.completed_, self.blackouts_,
            self.save_, self.saved_);
  }

  Outcome Prepare(const StepOrder& order);
  // `from`  where the adapter stands; it returns there if nothing comes of it
  Outcome Pause(const StepOrder& order, AdapterState from);
  Outcome Save(const StepOrder& order);
  Outcome Cancel(const StepOrder& order, AdapterState from);
  Outcome Unload(const StepOrder& order, AdapterState from);
  Outcome Restore(const StepOrder& order);
  Outcome Verify(const StepOrder& order);
  Outcome Resume(const StepOrder& order);
  Outcome Confirm(const StepOrder& order);
  Outcome Commit(const StepOrder& order);

  // Reaps what has ended. Returns whether the driver lives.
  bool Watch();
  // Ends the driver hosts that wait to be loaded; a Restore would start its
  // own.
  void DropStandbys();

  const std::string& directory() const { return options_.state_directory; }
  // Which vGPUs there are, see Options.
  const std::string& life() const { return life_; }
  const DriverImage& image() const { return image_; }
  bool hot_update_capable() const;
  const SharedList<VirtualGpu>& vgpus() const { return vgpus_; }
  const std::string& fault() const { return fault_; }
  SavedState saved() const { return saved_; }
  // What an engineer needs once a step of `attempt` has failed as `report`
  // says.
  Incident IncidentOf(uint64_t attempt, const StepReport& report) const;
  // Allocations that the driver tried in its last command.
  uint32_t allocations() const {
    return driver_ == nullptr ? 0 : driver_->allocations();
  }

 private:
  // A driver host whose image is open, and which runs nothing yet.
  struct Standby {
    DriverImage image = {};
    std::unique_ptr<DriverProcess> process = nullptr;
  };
  using Answer = absl::StatusOr<DriverProcess::Answer>;

  // Where a driver is to be found.
  struct HostPlace {
    std::string name = "";  // "": nowhere
    DriverProcess::Known known = {};
  };

  UpdateSteps(Options options, Device& device, const Clock& clock)
      : options_(std::move(options)),
        device_(device),
        clock_(clock),
        life_(options_.life) {}

  absl::StatusOr<std::unique_ptr<DriverProcess>> Open(const DriverImage& image,
                                                      absl::Duration timeout);
  absl::Status CheckDigest(const DriverImage& image) const;
  absl::Status CreateTenants(const std::vector<Tenant>& tenants,
                             absl::Duration timeout);
  absl::Status Recount(absl::Duration timeout);
  absl::Status OpenStandbys(const Budget& budget);
  void Reattach();
  bool EnginesRan() const;
  // Null when none of the same digest lives; else `image` is told its path, and
  // the report of page faults that it took ahead.
  std::unique_ptr<DriverProcess> TakeStandby(DriverImage& image,
                                             const Budget& budget,
                                             StepReport& report);
  void AlertStandby();
  void EndRetired();

  // Whether the adapter has no driver any more, after `status` came from one.
  bool Lost(const absl::Status& status) const;
  Outcome Broken(StepReport report, const Budget& budget);
  void Note(StepReport& report, const absl::Status& status);
  void Adopt(const std::vector<CensusEntry>& census);

  absl::Status QuiesceAndCount(const Budget& budget,
                               std::vector<CensusEntry>& census);
  absl::Status JudgeSave(StepReport& report);
  Outcome CancelHung(const StepOrder& order, const Budget& budget);
  Outcome CancelLost(StepReport report, const Budget& budget);
  Outcome CancelByReload(const Budget& budget);
  bool CancelWasSent(absl::Duration timeout);
  Outcome CancelSaved(StepReport report, const Budget& budget);
  void EndDriver(StepReport& report, const Budget& budget);
  Outcome RestoreInto(std::unique_ptr<DriverProcess> process,
                      const DriverImage& image, const Budget& budget,
                      StepReport so_far);
  absl::Status CheckWitness(const std::vector<FunctionState>& functions,
                            StepReport& report) const;
  Outcome ResumeFailed(StepReport report, const Budget& budget);
  std::vector<VirtualGpuResult> Unseen(const std::string& why) const;
  std::vector<VirtualGpuResult> Blackouts(
      std::vector<VirtualGpuResult> results);
  absl::Status AwaitProgress(const Budget& budget,
                             std::vector<VirtualGpuResult>& results);

  const Options options_;
  Device& device_;
  const Clock& clock_;
  std::unique_ptr<SavedStateStore> store_;  // null before a start

  std::string life_;
  HostPlace host_ = {};
  std::unique_ptr<DriverProcess> driver_;  // null when there is none
  uint64_t hosts_ = 0;                     // that were started
  DriverImage image_ = {};
  DriverImage next_ = {};  // that was prepared
  DXGK_GPUPCAPS caps_ = {};
  std::vector<Standby> standbys_;
  std::vector<std::unique_ptr<DriverProcess>> retired_;
  SharedList<VirtualGpu> vgpus_;
  std::string fault_ = "";

  // Of the update under way.
  AdapterState origin_ = AdapterState::kPrepared;  // where Pause came from
  SharedList<CensusEntry> before_;                 // at Pause
  std::map<uint32_t, Digest128> at_unload_;        // registers
  std::map<uint32_t, uint64_t> completed_;         // commands, at Pause
  std::map<uint32_t, absl::Duration> blackouts_;   // the longest
  SaveOutcome save_ = {};
  SavedState saved_ = {};
};

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_UPDATE_STEPS_H_
