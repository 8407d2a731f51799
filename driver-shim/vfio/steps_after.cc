#include <poll.h>

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/fail_point.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/vfio/migration.h"
#include "driver-shim/vfio/steps.h"

// The steps from the point of no return on, and what proves that nothing was
// lost.

namespace baton::vfio {
namespace {

using core::Goal;
using core::Phase;
using port::AdapterState;

constexpr absl::Duration kLookAgain = absl::Milliseconds(5);

std::string Changed(const std::string& before, const std::string& after) {
  return absl::StrCat("its driver has the state '", after.substr(0, 80),
                      "', before it was '", before.substr(0, 80), "'");
}

}  // namespace

// ---- proof ----

std::string Steps::AttributeOf(const Vgpu& vgpu,
                               const std::string& path) const {
  if (path.front() == '/') {
    return absl::StrReplaceAll(path, {{"{uuid}", vgpu.config.uuid}});
  }
  return absl::StrCat("/sys/bus/mdev/devices/", vgpu.config.uuid, "/", path);
}

// Of a stopped vGPU: equal before and after where nothing was lost.
absl::StatusOr<std::string> Steps::StateOf(Vgpu& vgpu, const Budget& budget) {
  if (!config_.proof.state_digest.empty()) {
    return kernel_.ReadAttribute(AttributeOf(vgpu, config_.proof.state_digest));
  }
  if (!config_.proof.read_back) return std::string();
  ASSIGN_OR_RETURN(Device* const device, vgpu.holder->HeldDevice(budget));
  ASSIGN_OR_RETURN(const Stream stream, ReadBack(*device, budget));
  return absl::StrCat("read back ", stream.bytes, " bytes ",
                      stream.digest.ToString());
}

absl::Status Steps::TakeCensus(const Budget& budget, port::StepReport& report) {
  static_cast<void>(budget);
  census_.clear();
  for (size_t i = 0; i < vgpus_.size(); ++i) {
    VgpuRecord& record = RecordOf(vgpus_[i]);
    if (!record.carried) continue;
    MakesProgress(vgpus_[i]);  // sets where it starts from
    census_.push_back(
        {.vgpu = IdentityOf(i),
         .fence_value = record.completed,
         .driver_state = Xxh3Of(record.state.data(), record.state.size())});
  }
  report.census = census_;
  return Keep();
}

absl::StatusOr<std::string> Steps::DifferenceOf(Vgpu& vgpu,
                                                const Budget& budget) {
  VgpuRecord& record = RecordOf(vgpu);
  if (record.phase != Phase::kRestored) {
    return absl::StrCat("it is ", Name(record.phase), ", want RESTORED");
  }
  ASSIGN_OR_RETURN(const std::string state, StateOf(vgpu, budget));
  record.proven = state == record.state;
  return record.proven ? "" : Changed(record.state, state);
}

bool Steps::MakesProgress(const Vgpu& vgpu) {
  if (config_.proof.progress.empty()) return true;
  const auto text =
      kernel_.ReadAttribute(AttributeOf(vgpu, config_.proof.progress));
  if (!text.ok()) return false;
  const std::vector<std::string> words =
      absl::StrSplit(*text, ' ', absl::SkipWhitespace());
  uint64_t completed = 0;
  uint64_t submitted = 0;
  if (words.size() != 2 || !absl::SimpleAtoi(words[0], &completed) ||
      !absl::SimpleAtoi(words[1], &submitted)) {
    return false;
  }
  VgpuRecord& record = RecordOf(vgpu);
  const bool moved = completed > record.completed || completed >= submitted;
  record.completed = std::max(record.completed, completed);
  return moved;
}

absl::Status Steps::AwaitProgress(Vgpu& vgpu, const Budget& budget) {
  RETURN_IF_ERROR(vgpu.holder->Confirm(budget));
  while (!MakesProgress(vgpu)) {
    if (budget.Left() == absl::ZeroDuration()) {
      return ErrorWithReason(
          absl::StatusCode::kDeadlineExceeded, "VGPU_NO_PROGRESS",
          absl::StrCat("vGPU of '", vgpu.config.guest,
                       "' has work and does not go on with it"));
    }
    poll(nullptr, 0, static_cast<int>(absl::ToInt64Milliseconds(kLookAgain)));
  }
  return absl::OkStatus();
}

// ---- who ----

port::VirtualGpu Steps::IdentityOf(size_t index) const {
  const Config::Vgpu& vgpu = vgpus_[index].config;
  const std::string hash =
      Xxh3Of(vgpu.uuid.data(), vgpu.uuid.size()).ToString();
  return {.partition_id = static_cast<uint32_t>(index),
          .luid = hash.substr(0, 16),
          .profile = config_.mdev.type,
          .guest = vgpu.guest,
          .vram_bytes = config_.mdev.vram_mib << 20};
}

std::vector<port::VirtualGpu> Steps::Vgpus() const {
  const bool updating = record_.attempt != 0;
  std::vector<port::VirtualGpu> vgpus;
  for (size_t i = 0; i < vgpus_.size(); ++i) {
    const VgpuRecord* const record = FindRecord(vgpus_[i]);
    const bool carried = record != nullptr && record->carried;
    if (updating ? carried : present_[i]) vgpus.push_back(IdentityOf(i));
  }
  return vgpus;
}

std::optional<port::SavedState> Steps::Saved() const {
  port::SavedState saved;
  for (const auto& [uuid, vgpu] : record_.vgpus) {
    if (!vgpu.carried || vgpu.saved.path.empty()) continue;
    ++saved.blocks;
    saved.bytes += vgpu.saved.bytes;
  }
  if (saved.blocks == 0) return std::nullopt;
  return saved;
}

std::vector<port::VirtualGpuResult> Steps::Results() const {
  std::vector<port::VirtualGpuResult> results;
  for (size_t i = 0; i < vgpus_.size(); ++i) {
    const VgpuRecord* const record = FindRecord(vgpus_[i]);
    if (record == nullptr || !record->carried) continue;
    const bool lost = record->phase == Phase::kLost;
    const std::string why =
        record->lost.empty()
            ? "its holder has ended by itself, and its state with it"
            : record->lost;
    results.push_back({.partition_id = static_cast<uint32_t>(i),
                       .guest = vgpus_[i].config.guest,
                       .preserved = !lost,
                       .blackout = record->blackout,
                       .difference = lost ? why : ""});
  }
  return results;
}

bool Steps::AnyCarriedIn(std::initializer_list<Phase> phases) const {
  return std::any_of(
      record_.vgpus.begin(), record_.vgpus.end(), [&](const auto& one) {
        return one.second.carried &&
               std::find(phases.begin(), phases.end(), one.second.phase) !=
                   phases.end();
      });
}

// ---- steps ----

port::StepReport Steps::Unload(const port::StepOrder& order) {
  const Budget budget(clock_, order.deadline);
  port::StepReport report;
  // Asked once more while the old module is in: nobody of ours may hold it, but
  // whoever else does will not let go for our sake. It may be the one that is
  // wanted back, and if it is not, Restore takes it out.
  const bool stays = record_.state == AdapterState::kUnloaded &&
                     record_.loaded.digest == record_.previous.digest;
  report.status = stays ? ReleaseAll(budget)
                        : Reach(Goal::kUnloaded, record_.loaded, budget);
  if (report.status.ok()) record_.state = AdapterState::kUnloaded;
  return report;
}

absl::Status Steps::ReleaseAll(const Budget& budget) {
  while (true) {
    const auto next = core::NextAct(Goal::kUnloaded, See(record_.loaded));
    if (!next.has_value() || next->act != core::Act::kRelease) {
      return absl::OkStatus();
    }
    if (budget.Left() == absl::ZeroDuration()) {
      return budget.Exceeded("letting go of devices");
    }
    RETURN_IF_ERROR(Do(*next, record_.loaded, budget));
  }
}

port::StepReport Steps::Restore(const port::StepOrder& order) {
  const Budget budget(clock_, order.deadline);
  port::StepReport report;
  report.status = [&] {
    RETURN_IF_ERROR(CheckImage(order.image));
    const bool back = order.image.digest == record_.previous.digest;
    if (back) return BringBack(order, budget);
    return Reach(Goal::kRestored, order.image, budget);
  }();
  record_.state =
      report.status.ok() ? AdapterState::kRestored : AdapterState::kUnloaded;
  return report;
}

port::StepReport Steps::Verify(const port::StepOrder& order) {
  const Budget budget(clock_, order.deadline);
  port::StepReport report;
  report.vgpus = Results();
  for (port::VirtualGpuResult& result : report.vgpus) {
    if (!result.preserved) continue;  // lost, and no reason to keep the others
    if (budget.Left() == absl::ZeroDuration()) {
      report.status = budget.Exceeded("comparing states");
      return report;
    }
    const absl::StatusOr<std::string> difference =
        DifferenceOf(vgpus_[result.partition_id], budget);
    if (!difference.ok()) {
      report.status = difference.status();
      return report;
    }
    result.difference = *difference;
    result.preserved = difference->empty();
    if (result.preserved || !report.status.ok()) continue;
    report.status = ErrorWithReason(
        absl::StatusCode::kFailedPrecondition, "VGPU_CHANGED",
        absl::StrCat("vGPU of '", result.guest, "': ", result.difference));
  }
  if (report.status.ok()) record_.state = AdapterState::kVerified;
  return report;
}

port::StepReport Steps::Resume(const port::StepOrder& order) {
  const Budget budget(clock_, order.deadline);
  port::StepReport report;
  report.status = LetAllGoOn(budget);
  report.vgpus = Results();
  // Once one may run there is no way back to the streams.
  const bool ran =
      report.status.ok() || AnyCarriedIn({Phase::kResuming, Phase::kRuns});
  if (ran) record_.state = AdapterState::kResumed;
  return report;
}

port::StepReport Steps::Confirm(const port::StepOrder& order) {
  const Budget budget(clock_, order.deadline);
  port::StepReport report;
  report.status = LetAllGoOn(budget);
  report.vgpus = Results();
  for (port::VirtualGpuResult& result : report.vgpus) {
    Vgpu& vgpu = vgpus_[result.partition_id];
    if (!report.status.ok() || !result.preserved) continue;
    if (absl::Status goes_on = AwaitProgress(vgpu, budget); !goes_on.ok()) {
      result.preserved = false;
      result.difference = std::string(goes_on.message());
      report.status = std::move(goes_on);
    }
  }
  if (report.status.ok()) record_.state = AdapterState::kConfirmed;
  return report;
}

// Nothing of it can fail once it is on record: whoever starts again cleans up.
// What is left over waits: guests have only just gone on, and want the
// processors.
port::StepReport Steps::Commit(const port::StepOrder& order) {
  static_cast<void>(order);
  port::StepReport report;
  record_.state = AdapterState::kRunning;
  FAIL_POINT("shim.vfio_before_commit");
  report.status = Keep();
  if (!report.status.ok()) {
    record_.state = AdapterState::kConfirmed;
    return report;
  }
  FAIL_POINT("shim.vfio_after_commit");
  for (size_t i = 0; i < vgpus_.size(); ++i) {
    if (RecordOf(vgpus_[i]).phase == Phase::kLost) present_[i] = false;
  }
  untidy_ = true;
  return report;
}

}  // namespace baton::vfio
