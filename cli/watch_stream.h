#ifndef CLI_WATCH_STREAM_H_
#define CLI_WATCH_STREAM_H_

#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/sync_stream.h"

namespace baton::cli {

// One open call that streams Responses, read by a thread of its own, so that
// its owner can look at other things meanwhile. Bounded: a reader that is not
// listened to stops reading, and the service skips states. The owner is one
// thread.
template <typename Response>
class WatchStream {
 public:
  using Reader = std::unique_ptr<grpc::ClientReader<Response>>;

  // What came since the last look.
  struct News {
    std::vector<Response> messages = {};
    // Set when the stream has ended and all its messages were taken.
    std::optional<grpc::Status> end = std::nullopt;
  };

  // `open`  makes the call
  explicit WatchStream(const std::function<Reader(grpc::ClientContext&)>& open)
      : reader_(open(context_)), thread_([this] { Read(); }) {}

  // Cancels the call and waits for the thread.
  ~WatchStream() {
    {
      MutexLock lock(mu_);
      closing_ = true;
      changed_.SignalAll();
    }
    context_.TryCancel();
    thread_.join();
  }

  WatchStream(const WatchStream&) = delete;
  WatchStream& operator=(const WatchStream&) = delete;

  // Returns what came, after waiting up to `timeout` for something.
  News Take(absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    if (messages_.empty() && !end_.has_value()) changed_.WaitFor(mu_, timeout);
    News news;
    news.messages = std::exchange(messages_, {});
    news.end = end_;
    changed_.SignalAll();
    return news;
  }

 private:
  static constexpr size_t kMessagesMax = 64;

  void Read() ABSL_LOCKS_EXCLUDED(mu_) {
    Response message;
    while (reader_->Read(&message)) Keep(std::move(message));
    const grpc::Status status = reader_->Finish();
    MutexLock lock(mu_);
    end_ = status;
    changed_.SignalAll();
  }

  void Keep(Response message) ABSL_LOCKS_EXCLUDED(mu_) {
    MutexLock lock(mu_);
    while (messages_.size() >= kMessagesMax && !closing_) {
      changed_.WaitFor(mu_, absl::Seconds(1));
    }
    messages_.push_back(std::move(message));
    changed_.SignalAll();
  }

  grpc::ClientContext context_;
  const Reader reader_;

  Mutex mu_;
  CondVar changed_;
  std::vector<Response> messages_ ABSL_GUARDED_BY(mu_);
  std::optional<grpc::Status> end_ ABSL_GUARDED_BY(mu_);
  bool closing_ ABSL_GUARDED_BY(mu_) = false;

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace baton::cli

#endif  // CLI_WATCH_STREAM_H_
