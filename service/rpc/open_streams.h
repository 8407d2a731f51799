#ifndef SERVICE_RPC_OPEN_STREAMS_H_
#define SERVICE_RPC_OPEN_STREAMS_H_

#include <map>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/mutex.h"

namespace baton::rpc {

// A call that stays open until somebody ends it.
class OpenStream {
 public:
  virtual ~OpenStream() = default;

  // Ends the call with `why` as soon as nothing is in flight on it; OK is a
  // plain end. Does nothing if it ended already. Any thread; never blocks.
  virtual void End(const absl::Status& why) = 0;
};

// Every call that stays open, so that a server that stops can end them and need
// not break them. Any thread.
class OpenStreams {
 public:
  // One that comes after EndAll() is ended at once.
  void Add(const std::shared_ptr<OpenStream>& stream) ABSL_LOCKS_EXCLUDED(mu_);
  void Remove(const OpenStream* stream) ABSL_LOCKS_EXCLUDED(mu_);
  void EndAll(const absl::Status& why) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  Mutex mu_;
  std::map<const OpenStream*, std::weak_ptr<OpenStream>> streams_
      ABSL_GUARDED_BY(mu_);
  absl::Status ended_ ABSL_GUARDED_BY(mu_);  // not OK: EndAll() was called
};

}  // namespace baton::rpc

#endif  // SERVICE_RPC_OPEN_STREAMS_H_
