#ifndef SERVICE_RPC_PACKAGE_INDEX_H_
#define SERVICE_RPC_PACKAGE_INDEX_H_

#include <algorithm>
#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace baton::rpc {

// Which packages the fleet has a record of, for threads that cannot look at the
// fleet. Kept up to date from the loop thread, before the caller of a change is
// answered. Any thread.
class PackageIndex {
 public:
  // The record of driver `name` now has `digest`.
  void Set(const std::string& name, const std::string& digest)
      ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    digests_[name] = digest;
  }

  // There is no record of `name` any more. Returns the digest it had, or "".
  std::string Erase(const std::string& name) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    const auto found = digests_.extract(name);
    return found.empty() ? "" : found.mapped();
  }

  // Returns the digest of driver `name`, or "" when there is no record.
  std::string DigestOf(const std::string& name) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    const auto found = digests_.find(name);
    return found == digests_.end() ? "" : found->second;
  }

  // Whether any record has `digest`.
  bool Has(const std::string& digest) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    return std::any_of(
        digests_.begin(), digests_.end(),
        [&digest](const auto& entry) { return entry.second == digest; });
  }

 private:
  Mutex mu_;
  std::map<std::string, std::string> digests_ ABSL_GUARDED_BY(mu_);
};

}  // namespace baton::rpc

#endif  // SERVICE_RPC_PACKAGE_INDEX_H_
