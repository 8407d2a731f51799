#ifndef AGENT_THREAD_WORKER_H_
#define AGENT_THREAD_WORKER_H_

#include <atomic>
#include <functional>
#include <optional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "agent/ports.h"
#include "agent/steps.h"
#include "base/mutex.h"

namespace baton::agent {

// The worker with a thread of its own.
class ThreadWorker final : public Worker {
 public:
  // `wake`  called on the worker's thread when a result can be taken; must not
  //         block
  ThreadWorker(Steps& steps, std::function<void()> wake);
  // Waits for the job that runs.
  ~ThreadWorker() override;

  void Start(Job job) override ABSL_LOCKS_EXCLUDED(mu_);
  std::optional<JobResult> TakeResult() override ABSL_LOCKS_EXCLUDED(mu_);
  void Hurry() override { hurry_.store(true); }

 private:
  void Run() ABSL_LOCKS_EXCLUDED(mu_);
  std::optional<Job> Next() ABSL_LOCKS_EXCLUDED(mu_);
  JobResult Do(const Job& job);

  Steps& steps_;
  const std::function<void()> wake_;
  std::atomic<bool> hurry_ = false;
  Mutex mu_;
  CondVar changed_;
  std::optional<Job> job_ ABSL_GUARDED_BY(mu_);
  std::optional<JobResult> result_ ABSL_GUARDED_BY(mu_);
  bool closing_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;  // last: everything it uses is there
};

}  // namespace baton::agent

#endif  // AGENT_THREAD_WORKER_H_
