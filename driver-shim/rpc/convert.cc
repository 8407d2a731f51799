#include "driver-shim/rpc/convert.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/digest.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/port/order.h"

namespace baton::rpc {
namespace {

constexpr int kBlocksMax = 4096;  // of an incident
constexpr absl::Duration kDeadlineLeast = absl::Milliseconds(1);
constexpr absl::Duration kDeadlineMost = absl::Hours(1);
constexpr size_t kPathBytesMax = 4095;
constexpr size_t kNameBytesMax = 256;

absl::Status Bad(absl::string_view reason, absl::string_view message) {
  return ErrorWithReason(absl::StatusCode::kInvalidArgument, reason, message);
}

// Of a message that has one.
template <typename Message>
absl::StatusOr<absl::Duration> DeadlineOf(const Message& message) {
  if (!message.has_deadline()) return Bad("BAD_ORDER", "deadline is missing");
  const absl::Duration deadline = absl::Seconds(message.deadline().seconds()) +
                                  absl::Nanoseconds(message.deadline().nanos());
  if (deadline < kDeadlineLeast || deadline > kDeadlineMost) {
    return Bad("BAD_ORDER",
               absl::StrCat("deadline is ", absl::FormatDuration(deadline),
                            ", want 1ms to 1h"));
  }
  return deadline;
}

v1::Step ToProto(port::AdapterStep step) {
  switch (step) {
    case port::AdapterStep::kPrepare:
      return v1::STEP_PREPARE;
    case port::AdapterStep::kPause:
      return v1::STEP_PAUSE;
    case port::AdapterStep::kSave:
      return v1::STEP_SAVE;
    case port::AdapterStep::kCancel:
      return v1::STEP_CANCEL;
    case port::AdapterStep::kUnload:
      return v1::STEP_UNLOAD;
    case port::AdapterStep::kRestore:
      return v1::STEP_RESTORE;
    case port::AdapterStep::kVerify:
      return v1::STEP_VERIFY;
    case port::AdapterStep::kResume:
      return v1::STEP_RESUME;
    case port::AdapterStep::kConfirm:
      return v1::STEP_CONFIRM;
    case port::AdapterStep::kCommit:
      return v1::STEP_COMMIT;
  }
  std::abort();
}

// The step in whose wake they are taken is one that guests stand still for.
std::optional<port::AdapterStep> Following(port::AdapterStep step) {
  switch (step) {
    case port::AdapterStep::kPause:
      return port::AdapterStep::kSave;
    case port::AdapterStep::kSave:
      return port::AdapterStep::kUnload;
    case port::AdapterStep::kUnload:
      return port::AdapterStep::kRestore;
    case port::AdapterStep::kRestore:
      return port::AdapterStep::kVerify;
    case port::AdapterStep::kVerify:
      return port::AdapterStep::kResume;
    case port::AdapterStep::kPrepare:
    case port::AdapterStep::kCancel:
    case port::AdapterStep::kResume:
    case port::AdapterStep::kConfirm:
    case port::AdapterStep::kCommit:
      return std::nullopt;
  }
  std::abort();
}

// Bytes of the character of UTF-8 that `text` begins with; 0: it is none.
size_t CharacterIn(absl::string_view text) {
  const auto at = [&](size_t i) {
    return i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t{0};
  };
  const uint8_t first = at(0);
  const size_t bytes = first < 0x80                    ? 1
                       : first >= 0xc2 && first < 0xe0 ? 2
                       : (first & 0xf0) == 0xe0        ? 3
                       : first >= 0xf0 && first < 0xf5 ? 4
                                                       : 0;
  for (size_t i = 1; i < bytes; ++i) {
    if ((at(i) & 0xc0) != 0x80) return 0;
  }
  // Longer than it had to be, half of a pair, or past the last one.
  const bool good =
      (first != 0xe0 || at(1) >= 0xa0) && (first != 0xed || at(1) < 0xa0) &&
      (first != 0xf0 || at(1) >= 0x90) && (first != 0xf4 || at(1) < 0x90);
  return good ? bytes : 0;
}

// A string on the wire is UTF-8, or nobody can read the message that it is in.
// What is told of a driver or a device has been in memory that drivers can
// write to, and may have been cut anywhere.
std::string Text(const std::string& text) {
  std::string out = text;
  for (size_t at = 0; at < out.size();) {
    const size_t bytes = CharacterIn(absl::string_view(out).substr(at));
    if (bytes == 0) out[at] = '?';
    at += std::max<size_t>(1, bytes);
  }
  return out;
}

google::protobuf::Duration ToProto(absl::Duration duration) {
  google::protobuf::Duration proto;
  absl::Duration rest;
  proto.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &rest));
  proto.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
  return proto;
}

