#ifndef SERVICE_RPC_END_GATE_H_
#define SERVICE_RPC_END_GATE_H_

#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/mutex.h"

namespace baton::rpc {

// Decides when a stream's reactor may be finished: once somebody wants it to
// end, and nothing is being started or written on it. gRPC forbids to start
// anything on a call that was finished, and finishing twice.
//
// Whoever starts something holds the gate from before until it is safe to
// finish; whoever is told to finish does so, and nobody else. Any thread.
class EndGate {
 public:
  // Takes a hold; returns false when the stream ends: then start nothing.
  [[nodiscard]] bool Enter() ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    if (why_.has_value()) return false;
    ++holds_;
    return true;
  }

  // Whether somebody wants the stream to end.
  bool ending() ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    return why_.has_value();
  }

  // Gives a hold back. Returns what to finish the call with, if it is time.
  [[nodiscard]] std::optional<absl::Status> Leave() ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    --holds_;
    return Due();
  }

  // Wants the stream to end with `why`; the first reason stays. Returns what to
  // finish the call with, if it is time.
  [[nodiscard]] std::optional<absl::Status> End(const absl::Status& why)
      ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    if (!why_.has_value()) why_ = why;
    return Due();
  }

 private:
  std::optional<absl::Status> Due() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (finished_ || holds_ > 0 || !why_.has_value()) return std::nullopt;
    finished_ = true;
    return why_;
  }

  Mutex mu_;
  int holds_ ABSL_GUARDED_BY(mu_) = 0;
  std::optional<absl::Status> why_ ABSL_GUARDED_BY(mu_);
  bool finished_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace baton::rpc

#endif  // SERVICE_RPC_END_GATE_H_
