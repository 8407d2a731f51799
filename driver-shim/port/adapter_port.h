#ifndef DRIVER_SHIM_PORT_ADAPTER_PORT_H_
#define DRIVER_SHIM_PORT_ADAPTER_PORT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/digest.h"
#include "driver-shim/port/ordered_run.h"
#include "driver-shim/port/shared_list.h"

namespace baton::port {

// Where an adapter stands; the same names as on the wire.
enum class AdapterState {
  kEmpty,      // no driver, nothing saved
  kRunning,    // a driver serves its vGPUs; no update is under way
  kPrepared,   // the next driver's host is ready
  kPaused,     // engines stopped; the driver is still in
  kSaved,      // state saved
  kUnloaded,   // no driver; state saved
  kRestored,   // a driver was given the state and started
  kVerified,   // the census is as it was
  kResumed,    // engines run; saved blocks are kept, and stale
  kConfirmed,  // each vGPU makes progress
  kBroken,     // the driver's host died or hangs, and nothing is saved
};

enum class AdapterStep {
  kPrepare,
  kPause,
  kSave,
  kCancel,
  kUnload,
  kRestore,
  kVerify,
  kResume,
  kConfirm,
  kCommit,
};

// A driver image on this host.
struct DriverImage {
  std::string path = "";    // absolute; "" where there is none
  std::string digest = "";  // "sha256:…"; "" only for the driver at start
  std::string driver = "";
  std::string version = "";

  bool operator==(const DriverImage&) const = default;
};

struct StepOrder {
  AdapterStep step = AdapterStep::kPrepare;
  uint64_t attempt = 0;  // at least 1
  absl::Duration deadline = absl::ZeroDuration();
  DriverImage image = {};  // for kPrepare and kRestore

  bool operator==(const StepOrder&) const = default;
};

// One call into the driver.
struct EntryPointCall {
  std::string entry_point = "";
  uint32_t nt_status = 0;
  absl::Duration elapsed = absl::ZeroDuration();
};

struct VirtualGpu {
  uint32_t partition_id = 0;
  std::string luid = "";     // 16 hex digits
  std::string profile = "";  // e.g. "S1-64"
  std::string guest = "";    // "" when it is nobody's
  uint64_t vram_bytes = 0;

  bool operator==(const VirtualGpu&) const = default;
};

// One vGPU as the device and the driver see it, at one moment.
struct CensusEntry {
  VirtualGpu vgpu = {};
  uint64_t fence_value = 0;
  Digest128 registers = {};     // the device's
  Digest128 driver_state = {};  // the driver's

  bool operator==(const CensusEntry&) const = default;
};

struct VirtualGpuResult {
  uint32_t partition_id = 0;
  std::string guest = "";
  bool preserved = false;
  // The longest of the attempt; absent when its engines never stopped.
  std::optional<absl::Duration> blackout = std::nullopt;
  std::string difference = "";
};

struct SavedState {
  uint32_t blocks = 0;
  uint64_t bytes = 0;  // metadata included
};

// What a step that was tried did.
struct StepReport {
  absl::Status status = absl::OkStatus();  // with a reason when not OK
  std::optional<uint32_t> nt_status = std::nullopt;
  absl::Duration elapsed = absl::ZeroDuration();
  std::string entry_point = "";
  std::string rule = "";  // e.g. "R4"
  std::vector<std::string> driver_log = {};
  SharedList<EntryPointCall> calls = {};
  // In the driver's own code, calls that are not listed included.
  absl::Duration driver_time = absl::ZeroDuration();
  uint64_t shim_faults = 0;    // page faults that the shim took, ...
  uint64_t driver_faults = 0;  // ... and the driver's host, driver included
  SharedList<CensusEntry> census = {};       // of kPause and kVerify
  std::vector<VirtualGpuResult> vgpus = {};  // kCancel, kVerify … kConfirm
  SavedState saved = {};                     // of kSave
};

// One saved block, as it was handed over.
struct BlockFacts {
  std::string form = "";  // "DATA", "RANGES" or "LIST"
  uint64_t bytes = 0;
  uint32_t metadata_bytes = 0;
  Digest128 digest = {};  // of the bytes
};

// What is kept of an attempt that went wrong.
struct Incident {
  uint64_t attempt = 0;
  std::vector<BlockFacts> blocks = {};  // in the order of saving
  SharedList<CensusEntry> before = {};
  SharedList<CensusEntry> after = {};
  std::vector<std::string> driver_log = {};
};

// Why an adapter cannot be updated now, before anybody tries.
struct Blocker {
  std::string reason = "";   // UPPER_SNAKE_CASE
  std::string message = "";  // names who it is about, and says what would do

  bool operator==(const Blocker&) const = default;
};

// What is, without touching anything.
struct AdapterReport {
  std::string name = "";
  std::string model = "";
  std::string pci_id = "";
  DriverImage image = {};
  bool hot_update_capable = false;
  SharedList<VirtualGpu> vgpus = {};
  std::string fault = "";  // "" when well
  std::vector<Blocker> blockers = {};
  std::string kernel_release = "";  // where the driver is a kernel's module
  AdapterState state = AdapterState::kEmpty;
  uint64_t attempt = 0;  // 0 when none is under way
  std::optional<SavedState> saved = std::nullopt;
  // Of the last attempt, if it went wrong; else null.
  std::shared_ptr<const Incident> incident = nullptr;
};

using OrderedRun = RunOf<StepOrder, StepReport>;

// One GPU of the host with its driver, whatever kind of driver that is.
// Confined to one thread.
class AdapterPort {
 public:
  virtual ~AdapterPort() = default;

  virtual AdapterReport Inspect() = 0;

  // Takes one step, and says how it went. Blocks at most until the order's
  // deadline, plus what it takes to end a driver that hangs.
  //
  // Errors, when nothing was tried:
  //   FAILED_PRECONDITION  the state does not allow it; reason
  //                        STEP_OUT_OF_ORDER
  //   ABORTED              another attempt is under way; reason STALE_ATTEMPT
  virtual absl::StatusOr<StepReport> Take(const StepOrder& order) = 0;

  // What is under way from now on. An adapter that comes back with all that it
  // knew, when its process was killed, takes note of each change; Kept() is
  // what it knew last, the steps included that were taken since. Others forget.
  virtual void Keep(const OrderedRun&) {}
  virtual OrderedRun Kept() { return {}; }

  // Notices whatever happened by itself, such as a driver's death. Does not
  // block. Call it now and then while nothing else is to do.
  virtual void Watch() = 0;
};

}  // namespace baton::port

#endif  // DRIVER_SHIM_PORT_ADAPTER_PORT_H_
