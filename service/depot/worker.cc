#include "service/depot/worker.h"

#include <future>
#include <utility>

#include "absl/time/time.h"

namespace baton::depot {
namespace {

// How long the thread sleeps at most; it is woken for each job.
constexpr absl::Duration kIdle = absl::Minutes(1);

}  // namespace

Worker::Worker(size_t jobs_max)
    : jobs_max_(jobs_max), thread_([this] { Run(); }) {}

Worker::~Worker() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    posted_.SignalAll();
  }
  thread_.join();
}

bool Worker::TryPost(Job job) {
  MutexLock lock(mu_);
  if (jobs_.size() >= jobs_max_) return false;
  jobs_.push_back(std::move(job));
  posted_.SignalAll();
  return true;
}

void Worker::PostCleanup(Job job) {
  MutexLock lock(mu_);
  jobs_.push_back(std::move(job));
  posted_.SignalAll();
}

void Worker::Drain() {
  std::promise<void> reached;
  PostCleanup([&reached] { reached.set_value(); });
  reached.get_future().wait();
}

void Worker::Run() {
  while (true) {
    Job job;
    {
      MutexLock lock(mu_);
      while (jobs_.empty() && !stopping_) posted_.WaitFor(mu_, kIdle);
      if (jobs_.empty()) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    job();
  }
}

}  // namespace baton::depot
