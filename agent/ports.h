#ifndef AGENT_PORTS_H_
#define AGENT_PORTS_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/core/apply.h"
#include "agent/core/phase.h"
#include "agent/core/plan.h"
#include "agent/core/update.h"
#include "baton/v1/agent.pb.h"
#include "baton/v1/fleet.pb.h"

namespace baton::agent {

// What the agent needs of the outside. Each port has one real class, and one
// fake in agent/testing. Unless said otherwise, calls block, come from the
// worker's thread only, and return within their deadline.

// What the shim says of the host's adapter.
struct Sight {
  v1::Adapter adapter = {};
  core::AdapterState state = core::AdapterState::kUnknown;
  uint64_t attempt = 0;                             // under way; 0: none
  std::optional<core::Image> image = std::nullopt;  // what is loaded
  std::string shim_instance = "";  // another after each start of the shim
  // What the shim keeps of the last attempt that went wrong, where it was asked
  // for that; 0: of none.
  uint64_t incident_attempt = 0;
  v1::Incident incident = {};
  // Of the host; absent: not known.
  std::optional<uint64_t> available_memory_bytes = std::nullopt;
};

// Whether a look at the adapter asks what is kept of an attempt as well.
enum class Depth : uint8_t { kPlain, kIncident };

// One call of the shim.
struct ShimStep {
  core::Step step = core::Step::kPause;  // one of those that the shim does
  uint64_t attempt = 0;
  absl::Duration deadline = absl::ZeroDuration();
  core::Image image = {};                  // for Prepare and Restore
  std::vector<core::NextStep> ahead = {};  // taken in its wake
};

// The driver shim.
class Shim {
 public:
  virtual ~Shim() = default;

  // Errors: UNAVAILABLE, DEADLINE_EXCEEDED; with what the transport says
  virtual absl::StatusOr<Sight> Inspect(absl::Duration deadline,
                                        Depth depth) = 0;

  // Returns how the step went, with record.elapsed as the shim measured it,
  // once what was to be taken in its wake has ended, too. record.start is left
  // alone.
  virtual core::Outcome Run(const ShimStep& step) = 0;
};

// What decides whether new vGPUs land on this host.
class Gate {
 public:
  virtual ~Gate() = default;

  // Closes it, and remembers durably how it was. Repeats are harmless.
  virtual absl::Status Close(absl::Duration deadline) = 0;

  // Puts it back as it was before Close(), and forgets. Does nothing when
  // nothing is remembered.
  virtual absl::Status Reopen(absl::Duration deadline) = 0;
};

// The host itself, apart from its GPUs.
class Machine {
 public:
  virtual ~Machine() = default;

  // Runs the operator's hook `name`, telling it "before" or "after".
  //
  // Errors:
  //   FAILED_PRECONDITION  HOOK_UNKNOWN: no hook has that name; HOOK_FAILED
  //   DEADLINE_EXCEEDED    HOOK_TOO_SLOW: it was killed
  virtual absl::Status RunHook(const std::string& name,
                               const std::string& moment,
                               absl::Duration deadline) = 0;

  // Returns how much memory could be had without swapping; none when the
  // system does not say.
  virtual std::optional<uint64_t> AvailableMemoryBytes() = 0;
};

// Brings packages here.
class Fetcher {
 public:
  using Sink = std::function<absl::Status(absl::string_view bytes)>;

  virtual ~Fetcher() = default;

  // Hands the bytes of package `driver` ("drivers/…/versions/…"), from
  // `offset_bytes` on and in order, to `sink`, whose error ends it. `stop` ends
  // it early with CANCELLED.
  virtual absl::Status Fetch(const std::string& driver, uint64_t offset_bytes,
                             absl::Duration deadline,
                             const std::atomic<bool>& stop,
                             const Sink& sink) = 0;
};

// A package on this host's disk.
struct StagedPackage {
  std::string name = "";  // of its directory; what Switch() takes
  core::Image image = {};
  std::vector<std::string> pci_ids = {};
  uint32_t writes_format = 0;
  std::vector<uint32_t> reads_formats = {};
};

// Where packages lie, and which one is the current.
class Stage {
 public:
  // What a package is recognised by.
  struct Wanted {
    std::string driver = "";  // "drivers/{driver}/versions/{version}"
    std::string digest = "";
    uint64_t size_bytes = 0;
    std::string in_use = "";  // path of the loaded image: it must stay
  };

