#ifndef SERVICE_CORE_UPDATE_H_
#define SERVICE_CORE_UPDATE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/interned.h"
#include "service/core/packed.h"

namespace baton::core {

// One host's part in a rollout. Fields mean what the fields of the same name in
// baton.v1.Update mean; the numbers of the enums are those of the wire.

enum class Step : uint8_t {
  kNone = 0,
  kPrepare = 1,
  kCloseGate = 2,
  kPause = 3,
  kSave = 4,
  kCancel = 5,
  kUnload = 6,
  kSwitch = 7,
  kRestore = 8,
  kVerify = 9,
  kResume = 10,
  kConfirm = 11,
  kCommit = 12,
  kReopenGate = 13
};

// The steps of an update that goes well, in order.
inline constexpr Step kStepsOfUpdate[] = {
    Step::kPrepare, Step::kCloseGate, Step::kPause,  Step::kSave,
    Step::kUnload,  Step::kRestore,   Step::kVerify, Step::kResume,
    Step::kConfirm, Step::kSwitch,    Step::kCommit, Step::kReopenGate};

enum class UpdateState : uint8_t {
  kPending = 1,
  kRunning = 2,
  kDone = 3,
  kCancelled = 4,
  kRolledBack = 5,
  kQuarantined = 6,
  kSkipped = 7
};

struct StepRecord {
  Step step = Step::kNone;
  absl::Time start_time = absl::InfinitePast();
  absl::Duration elapsed = absl::ZeroDuration();
  int32_t code = 0;
  std::string reason = "";
  std::string message = "";
  std::optional<uint32_t> nt_status = std::nullopt;
  std::string entry_point = "";
  std::string rule = "";
  bool backward = false;

  bool operator==(const StepRecord&) const = default;
};

struct VirtualGpuResult {
  uint32_t partition_id = 0;
  std::string guest = "";
  bool preserved = false;
  std::optional<absl::Duration> blackout = std::nullopt;
  std::string difference = "";

  bool operator==(const VirtualGpuResult&) const = default;
};

void Pack(const StepRecord& step, Packer& to);
void Unpack(Unpacker& from, StepRecord& step);
void Pack(const VirtualGpuResult& vgpu, Packer& to);
void Unpack(Unpacker& from, VirtualGpuResult& vgpu);

struct SavedState {
  uint32_t blocks = 0;
  uint64_t size_bytes = 0;

  bool operator==(const SavedState&) const = default;
};

struct SavedBlock {
  uint32_t index = 0;
  std::string form = "";
  uint64_t size_bytes = 0;
  uint32_t metadata_bytes = 0;
  std::string digest = "";

  bool operator==(const SavedBlock&) const = default;
};

struct CensusLine {
  uint32_t partition_id = 0;
  std::string guest = "";
  uint64_t fence_value = 0;
  std::string state_digest = "";

  bool operator==(const CensusLine&) const = default;
};

// What a host keeps of an attempt that went wrong.
struct Incident {
  std::vector<SavedBlock> blocks = {};
  std::vector<CensusLine> before = {};
  std::vector<CensusLine> after = {};
  std::vector<std::string> driver_log = {};

  bool operator==(const Incident&) const = default;
};

// An agent's word of where an attempt stands; as baton.v1.UpdateReport.
struct UpdateReport {
  std::string rollout = "";
  uint64_t attempt = 0;
  uint64_t sequence = 0;
  UpdateState state = UpdateState::kRunning;
  Step step = Step::kNone;
  bool past_no_return = false;
  std::vector<StepRecord> steps = {};
  std::vector<VirtualGpuResult> vgpus = {};
  std::string reason = "";
  std::string message = "";
  std::optional<SavedState> saved = std::nullopt;
  std::optional<Incident> incident = std::nullopt;

  bool operator==(const UpdateReport&) const = default;
};

// What somebody asked of an attempt that runs.
enum class Cancel : uint8_t {
  kNone = 0,
  kEnds = 1,     // to cancel, and that is its end
  kRequeues = 2  // to cancel, and to wait for the next attempt
};

struct Update {
  UpdateState state = UpdateState::kPending;
  Cancel cancel = Cancel::kNone;
  Step step = Step::kNone;      // the agent's word, as all that it said last
  bool past_no_return = false;  // the agent's word
  uint32_t wave = 0;            // index into the plan's waves
  // Derived, never stored: its index among the hosts of its wave.
  uint32_t position = 0;
  // Attempts that were spent; one that was paused is not.
  uint32_t tries = 0;
  uint64_t attempt = 0;  // 0: no slot yet
  Interned from_version = "";
  // "drivers/{driver}/versions/{version}" that all adapters ran when it was
  // admitted. Empty: several, not yet, or an older release admitted it.
  Interned from_driver = "";
  absl::Time start_time = absl::InfinitePast();  // InfinitePast: not yet
  absl::Time end_time = absl::InfinitePast();    // InfinitePast: not yet
  // A pending one is not started before. InfinitePast: at any time.
  absl::Time not_before = absl::InfinitePast();

  // What else the agent said last.
  uint64_t sequence = 0;
  Packed<StepRecord> steps = {};
  Packed<VirtualGpuResult> vgpus = {};
  std::optional<SavedState> saved = std::nullopt;

  // Why it ended other than DONE; of one that is to try again, why its last
  // attempt did.
  Interned reason = "";
  Interned message = "";

  bool operator==(const Update&) const = default;
};

// By host name.
using Updates = std::map<Interned, Update, std::less<>>;

// Whether no report can change it any more.
bool HasEnded(UpdateState state);

// Whether `update` ended in a way that the failure tolerance counts: other than
// DONE, and not skipped because there was nothing to do or by somebody's word.
bool CountsAsFailure(const Update& update);

// Returns one line on why `update` ended other than DONE, e.g. "CANCELLED:
// SAVE_FAILED in DxgkDdiSaveMemoryForHotUpdate returned 0xC0000001".
std::string CauseOf(const Update& update);

// Returns "PENDING" and so on, "SAVE" and so on.
absl::string_view Name(UpdateState state);
absl::string_view Name(Step step);

}  // namespace baton::core

#endif  // SERVICE_CORE_UPDATE_H_
