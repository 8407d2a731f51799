#include "service/rpc/open_streams.h"

#include <utility>

namespace baton::rpc {

void OpenStreams::Add(const std::shared_ptr<OpenStream>& stream) {
  absl::Status ended;
  {
    MutexLock lock(mu_);
    streams_[stream.get()] = stream;
    ended = ended_;
  }
  if (!ended.ok()) stream->End(ended);
}

void OpenStreams::Remove(const OpenStream* stream) {
  MutexLock lock(mu_);
  streams_.erase(stream);
}

void OpenStreams::EndAll(const absl::Status& why) {
  std::map<const OpenStream*, std::weak_ptr<OpenStream>> streams;
  {
    MutexLock lock(mu_);
    ended_ = why;
    streams = streams_;
  }
  // Outside the lock: a stream that ends removes itself.
  for (const auto& [key, weak] : streams) {
    if (const auto stream = weak.lock(); stream != nullptr) stream->End(why);
  }
}

}  // namespace baton::rpc
