#ifndef SERVICE_RUNTIME_FEED_H_
#define SERVICE_RUNTIME_FEED_H_

#include <memory>
#include <set>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "service/core/apply.h"
#include "service/core/fleet.h"

namespace baton::runtime {

// Somebody who looks at the fleet.
class Watcher {
 public:
  virtual ~Watcher() = default;

  // Called on the loop thread after each turn that changed something, once the
  // changes are durable. `fleet` is the whole state, `changes` the keys of what
  // is not as it was; both are valid until it returns. Must not block. A
  // watcher that cannot keep up collects keys and reads them later, through
  // FleetLoop::Read(): states may be skipped, never reordered.
  virtual void OnTurn(const core::Fleet& fleet,
                      const core::Changes& changes) = 0;
};

// Who watches. Any thread may subscribe and unsubscribe; the loop publishes.
//
// To miss nothing, subscribe inside a FleetLoop::Read(), where the first state
// is read as well: both happen between two turns.
class Feed {
 public:
  void Subscribe(std::shared_ptr<Watcher> watcher) ABSL_LOCKS_EXCLUDED(mu_);

  // A call of OnTurn() may still be running when this returns; it keeps the
  // watcher alive.
  void Unsubscribe(const std::shared_ptr<Watcher>& watcher)
      ABSL_LOCKS_EXCLUDED(mu_);

  // Loop thread only. Calls every watcher, with no lock held.
  void Publish(const core::Fleet& fleet, const core::Changes& changes)
      ABSL_LOCKS_EXCLUDED(mu_);

 private:
  Mutex mu_;
  std::set<std::shared_ptr<Watcher>> watchers_ ABSL_GUARDED_BY(mu_);
};

}  // namespace baton::runtime

#endif  // SERVICE_RUNTIME_FEED_H_
