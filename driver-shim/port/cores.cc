#include "driver-shim/port/cores.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include "absl/time/time.h"
#include "base/mutex.h"

namespace baton::port {
namespace {

// For less than this, waking a thread costs more than it brings.
constexpr uint64_t kBytesPerThread = uint64_t{1} << 20;
// What a thread takes at a time, where the jobs are smaller.
constexpr uint64_t kBatchBytes = uint64_t{256} << 10;

// The threads that wait for work. They end with the process.
class Helpers {
 public:
  Helpers() : count_(std::max(1u, std::thread::hardware_concurrency()) - 1) {
    for (size_t i = 0; i < count_; ++i) {
      std::thread([this] { Serve(); }).detach();
    }
  }

  size_t count() const { return count_; }

  // Calls `work` here, and on up to `helpers` threads that are there in time.
  void Run(size_t helpers, const std::function<void()>& work) {
    const bool ours = Offer(helpers, work);
    work();
    if (ours) Withdraw();
  }

 private:
  bool Offer(size_t helpers, const std::function<void()>& work) {
    const MutexLock lock(mu_);
    if (work_ != nullptr) return false;
    work_ = &work;
    wanted_ = helpers;
    if (helpers > 0) wake_.SignalAll();
    return true;
  }

  void Withdraw() {
    const MutexLock lock(mu_);
    wanted_ = 0;
    while (working_ > 0) done_.WaitFor(mu_, absl::InfiniteDuration());
    work_ = nullptr;
  }

  void Serve() {
    while (true) {
      const std::function<void()>& work = Take();
      work();
      const MutexLock lock(mu_);
      if (--working_ == 0) done_.SignalAll();
    }
  }

  const std::function<void()>& Take() {
    const MutexLock lock(mu_);
    while (wanted_ == 0) wake_.WaitFor(mu_, absl::InfiniteDuration());
    --wanted_;
    ++working_;
    return *work_;
  }

  const size_t count_;
  Mutex mu_;
  CondVar wake_;
  CondVar done_;
  const std::function<void()>* work_ ABSL_GUARDED_BY(mu_) = nullptr;
  size_t wanted_ ABSL_GUARDED_BY(mu_) = 0;
  size_t working_ ABSL_GUARDED_BY(mu_) = 0;
};

Helpers& TheHelpers() {
  static Helpers* const helpers = new Helpers;  // its threads never end
  return *helpers;
}

}  // namespace

void StartCores() { (void)TheHelpers(); }

void OnAllCores(size_t count, uint64_t bytes_each,
                const std::function<void(size_t)>& job) {
  const uint64_t useful = count * bytes_each / kBytesPerThread;
  if (count <= 1 || useful <= 1) {
    for (size_t i = 0; i < count; ++i) job(i);
    return;
  }
  const auto batch =
      static_cast<size_t>(1 + kBatchBytes / std::max<uint64_t>(1, bytes_each));
  std::atomic<size_t> next = 0;
  Helpers& helpers = TheHelpers();
  helpers.Run(std::min<size_t>(useful - 1, helpers.count()), [&] {
    for (size_t i = next.fetch_add(batch); i < count;
         i = next.fetch_add(batch)) {
      for (size_t k = i; k < std::min(count, i + batch); ++k) job(k);
    }
  });
}

}  // namespace baton::port
