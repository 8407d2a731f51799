#ifndef DRIVER_SHIM_RPC_SHIM_WORKER_H_
#define DRIVER_SHIM_RPC_SHIM_WORKER_H_

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "base/mailbox.h"
#include "base/mutex.h"
#include "driver-shim/port/adapter_port.h"

namespace baton::rpc {

// The one thread on which an adapter lives. Any thread may post to it, and see
// how the adapter stood after the last job without waiting for the next.
class ShimWorker {
 public:
  using Job = std::function<void()>;

  // Most jobs that wait.
  static constexpr size_t kJobsMax = 64;

  // Starts the thread. `adapter` outlives it, and is touched by jobs alone.
  explicit ShimWorker(port::AdapterPort& adapter);

  // Lets the jobs that were posted before run, and ends the thread.
  ~ShimWorker();
  ShimWorker(const ShimWorker&) = delete;
  ShimWorker& operator=(const ShimWorker&) = delete;

  // Returns false when too many wait. The job runs once, on the thread.
  [[nodiscard]] bool TryPost(Job job) { return jobs_.TryPost(std::move(job)); }

  // Has the job carried out and waits for it. For start and stop.
  // `meanwhile`  called here now and then for as long as that takes
  void Run(
      Job job, const std::function<void()>& meanwhile = [] {});

  // How the adapter stood when the last job was done. Does not block.
  port::AdapterReport Last() const ABSL_LOCKS_EXCLUDED(mu_);

  // Shows how the adapter stands from now on. Call it in a job, on the thread,
  // before somebody is told what the job did.
  void Show() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Loop();

  port::AdapterPort& adapter_;
  Mailbox<Job> jobs_{kJobsMax};
  bool stopping_ = false;  // the thread's
  mutable Mutex mu_;
  port::AdapterReport last_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace baton::rpc

#endif  // DRIVER_SHIM_RPC_SHIM_WORKER_H_
