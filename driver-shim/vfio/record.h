#ifndef DRIVER_SHIM_VFIO_RECORD_H_
#define DRIVER_SHIM_VFIO_RECORD_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "driver-shim/port/adapter_port.h"
#include "driver-shim/port/record_file.h"
#include "driver-shim/vfio/core/acts.h"
#include "driver-shim/vfio/kernel.h"
#include "driver-shim/vfio/stream.h"

namespace baton::vfio {

// What is known of one vGPU's way through an update.
struct VgpuRecord {
  core::Phase phase = core::Phase::kRuns;
  // Whether somebody held it when the update was prepared, so that it is
  // carried over; one that nobody holds is made anew.
  bool carried = false;
  bool proven = false;  // since it was restored
  Stream saved = {};    // path "": nothing
  // As the driver had it when it was stopped, see Config::Proof.
  std::string state = "";
  uint64_t completed = 0;
  std::optional<absl::Duration> stopped_at = std::nullopt;  // monotonic
  std::optional<absl::Duration> blackout = std::nullopt;    // the longest
  // Who could open it before it was made anew; nothing: nobody looked.
  std::optional<Access> access = std::nullopt;
  // Why it is kLost, for people; "": its holder has ended by itself.
  std::string lost = "";
  std::string holder = "";  // the holder's own, see Holder

  bool operator==(const VgpuRecord&) const = default;
};

// All that a shim must know to go on where another left off. One file.
struct Record {
  std::string instance = "";  // see InspectResponse.shim_instance
  port::AdapterState state = port::AdapterState::kEmpty;
  // Where a Cancel leads back to: kPrepared's kRunning, or the state in which a
  // reverse update began.
  port::AdapterState origin = port::AdapterState::kRunning;
  uint64_t attempt = 0;             // under way; 0: none
  uint64_t finished = 0;            // the last one that ended
  port::DriverImage loaded = {};    // digest "": none
  port::DriverImage previous = {};  // loaded when the attempt began
  std::map<port::AdapterStep, port::StepReport> reports = {};
  // What was ordered at once, and when the step that follows its reports was
  // begun: monotonic; nothing where none was.
  port::OrderedRun run = {};
  std::optional<absl::Duration> begun = std::nullopt;
  std::map<std::string, VgpuRecord> vgpus = {};  // by UUID
};

// Keeps the record in named memory, which outlives the shim and not the boot:
// it is written again and again while guests stand. Confined to one thread.
class RecordFile {
 public:
  RecordFile(std::string path, std::string boot_id)
      : path_(std::move(path)), boot_id_(std::move(boot_id)) {}

  // The record of this boot that was written last; nothing where there is none.
  // Errors: DATA_LOSS, reason RECORD_DAMAGED; FAILED_PRECONDITION, reason
  //         RECORD_UNKNOWN: another release wrote it
  absl::StatusOr<std::optional<Record>> Read();

  // Errors: UNAVAILABLE, reason RECORD_UNWRITABLE: the one before stays
  absl::Status Write(const Record& record);

 private:
  const std::string path_;
  const std::string boot_id_;
  std::unique_ptr<port::RecordFile> file_;  // once it was read or written
};

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_RECORD_H_
