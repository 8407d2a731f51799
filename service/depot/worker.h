#ifndef SERVICE_DEPOT_WORKER_H_
#define SERVICE_DEPOT_WORKER_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace baton::depot {

// One thread that does what blocks on the disk, so that no RPC thread does.
// Jobs run one at a time, in the order in which they were posted.
class Worker {
 public:
  using Job = std::function<void()>;

  // `jobs_max`  how many jobs may wait
  explicit Worker(size_t jobs_max);

  // Runs every job that waits, then ends the thread. Nobody may post by then.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Queues `job`; returns false when the queue is full. Any thread; never
  // waits.
  [[nodiscard]] bool TryPost(Job job) ABSL_LOCKS_EXCLUDED(mu_);

  // Queues `job` past the bound. Only for cleaning up after a job that was
  // taken, at most once for each, so that the queue stays bounded all the same.
  void PostCleanup(Job job) ABSL_LOCKS_EXCLUDED(mu_);

  // Returns once every job that was posted by now has run. Blocks.
  void Drain();

 private:
  void Run() ABSL_LOCKS_EXCLUDED(mu_);

  const size_t jobs_max_;
  Mutex mu_;
  CondVar posted_;
  std::deque<Job> jobs_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace baton::depot

#endif  // SERVICE_DEPOT_WORKER_H_
