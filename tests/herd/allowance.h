#ifndef TESTS_HERD_ALLOWANCE_H_
#define TESTS_HERD_ALLOWANCE_H_

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "base/mutex.h"

namespace baton::herd {

// How many hosts may begin their update. Without it a fast machine finishes
// the rollout before the service was killed often enough. Any thread.
class Allowance {
 public:
  // Lets `hosts` begin in all; fewer than before: no more than that.
  void Raise(int hosts) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    hosts_ = hosts;
    raised_.SignalAll();
  }

  // Returns once one host more may begin.
  void Take() ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    while (taken_ >= hosts_) raised_.WaitFor(mu_, absl::InfiniteDuration());
    ++taken_;
  }

 private:
  Mutex mu_;
  CondVar raised_;
  int hosts_ ABSL_GUARDED_BY(mu_) = 0;
  int taken_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace baton::herd

#endif  // TESTS_HERD_ALLOWANCE_H_
