#include "driver-shim/vfio/testing/fake_device.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <utility>

#include "base/reason.h"

namespace baton::vfio {
namespace {

using core::DeviceState;

absl::Status Refused(const std::string& why) {
  return ErrorWithReason(absl::StatusCode::kFailedPrecondition, "ARC_REFUSED",
                         why);
}

std::string WholeOf(int fd) {
  std::string text;
  char piece[4096];
  off_t at = 0;
  ssize_t got = 0;
  while ((got = pread(fd, piece, sizeof piece, at)) > 0) {
    text.append(piece, static_cast<size_t>(got));
    at += got;
  }
  return text;
}

class FakeDevice final : public Device {
 public:
  explicit FakeDevice(std::shared_ptr<FakeVgpu> vgpu)
      : vgpu_(std::move(vgpu)) {}

  bool CanMigrate() override { return vgpu_->behaviour().migrates; }
  absl::StatusOr<DeviceState> State() override { return vgpu_->state(); }
  absl::StatusOr<Fd> Take(DeviceState next) override {
    return vgpu_->Take(next);
  }
  absl::Status Reset() override {
    vgpu_->Reset();
    return absl::OkStatus();
  }

 private:
  const std::shared_ptr<FakeVgpu> vgpu_;
};

}  // namespace

std::string FakeVgpu::content() {
  MutexLock lock(mu_);
  return content_;
}

DeviceState FakeVgpu::state() {
  MutexLock lock(mu_);
  return state_;
}

void FakeVgpu::set_behaviour(Behaviour behaviour) {
  MutexLock lock(mu_);
  behaviour_ = behaviour;
}

FakeVgpu::Behaviour FakeVgpu::behaviour() {
  MutexLock lock(mu_);
  return behaviour_;
}

absl::StatusOr<Fd> FakeVgpu::MakeStream(const std::string& text) {
  Fd memory(memfd_create("stream", MFD_CLOEXEC));
  if (pwrite(memory.get(), text.data(), text.size(), 0) !=
      static_cast<ssize_t>(text.size())) {
    return absl::UnavailableError("no memory");
  }
  return memory;
}

absl::StatusOr<Fd> FakeVgpu::Take(DeviceState next) {
  MutexLock lock(mu_);
  if (core::NextArc(state_, next) != next) return Refused("no such arc");
  if (state_ == DeviceState::kResuming) {
    const std::string text = WholeOf(stream_.get());
    stream_.Close();
    if (behaviour_.refuses_late || text.empty()) {
      state_ = DeviceState::kError;
      return Refused("not this stream");
    }
    content_ = behaviour_.loses ? text.substr(0, text.size() / 2) : text;
  }
  if (state_ == DeviceState::kRunning && behaviour_.refuses_to_stop) {
    return Refused("busy");
  }
  state_ = next;
  if (next == DeviceState::kStopCopy) {
    auto stream = MakeStream(content_);
    if (stream.ok()) lseek(stream->get(), 0, SEEK_SET);
    return stream;
  }
  if (next == DeviceState::kResuming) {
    auto stream = MakeStream("");
    if (!stream.ok()) return stream;
    stream_ = Fd(fcntl(stream->get(), F_DUPFD_CLOEXEC, 0));
    return stream;
  }
  return Fd();
}

void FakeVgpu::Reset() {
  MutexLock lock(mu_);
  content_.clear();
  stream_.Close();
  state_ = DeviceState::kRunning;
}

absl::Status FakeVgpu::Write(const std::string& text) {
  for (const DeviceState next : {DeviceState::kStop, DeviceState::kResuming}) {
    const absl::StatusOr<Fd> taken = Take(next);
    if (!taken.ok()) return taken.status();
    if (next == DeviceState::kResuming &&
        write(taken->get(), text.data(), text.size()) !=
            static_cast<ssize_t>(text.size())) {
      return absl::UnavailableError("no memory");
    }
  }
  return absl::OkStatus();
}

std::unique_ptr<Device> FakeVgpu::Open(std::shared_ptr<FakeVgpu> vgpu) {
  return std::make_unique<FakeDevice>(std::move(vgpu));
}

}  // namespace baton::vfio