v1::VirtualGpu ToProto(const port::VirtualGpu& vgpu) {
  v1::VirtualGpu proto;
  proto.set_partition_id(vgpu.partition_id);
  proto.set_luid(vgpu.luid);
  proto.set_profile(vgpu.profile);
  proto.set_guest(Text(vgpu.guest));
  proto.set_vram_bytes(vgpu.vram_bytes);
  return proto;
}

// A driver may print anything.
std::string Printable(const std::string& line) {
  std::string text = line;
  for (char& c : text) c = c >= ' ' && c <= '~' ? c : '?';
  return text;
}

std::string StateDigestOf(const port::CensusEntry& entry) {
  const std::array<Digest128, 2> both = {entry.registers, entry.driver_state};
  return Xxh3Of(both.data(), sizeof both).ToString();
}

void AddCensus(const port::SharedList<port::CensusEntry>& census,
               google::protobuf::RepeatedPtrField<v1::CensusLine>& lines) {
  for (const port::CensusEntry& entry : census) {
    v1::CensusLine& line = *lines.Add();
    line.set_partition_id(entry.vgpu.partition_id);
    line.set_guest(Text(entry.vgpu.guest));
    line.set_fence_value(entry.fence_value);
    line.set_state_digest(StateDigestOf(entry));
  }
}

}  // namespace

absl::StatusOr<port::StepOrder> OrderFrom(port::AdapterStep step,
                                          const v1::StepOrder& order) {
  if (order.attempt() == 0) return Bad("BAD_ORDER", "attempt is 0, want >= 1");
  ASSIGN_OR_RETURN(const absl::Duration deadline, DeadlineOf(order));
  return port::StepOrder{
      .step = step, .attempt = order.attempt(), .deadline = deadline};
}

absl::StatusOr<std::vector<port::StepOrder>> AheadFrom(
    port::AdapterStep step, const v1::StepOrder& order) {
  std::vector<port::StepOrder> ahead;
  for (const v1::NextStep& next : order.ahead()) {
    const std::optional<port::AdapterStep> follows = Following(step);
    if (!follows.has_value() || next.step() != ToProto(*follows)) {
      return Bad("BAD_ORDER",
                 absl::StrCat("step ", v1::Step_Name(next.step()),
                              " ahead does not follow ", Name(step)));
    }
    step = *follows;
    port::StepOrder one = {.step = step, .attempt = order.attempt()};
    ASSIGN_OR_RETURN(one.deadline, DeadlineOf(next));
    if (step == port::AdapterStep::kRestore) {
      ASSIGN_OR_RETURN(one.image, ImageFrom(next.image()));
    } else if (next.has_image()) {
      return Bad("BAD_ORDER",
                 absl::StrCat("step ", Name(step), " ahead has an image"));
    }
    ahead.push_back(std::move(one));
  }
  return ahead;
}

absl::StatusOr<port::DriverImage> ImageFrom(const v1::DriverImage& image) {
  if (image.path().empty() || image.path().front() != '/' ||
      image.path().size() > kPathBytesMax ||
      image.path().find('\0') != std::string::npos) {
    return Bad("BAD_IMAGE", "image's path is not an absolute path");
  }
  if (!IsSha256(image.digest())) {
    return Bad("BAD_IMAGE",
               absl::StrCat("image '", image.path(),
                            "' has no digest of the form 'sha256:…'"));
  }
  if (image.driver().size() > kNameBytesMax ||
      image.version().size() > kNameBytesMax) {
    return Bad("BAD_IMAGE",
               absl::StrCat("image '", image.path(),
                            "' has a driver or version of more than ",
                            kNameBytesMax, " bytes"));
  }
  return port::DriverImage{.path = image.path(),
                           .digest = image.digest(),
                           .driver = image.driver(),
                           .version = image.version()};
}

v1::AdapterState ToProto(port::AdapterState state) {
  switch (state) {
    case port::AdapterState::kEmpty:
      return v1::ADAPTER_STATE_EMPTY;
    case port::AdapterState::kRunning:
      return v1::ADAPTER_STATE_RUNNING;
    case port::AdapterState::kPrepared:
      return v1::ADAPTER_STATE_PREPARED;
    case port::AdapterState::kPaused:
      return v1::ADAPTER_STATE_PAUSED;
    case port::AdapterState::kSaved:
      return v1::ADAPTER_STATE_SAVED;
    case port::AdapterState::kUnloaded:
      return v1::ADAPTER_STATE_UNLOADED;
    case port::AdapterState::kRestored:
      return v1::ADAPTER_STATE_RESTORED;
    case port::AdapterState::kVerified:
      return v1::ADAPTER_STATE_VERIFIED;
    case port::AdapterState::kResumed:
      return v1::ADAPTER_STATE_RESUMED;
    case port::AdapterState::kConfirmed:
      return v1::ADAPTER_STATE_CONFIRMED;
    case port::AdapterState::kBroken:
      return v1::ADAPTER_STATE_BROKEN;
  }
  std::abort();
}

