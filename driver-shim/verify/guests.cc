#include "driver-shim/verify/guests.h"

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace baton::verify {
namespace {

constexpr absl::Duration kReadyTimeout = absl::Seconds(5);
constexpr absl::Duration kDrain = absl::Seconds(3);
// Enough to have commands in flight at any moment, and to leave the machine to
// the driver.
constexpr uint32_t kCommandsPerSecond = 3000;
constexpr absl::Duration kMailboxPeriod = absl::Milliseconds(20);
constexpr absl::Duration kStall = absl::Seconds(10);

}  // namespace

// Rings once for all, and hears who is ready.
class Guests::Bell final : public softgpu::Stop {
 public:
  bool WaitFor(absl::Duration timeout) override {
    const MutexLock lock(mu_);
    if (!rung_) changed_.WaitFor(mu_, timeout);
    return rung_;
  }
  void Ring() {
    const MutexLock lock(mu_);
    rung_ = true;
    changed_.SignalAll();
  }
  void Ready() {
    const MutexLock lock(mu_);
    ++ready_;
    changed_.SignalAll();
  }
  bool AwaitReady(size_t count) {
    const absl::Duration end = RealClock().Monotonic() + kReadyTimeout;
    const MutexLock lock(mu_);
    while (ready_ < count && RealClock().Monotonic() < end) {
      changed_.WaitFor(mu_, absl::Milliseconds(100));
    }
    return ready_ >= count;
  }

 private:
  Mutex mu_;
  CondVar changed_;
  bool rung_ ABSL_GUARDED_BY(mu_) = false;
  size_t ready_ ABSL_GUARDED_BY(mu_) = 0;
};

Guests::Guests() : bell_(std::make_unique<Bell>()) {}

Guests::~Guests() { Stop(); }

absl::StatusOr<std::unique_ptr<Guests>> Guests::Start(const Options& options) {
  std::unique_ptr<Guests> guests(new Guests);
  for (uint32_t i = 0; i < options.count; ++i) {
    ASSIGN_OR_RETURN(
        std::unique_ptr<softgpu::Tenant> tenant,
        softgpu::Tenant::Create(
            {.directory = options.directory,
             .function = i,
             .name = absl::StrCat("guest-", i),
             .rate = kCommandsPerSecond,
             .mailbox_period = kMailboxPeriod,
             .stall = kStall,
             .drain = kDrain,
             .seed = options.seed + i,
             .on_ready = [bell = guests->bell_.get()] { bell->Ready(); }}));
    guests->tenants_.push_back(std::move(tenant));
  }
  guests->reports_.resize(options.count);
  for (uint32_t i = 0; i < options.count; ++i) {
    guests->threads_.emplace_back([raw = guests.get(), i] {
      raw->reports_[i] = raw->tenants_[i]->Run(*raw->bell_);
    });
  }
  if (guests->bell_->AwaitReady(options.count)) return guests;
  return ErrorWithReason(
      absl::StatusCode::kDeadlineExceeded, "GUEST_IDLE",
      absl::StrCat("not all of ", options.count,
                   " guests got what they need from the driver within ",
                   absl::FormatDuration(kReadyTimeout)));
}

std::vector<softgpu::Report> Guests::Stop() {
  bell_->Ring();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
  threads_.clear();
  return std::move(reports_);
}

}  // namespace baton::verify
