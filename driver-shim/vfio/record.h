#ifndef DRIVER_SHIM_VFIO_RECORD_H_
#define DRIVER_SHIM_VFIO_RECORD_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "driver-shim/port/adapter_port.h"
#include "driver-shim/vfio/core/acts.h"
#include "driver-shim/vfio/stream.h"
#include "nlohmann/json.hpp"

namespace baton::vfio {

using Json = nlohmann::json;

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
  Json holder = Json::object();                             // the holder's own

  bool operator==(const VgpuRecord&) const = default;
};

// All that a shim must know to go on where another left off. One file.
struct Record {
  std::string boot_id = "";   // of another boot: worthless
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

Json ToJson(const Record& record);

// Errors: DATA_LOSS, reason RECORD_DAMAGED
absl::StatusOr<Record> RecordFrom(const Json& json);

// Keeps the record in a file. Whoever reads it finds the one that was written
// last, whole.
class RecordFile {
 public:
  explicit RecordFile(std::string path) : path_(std::move(path)) {}

  // The record; nothing where there is none. Errors: as RecordFrom()
  absl::StatusOr<std::optional<Record>> Read() const;

  // Errors: UNAVAILABLE, reason RECORD_UNWRITABLE
  absl::Status Write(const Record& record) const;

 private:
  const std::string path_;
};

}  // namespace baton::vfio

#endif  // DRIVER_SHIM_VFIO_RECORD_H_
