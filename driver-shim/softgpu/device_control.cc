#include "driver-shim/softgpu/device_control.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "base/reason.h"
#include "base/status_macros.h"
#include "driver-shim/softgpu/doorbell.h"

namespace baton::softgpu {
namespace {

// What must not change while a function's engines are paused. The guest's own
// half (submissions, requests) is left out: guests run on.
struct Witness {
  uint64_t window_base = 0;
  uint64_t window_bytes = 0;
  softgpu_context contexts[SOFTGPU_CONTEXTS] = {};
  uint64_t hash_chain[SOFTGPU_HASH_CHAINS] = {};
  uint64_t completed = 0;
  uint64_t completed_copy = 0;
  uint64_t fence_value = 0;
  uint64_t fence_copy = 0;
  uint64_t fault_count = 0;
  uint64_t fault_sequence = 0;
  uint64_t response_sequence = 0;
  uint64_t results[SOFTGPU_MAILBOX_WORDS] = {};
  uint32_t fault_code = 0;
  uint32_t response_status = 0;
};

Digest128 WitnessOf(const softgpu_function& control, const softgpu_vf& page) {
  Witness witness;
  witness.window_base = control.window_base;
  witness.window_bytes = control.window_bytes;
  std::memcpy(witness.contexts, control.contexts, sizeof(witness.contexts));
  std::memcpy(witness.hash_chain, control.hash_chain,
              sizeof(witness.hash_chain));
  witness.completed = control.completed;
  witness.completed_copy = page.completed;
  witness.fence_value = control.fence_value;
  witness.fence_copy = page.fence_value;
  witness.fault_count = control.fault_count;
  witness.fault_sequence = control.fault_sequence;
  witness.response_sequence = page.mailbox.response_sequence;
  std::memcpy(witness.results, page.mailbox.results, sizeof(witness.results));
  witness.fault_code = control.fault_code;
  witness.response_status = page.mailbox.status;
  static_assert(sizeof(Witness) == 368, "without padding: it is hashed whole");
  return Xxh3Of(&witness, sizeof(witness));
}

std::string TextOf(const char* text, size_t room) {
  return std::string(text, strnlen(text, room));
}

}  // namespace

absl::StatusOr<std::unique_ptr<DeviceControl>> DeviceControl::Open(
    const std::string& directory) {
  std::unique_ptr<DeviceControl> control(new DeviceControl(directory));
  RETURN_IF_ERROR(control->MapAll());
  RETURN_IF_ERROR(control->CheckAlive());
  return control;
}

DeviceControl::~DeviceControl() {
  if (lock_fd_ >= 0) close(lock_fd_);
}

absl::Status DeviceControl::MapAll() {
  ASSIGN_OR_RETURN(pf_, MappedFile::Open(absl::StrCat(directory_, "/pf"), 0,
                                         sizeof(softgpu_pf)));
  if (softgpu_read32(&pf()->magic) != SOFTGPU_MAGIC ||
      pf()->registers_version != SOFTGPU_REGISTERS_VERSION ||
      pf()->functions_max > SOFTGPU_FUNCTIONS_MAX) {
    return ErrorWithReason(
        absl::StatusCode::kFailedPrecondition, "DEVICE_UNKNOWN",
        absl::StrCat("device '", directory_, "' has registers version ",
                     pf()->registers_version, ", want ",
                     static_cast<int>(SOFTGPU_REGISTERS_VERSION)));
  }
  for (uint32_t n = 0; n < pf()->functions_max; ++n) {
    ASSIGN_OR_RETURN(auto page,
                     MappedFile::Open(absl::StrCat(directory_, "/vf", n), 0,
                                      sizeof(softgpu_vf)));
    vfs_.push_back(std::move(page));
  }
  lock_fd_ =
      open(absl::StrCat(directory_, "/pid").c_str(), O_RDONLY | O_CLOEXEC);
  // A board makes its files when it starts, and says who it is.
  struct stat info = {};
  std::array<char, 32> pid = {};
  if (stat(absl::StrCat(directory_, "/pf").c_str(), &info) == 0 &&
      read(lock_fd_, pid.data(), pid.size() - 1) > 0) {
    life_ = absl::StrCat("file ", info.st_ino, " of process ",
                         absl::StripAsciiWhitespace(pid.data()));
  }
  return absl::OkStatus();
}

// The device holds its lock for as long as it lives, however it dies.
absl::Status DeviceControl::CheckAlive() const {
  if (lock_fd_ >= 0 && flock(lock_fd_, LOCK_SH | LOCK_NB) != 0) {
    return absl::OkStatus();
  }
  if (lock_fd_ >= 0) flock(lock_fd_, LOCK_UN);
  return ErrorWithReason(
      absl::StatusCode::kUnavailable, "DEVICE_GONE",
      absl::StrCat("device '", directory_, "' is gone: its process has ended"));
}

port::DeviceIdentity DeviceControl::Identity() const {
  return {.vendor_id = pf()->vendor_id,
          .device_id = pf()->device_id,
          .revision = pf()->board_revision,
          .model = TextOf(pf()->model, sizeof(pf()->model)),
          .functions_max = pf()->functions_max,
          .vram_bytes = pf()->vram_bytes};
}

std::vector<port::Bar> DeviceControl::Bars() const {
  std::vector<port::Bar> bars = {
      {absl::StrCat(directory_, "/pf"), sizeof(softgpu_pf)},
      {absl::StrCat(directory_, "/vram"), pf()->vram_bytes}};
  for (uint32_t n = 0; n < vfs_.size(); ++n) {
    bars.push_back({absl::StrCat(directory_, "/vf", n), sizeof(softgpu_vf)});
  }
  return bars;
}

std::string DeviceControl::InterruptPath() const {
  return absl::StrCat(directory_, "/irq");
}

absl::StatusOr<std::vector<port::FunctionState>> DeviceControl::Functions()
    const {
  RETURN_IF_ERROR(CheckAlive());
  std::vector<port::FunctionState> states;
  states.reserve(vfs_.size());
  for (uint32_t n = 0; n < vfs_.size(); ++n) {
    if (softgpu_read32(&pf()->functions[n].enabled) != 0) {
      states.push_back(StateOf(n));
    }
  }
  return states;
}

port::FunctionState DeviceControl::StateOf(uint32_t function) const {
  const softgpu_function& control = pf()->functions[function];
  const softgpu_vf& page = *vf(function);
  return {.partition_id = function,
          .guest = TextOf(control.owner, sizeof(control.owner)),
          .vram_bytes = control.window_bytes,
          .commands_submitted = softgpu_read64(&page.submitted),
          .commands_completed = softgpu_read64(&control.completed),
          .fence_value = softgpu_read64(&control.fence_value),
          .registers = WitnessOf(control, page),
          .stopped_at = absl::Nanoseconds(
              static_cast<int64_t>(softgpu_read64(&control.stopped_ns))),
          .started_at = absl::Nanoseconds(
              static_cast<int64_t>(softgpu_read64(&control.started_ns)))};
}

absl::Status DeviceControl::Assign(uint32_t partition_id,
                                   const std::string& guest) {
  RETURN_IF_ERROR(CheckAlive());
  if (partition_id >= vfs_.size() || guest.size() >= SOFTGPU_OWNER_BYTES) {
    return ErrorWithReason(
        absl::StatusCode::kInvalidArgument, "DEVICE_ASSIGNMENT",
        absl::StrCat("guest '", guest, "' cannot have function ", partition_id,
                     ": want a function below ", vfs_.size(),
                     " and a name of at most ", SOFTGPU_OWNER_BYTES - 1,
                     " bytes"));
  }
  char* owner = pf()->functions[partition_id].owner;
  std::memset(owner, 0, SOFTGPU_OWNER_BYTES);
  guest.copy(owner, SOFTGPU_OWNER_BYTES - 1);
  return absl::OkStatus();
}

absl::Status DeviceControl::PauseEngines(absl::Duration timeout) {
  RETURN_IF_ERROR(CheckAlive());
  Request(SOFTGPU_PAUSE);
  absl::Status paused = Await(SOFTGPU_PAUSE, timeout);
  if (!paused.ok()) Request(SOFTGPU_RUN);
  return paused;
}

absl::Status DeviceControl::ResumeEngines(absl::Duration timeout) {
  RETURN_IF_ERROR(CheckAlive());
  Request(SOFTGPU_RUN);
  return Await(SOFTGPU_RUN, timeout);
}

// Every function, also those not enabled: one that is enabled later must not
// run in the middle of a pause.
void DeviceControl::Request(uint32_t request) const {
  for (uint32_t n = 0; n < vfs_.size(); ++n) {
    softgpu_write32(&pf()->functions[n].run_request, request);
  }
  softgpu_ring(&pf()->control_doorbell);
}

absl::Status DeviceControl::Await(uint32_t request,
                                  absl::Duration timeout) const {
  const uint64_t deadline =
      softgpu_now_ns() + static_cast<uint64_t>(std::max<int64_t>(
                             0, absl::ToInt64Nanoseconds(timeout)));
  // The last first: when it has followed, most have.
  for (auto left = static_cast<uint32_t>(vfs_.size()); left > 0; --left) {
    const uint32_t n = left - 1;
    const softgpu_function& control = pf()->functions[n];
    while (softgpu_read32(&control.enabled) != 0) {
      const uint32_t state = softgpu_read32(&control.run_state);
      if (state == request) break;
      const uint64_t now = softgpu_now_ns();
      if (now >= deadline) {
        RETURN_IF_ERROR(CheckAlive());
        return ErrorWithReason(
            absl::StatusCode::kDeadlineExceeded, "ENGINE_STUCK",
            absl::StrCat("engine of function ", n, " of device '", directory_,
                         "' did not ",
                         request == SOFTGPU_PAUSE ? "stop" : "start",
                         " within ", absl::FormatDuration(timeout)));
      }
      softgpu_wait(&control.run_state, state,
                   static_cast<int64_t>(deadline - now));
    }
  }
  return absl::OkStatus();
}

}  // namespace baton::softgpu
