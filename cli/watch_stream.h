#ifndef CLI_WATCH_STREAM_H_
#define CLI_WATCH_STREAM_H_

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "baton/v1/rollout.grpc.pb.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"

namespace baton::cli {

// One open WatchRollout call, read by a thread of its own, so that its owner
// can look at other things meanwhile. Bounded: a reader that is not listened
// to stops reading, and the service skips states. The owner is one thread.
class WatchStream {
 public:
  // What came since the last look.
  struct News {
    std::vector<v1::WatchRolloutResponse> messages = {};
    // Set when the stream has ended and all its messages were taken.
    std::optional<grpc::Status> end = std::nullopt;
  };

  // `rollout`  resource name
  // `user`     see Prepare()
  WatchStream(const std::shared_ptr<grpc::Channel>& channel,
              const std::string& rollout, const std::string& user);

  // Cancels the call and waits for the thread.
  ~WatchStream();

  WatchStream(const WatchStream&) = delete;
  WatchStream& operator=(const WatchStream&) = delete;

  // Returns what came, after waiting up to `timeout` for something.
  News Take(absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  static constexpr size_t kMessagesMax = 64;

  void Read() ABSL_LOCKS_EXCLUDED(mu_);
  void Keep(v1::WatchRolloutResponse message) ABSL_LOCKS_EXCLUDED(mu_);

  const std::unique_ptr<v1::RolloutService::Stub> stub_;
  grpc::ClientContext context_;
  const std::unique_ptr<grpc::ClientReader<v1::WatchRolloutResponse>> reader_;

  Mutex mu_;
  CondVar changed_;
  std::vector<v1::WatchRolloutResponse> messages_ ABSL_GUARDED_BY(mu_);
  std::optional<grpc::Status> end_ ABSL_GUARDED_BY(mu_);
  bool closing_ ABSL_GUARDED_BY(mu_) = false;

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace baton::cli

#endif  // CLI_WATCH_STREAM_H_
