#include "service/runtime/feed.h"

#include <utility>

namespace baton::runtime {

void Feed::Subscribe(std::shared_ptr<Watcher> watcher) {
  MutexLock lock(mu_);
  watchers_.insert(std::move(watcher));
}

void Feed::Unsubscribe(const std::shared_ptr<Watcher>& watcher) {
  MutexLock lock(mu_);
  watchers_.erase(watcher);
}

void Feed::Publish(const core::Fleet& fleet, const core::Changes& changes) {
  if (changes.empty()) return;
  std::set<std::shared_ptr<Watcher>> watchers;
  {
    MutexLock lock(mu_);
    watchers = watchers_;
  }
  for (const std::shared_ptr<Watcher>& watcher : watchers) {
    watcher->OnTurn(fleet, changes);
  }
}

}  // namespace baton::runtime