  virtual ~Stage() = default;

  // Returns the package after making room, fetching what is missing, checking
  // all of it, and unpacking it. Repeats cost a check, and no room.
  virtual absl::StatusOr<StagedPackage> Add(const Wanted& wanted,
                                            absl::Duration deadline,
                                            const std::atomic<bool>& stop) = 0;

  // Returns what "current" points to; none when it does not exist.
  virtual absl::StatusOr<std::optional<StagedPackage>> Current() = 0;

  // Points "current" to `package`, atomically; "": removes it. Survives a power
  // cut once it has returned.
  virtual absl::Status Switch(const std::string& package) = 0;
};

// What the agent must know after a restart. The loop's thread only; blocks on
// the disk.
class Journal {
 public:
  virtual ~Journal() = default;

  // Returns what was written last; a default Update when nothing was.
  virtual absl::StatusOr<core::Update> Load() = 0;

  // Makes sure that the disk has room for all writes of an update. Before one
  // begins; repeats cost nothing.
  //
  // Errors: RESOURCE_EXHAUSTED, DISK_FULL: begin none; others as Write()
  virtual absl::Status Reserve() = 0;

  // Returns once `update` is on stable storage. An error is final: the disk can
  // no longer be trusted.
  virtual absl::Status Write(const core::Update& update) = 0;
};

// What the service is to know.
struct View {
  // Never null; views that follow each other mostly have the same.
  std::shared_ptr<const v1::Inventory> inventory =
      std::make_shared<v1::Inventory>();
  uint64_t epoch = 0;
  uint64_t finished_attempt = 0;
  // How it ended; unspecified once another one is under way.
  v1::UpdateState finished_state = v1::UPDATE_STATE_UNSPECIFIED;
  std::optional<v1::UpdateReport> report = std::nullopt;  // until acknowledged
  // Grows each time that the same report is to be said once more.
  uint64_t asked_again = 0;
  // Whether the report's news may wait for more: guests stand, or have only
  // just gone on, and want the processors.
  bool may_wait = false;
};

// The stream to the service.
class Uplink {
 public:
  virtual ~Uplink() = default;

  // Replaces what is to be known. Any thread; does not block.
  virtual void Publish(View view) = 0;
};

// What comes over it, posted into the loop's mailbox.
struct FromService {
  enum class Kind : uint8_t { kWelcome, kStart, kCancel, kAck };
  Kind kind = Kind::kWelcome;
  uint64_t epoch = 0;      // but kAck
  core::Order order = {};  // kStart: all; kCancel: rollout and attempt
  uint64_t attempt = 0;    // kAck
  uint64_t sequence = 0;   // kAck
  // kStart: until when it may be begun, on this host's monotonic clock.
  absl::Duration not_after = absl::InfiniteDuration();
};

// What the worker is to do: a step of an update, or a look at the adapter.
struct Job {
  enum class Kind : uint8_t { kStep, kLook };
  Kind kind = Kind::kLook;
  core::Action action = {};     // kStep
  Depth depth = Depth::kPlain;  // kLook
};

// What came of it.
struct JobResult {
  Job::Kind kind = Job::Kind::kLook;
  Depth depth = Depth::kPlain;                                     // kLook
  core::StepEnded ended = {};                                      // kStep
  absl::StatusOr<Sight> sight = absl::UnknownError("not looked");  // kLook
};

// Runs one job at a time.
class Worker {
 public:
  virtual ~Worker() = default;

  // Starts `job`; its result is returned by TakeResult() once, later. Only when
  // the last result was taken. Does not block.
  virtual void Start(Job job) = 0;

  // Returns the result of the job when it has ended. Does not block.
  virtual std::optional<JobResult> TakeResult() = 0;

  // Asks a job that can be given up (a download) to end soon.
  virtual void Hurry() = 0;
};

}  // namespace baton::agent

#endif  // AGENT_PORTS_H_
