#include "cli/watch_stream.h"

#include <utility>

#include "cli/connect.h"

namespace baton::cli {
namespace {

std::unique_ptr<grpc::ClientReader<v1::WatchRolloutResponse>> Open(
    v1::RolloutService::Stub& stub, const std::string& rollout,
    const std::string& user, grpc::ClientContext& context) {
  Prepare(user, absl::InfiniteDuration(), context);
  v1::WatchRolloutRequest request;
  request.set_name(rollout);
  return stub.WatchRollout(&context, request);
}

}  // namespace

WatchStream::WatchStream(const std::shared_ptr<grpc::Channel>& channel,
                         const std::string& rollout, const std::string& user)
    : stub_(v1::RolloutService::NewStub(channel)),
      reader_(Open(*stub_, rollout, user, context_)),
      thread_([this] { Read(); }) {}

WatchStream::~WatchStream() {
  {
    MutexLock lock(mu_);
    closing_ = true;
    changed_.SignalAll();
  }
  context_.TryCancel();
  thread_.join();
}

WatchStream::News WatchStream::Take(absl::Duration timeout) {
  MutexLock lock(mu_);
  if (messages_.empty() && !end_.has_value()) changed_.WaitFor(mu_, timeout);
  News news;
  news.messages = std::exchange(messages_, {});
  news.end = end_;
  changed_.SignalAll();
  return news;
}

void WatchStream::Keep(v1::WatchRolloutResponse message) {
  MutexLock lock(mu_);
  while (messages_.size() >= kMessagesMax && !closing_) {
    changed_.WaitFor(mu_, absl::Seconds(1));
  }
  messages_.push_back(std::move(message));
  changed_.SignalAll();
}

void WatchStream::Read() {
  v1::WatchRolloutResponse message;
  while (reader_->Read(&message)) Keep(std::move(message));
  const grpc::Status status = reader_->Finish();
  MutexLock lock(mu_);
  end_ = status;
  changed_.SignalAll();
}

}  // namespace baton::cli