v1::InspectResponse ToProto(const port::AdapterReport& report,
                            const std::string& shim_version) {
  v1::InspectResponse proto;
  v1::Adapter& adapter = *proto.mutable_adapter();
  adapter.set_name(report.name);
  adapter.set_model(Text(report.model));
  adapter.set_pci_id(report.pci_id);
  adapter.set_driver(report.image.driver);
  adapter.set_driver_version(report.image.version);
  adapter.set_image_digest(report.image.digest);
  adapter.set_hot_update_capable(report.hot_update_capable);
  adapter.set_fault(Text(report.fault));
  adapter.set_kernel_release(report.kernel_release);
  for (const port::Blocker& blocker : report.blockers) {
    v1::Blocker& added = *adapter.add_blockers();
    added.set_reason(blocker.reason);
    added.set_message(Text(blocker.message));
  }
  for (const port::VirtualGpu& vgpu : report.vgpus) {
    *adapter.add_vgpus() = ToProto(vgpu);
  }
  proto.set_state(ToProto(report.state));
  proto.set_attempt(report.attempt);
  if (!report.image.path.empty()) {
    v1::DriverImage& image = *proto.mutable_image();
    image.set_path(Text(report.image.path));
    image.set_digest(report.image.digest);
    image.set_driver(report.image.driver);
    image.set_version(report.image.version);
  }
  if (report.saved.has_value()) *proto.mutable_saved() = ToProto(*report.saved);
  proto.set_shim_version(shim_version);
  return proto;
}

v1::Incident ToProto(const port::Incident& incident) {
  v1::Incident proto;
  for (const port::BlockFacts& block : incident.blocks) {
    if (proto.blocks_size() == kBlocksMax) break;
    v1::SavedBlock& added = *proto.add_blocks();
    added.set_index(static_cast<uint32_t>(proto.blocks_size() - 1));
    added.set_form(block.form);
    added.set_size_bytes(block.bytes);
    added.set_metadata_bytes(block.metadata_bytes);
    if (block.digest != Digest128{}) {
      added.set_digest(block.digest.ToString());
    }
  }
  AddCensus(incident.before, *proto.mutable_before());
  AddCensus(incident.after, *proto.mutable_after());
  for (const std::string& line : incident.driver_log) {
    proto.add_driver_log(Printable(line));
  }
  return proto;
}

v1::StepResult ResultOf(const port::StepReport& report) {
  v1::StepResult proto;
  proto.set_code(static_cast<int32_t>(report.status.code()));
  if (!report.status.ok()) {
    proto.set_reason(Reason(report.status));
    proto.set_message(Text(std::string(report.status.message())));
  }
  if (report.nt_status.has_value()) proto.set_nt_status(*report.nt_status);
  *proto.mutable_elapsed() = ToProto(report.elapsed);
  proto.set_entry_point(report.entry_point);
  proto.set_rule(report.rule);
  for (const std::string& line : report.driver_log) {
    proto.add_driver_log(Printable(line));
  }
  proto.set_shim_page_faults(report.shim_faults);
  proto.set_driver_page_faults(report.driver_faults);
  *proto.mutable_driver_elapsed() = ToProto(report.driver_time);
  for (const port::EntryPointCall& call : report.calls) {
    v1::EntryPointCall& added = *proto.add_calls();
    added.set_entry_point(call.entry_point);
    added.set_nt_status(call.nt_status);
    *added.mutable_elapsed() = ToProto(call.elapsed);
  }
  return proto;
}

v1::StepTaken TakenOf(port::AdapterStep step, const port::StepReport& report) {
  v1::StepTaken proto;
  proto.set_step(ToProto(step));
  *proto.mutable_result() = ResultOf(report);
  if (step == port::AdapterStep::kSave) {
    *proto.mutable_saved() = ToProto(report.saved);
  }
  for (const port::VirtualGpuResult& vgpu : report.vgpus) {
    *proto.add_vgpus() = ToProto(vgpu);
  }
  return proto;
}

v1::CensusEntry ToProto(const port::CensusEntry& entry) {
  v1::CensusEntry proto;
  *proto.mutable_vgpu() = ToProto(entry.vgpu);
  proto.set_fence_value(entry.fence_value);
  proto.set_state_digest(StateDigestOf(entry));
  return proto;
}

v1::VirtualGpuResult ToProto(const port::VirtualGpuResult& result) {
  v1::VirtualGpuResult proto;
  proto.set_partition_id(result.partition_id);
  proto.set_guest(Text(result.guest));
  proto.set_preserved(result.preserved);
  if (result.blackout.has_value()) {
    *proto.mutable_blackout() = ToProto(*result.blackout);
  }
  proto.set_difference(Text(result.difference));
  return proto;
}

v1::SavedState ToProto(const port::SavedState& saved) {
  v1::SavedState proto;
  proto.set_blocks(saved.blocks);
  proto.set_size_bytes(saved.bytes);
  return proto;
}

}  // namespace baton::rpc
