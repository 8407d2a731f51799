#ifndef CLI_FOLLOW_H_
#define CLI_FOLLOW_H_

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/backoff.h"
#include "base/mutex.h"
#include "base/reason.h"
#include "cli/exit_code.h"
#include "cli/session.h"
#include "cli/watch_stream.h"

namespace baton::cli {

// Follows one stream of the service from beginning to end: through its going
// away and coming back, until the stream is refused, Ctrl-C, --timeout, or
// until whoever follows has seen enough. A service that was never there is an
// error at once. Confined to one thread.
template <typename Response>
class Follow {
 public:
  using Result = absl::StatusOr<ExitCode>;
  using Reader = typename WatchStream<Response>::Reader;

  virtual ~Follow() = default;

  // Returns what the end comes to. Blocks. Errors: the service's;
  // SERVICE_AWAY, and what TooLate() says after --timeout
  Result Run() {
    Open();
    for (;;) {
      Listen();
      if (end_.has_value()) return *end_;
      if (interrupted_) return Interrupted();
      if (IsTooLate()) return away_.ok() ? TooLate() : away_;
      if (stream_ == nullptr && clock_.Monotonic() >= open_at_) Open();
      Draw();
    }
  }

 protected:
  // How soon Ctrl-C is noticed, and how often Draw() is called.
  static constexpr absl::Duration kTick = absl::Milliseconds(100);

  // `session` outlives this.
  explicit Follow(Session& session)
      : session_(session),
        clock_(*session.surroundings().clock),
        interrupted_(session.surroundings().catch_interrupt()),
        started_(clock_.Monotonic()),
        backoff_({absl::Milliseconds(200), absl::Seconds(5)},
                 *session.surroundings().random) {}

  // Makes the call.
  virtual Reader Call(grpc::ClientContext& context) = 0;
  virtual void OnMessage(const Response& message) = 0;
  virtual Result Interrupted() = 0;
  virtual absl::Status TooLate() = 0;
  virtual void Draw() {}
  // Says something about the service to whoever looks.
  virtual void Note(const std::string& text) { session_.Say(text); }

  void End(const Result& end) { end_ = end; }

  Session& session() { return session_; }
  const Session& session() const { return session_; }
  const Clock& clock() const { return clock_; }
  // Whether the service ever answered.
  bool answered() const { return answered_; }
  // Whether it can be heard now.
  bool away() const { return !away_.ok(); }

 private:
  // Whether a stream that ended so may be opened again: the service went away,
  // or stopped in good order.
  static bool IsAway(const grpc::Status& status) {
    return status.ok() ||
           status.error_code() == grpc::StatusCode::UNAVAILABLE ||
           status.error_code() == grpc::StatusCode::CANCELLED ||
           status.error_code() == grpc::StatusCode::UNKNOWN;
  }

  void Open() {
    stream_ = std::make_unique<WatchStream<Response>>(
        [this](grpc::ClientContext& context) {
          Prepare(session_.settings().user, absl::InfiniteDuration(), context);
          return Call(context);
        });
  }

  // Takes what the stream has, or what the wait for the next one is.
  void Listen() {
    if (stream_ == nullptr) return Wait();
    typename WatchStream<Response>::News news = stream_->Take(kTick);
    for (const Response& message : news.messages) {
      OnAnswer();
      OnMessage(message);
      if (end_.has_value()) return;
    }
    if (news.end.has_value()) OnStreamEnd(*news.end);
  }

  void Wait() {
    MutexLock lock(wait_mu_);
    wait_.WaitFor(wait_mu_, kTick);
  }

  // The service is there.
  void OnAnswer() {
    backoff_.Reset();
    if (!away_.ok()) Note("the service is back");
    away_ = absl::OkStatus();
    answered_ = true;
  }

  void OnStreamEnd(const grpc::Status& status) {
    stream_ = nullptr;
    absl::Status why = Understand(status, session_.settings().server);
    if (why.ok()) {
      why = ErrorWithReason(absl::StatusCode::kUnavailable, "SERVICE_AWAY",
                            "the service ended the stream");
    }
    if (!IsAway(status) || !answered_) {
      end_ = why;
      return;
    }
    if (away_.ok()) Note("the service went away; trying again");
    away_ = why;
    open_at_ = clock_.Monotonic() + backoff_.Next();
  }

  bool IsTooLate() const {
    const std::optional<absl::Duration> timeout = session_.settings().timeout;
    return timeout.has_value() && clock_.Monotonic() - started_ >= *timeout;
  }

  Session& session_;
  const Clock& clock_;
  const std::atomic<bool>& interrupted_;
  const absl::Duration started_;
  Backoff backoff_;

  bool answered_ = false;
  absl::Status away_;  // why the service cannot be heard; OK: it can
  absl::Duration open_at_ = absl::ZeroDuration();
  Mutex wait_mu_;
  CondVar wait_;
  std::optional<Result> end_;
  std::unique_ptr<WatchStream<Response>> stream_;
};

}  // namespace baton::cli

#endif  // CLI_FOLLOW_H_
