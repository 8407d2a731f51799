#include "agent/thread_worker.h"

#include <utility>

#include "base/check.h"

namespace baton::agent {

ThreadWorker::ThreadWorker(Steps& steps, std::function<void()> wake)
    : steps_(steps), wake_(std::move(wake)), thread_([this] { Run(); }) {}

ThreadWorker::~ThreadWorker() {
  {
    MutexLock lock(mu_);
    closing_ = true;
    changed_.SignalAll();
  }
  thread_.join();
}

void ThreadWorker::Start(Job job) {
  hurry_.store(false);
  MutexLock lock(mu_);
  CHECK(!job_.has_value() && !result_.has_value());
  job_ = std::move(job);
  changed_.SignalAll();
}

std::optional<JobResult> ThreadWorker::TakeResult() {
  MutexLock lock(mu_);
  return std::exchange(result_, std::nullopt);
}

std::optional<Job> ThreadWorker::Next() {
  MutexLock lock(mu_);
  while (!job_.has_value()) {
    if (closing_) return std::nullopt;
    changed_.WaitFor(mu_, absl::Seconds(1));
  }
  return job_;
}

JobResult ThreadWorker::Do(const Job& job) {
  JobResult result;
  result.kind = job.kind;
  switch (job.kind) {
    case Job::Kind::kStep:
      result.ended.step = job.action.step;
      result.ended.outcome = steps_.Run(job.action, hurry_);
      break;
    case Job::Kind::kLook:
      result.depth = job.depth;
      result.sight = steps_.Look(job.depth);
      break;
  }
  return result;
}

void ThreadWorker::Run() {
  while (const std::optional<Job> job = Next()) {
    JobResult result = Do(*job);
    {
      MutexLock lock(mu_);
      job_ = std::nullopt;
      result_ = std::move(result);
    }
    wake_();
  }
}

}  // namespace baton::agent
