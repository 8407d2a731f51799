#include "driver-shim/rpc/shim_worker.h"

#include <utility>

#include "absl/time/time.h"
#include "base/check.h"

namespace baton::rpc {
namespace {

// How often the adapter is looked after while nothing is to do.
constexpr absl::Duration kWatchInterval = absl::Milliseconds(200);

// How often whoever waits for a job may do something else.
constexpr absl::Duration kMeanwhileInterval = absl::Milliseconds(500);

}  // namespace

ShimWorker::ShimWorker(port::AdapterPort& adapter)
    : adapter_(adapter), thread_([this] { Loop(); }) {}

ShimWorker::~ShimWorker() {
  Run([this] { stopping_ = true; });
  thread_.join();
}

void ShimWorker::Run(Job job, const std::function<void()>& meanwhile) {
  Mutex mu;
  CondVar done_changed;
  bool done = false;
  const Job with_signal = [&] {
    job();
    MutexLock lock(mu);
    done = true;
    done_changed.SignalAll();
  };
  while (!jobs_.TryPost(with_signal)) {
    std::this_thread::yield();  // full only while steps are under way
  }
  const auto ended = [&] {
    MutexLock lock(mu);
    if (!done) done_changed.WaitFor(mu, kMeanwhileInterval);
    return done;
  };
  while (!ended()) meanwhile();
}

port::AdapterReport ShimWorker::Last() const {
  MutexLock lock(mu_);
  return last_;
}

void ShimWorker::Show() {
  port::AdapterReport report = adapter_.Inspect();
  MutexLock lock(mu_);
  last_ = std::move(report);
}

void ShimWorker::Loop() {
  Show();
  while (!stopping_) {
    for (const Job& job : jobs_.TakeAll(kWatchInterval)) job();
    adapter_.Watch();
    Show();
  }
}

}  // namespace baton::rpc
