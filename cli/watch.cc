#include "cli/watch.h"

#include <memory>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/backoff.h"
#include "base/reason.h"
#include "cli/names.h"
#include "cli/render/live_view.h"
#include "cli/render/tree.h"
#include "cli/render/watch_model.h"
#include "cli/render/words.h"
#include "cli/watch_stream.h"

namespace baton::cli {
namespace {

// How often the live view's seconds move, and how soon Ctrl-C is noticed.
constexpr absl::Duration kTick = absl::Milliseconds(100);

// Whether a stream that ended so may be opened again: the service went away,
// or stopped in good order before the rollout's end.
bool IsAway(const grpc::Status& status) {
  return status.ok() || status.error_code() == grpc::StatusCode::UNAVAILABLE ||
         status.error_code() == grpc::StatusCode::CANCELLED ||
         status.error_code() == grpc::StatusCode::UNKNOWN;
}

// One watch from beginning to end.
class Watch {
 public:
  Watch(const WatchOptions& options, Session& session)
      : options_(options),
        session_(session),
        clock_(*session.surroundings().clock),
        interrupted_(session.surroundings().catch_interrupt()),
        started_(clock_.Monotonic()),
        backoff_({absl::Milliseconds(200), absl::Seconds(5)},
                 *session.surroundings().random) {}

  absl::StatusOr<ExitCode> Run() {
    Open();
    for (;;) {
      Listen();
      if (end_.has_value()) return *end_;
      if (interrupted_) return Interrupted();
      if (IsTooLate()) return TooLate();
      if (stream_ == nullptr && clock_.Monotonic() >= open_at_) Open();
      DrawLive();
    }
  }

 private:
  using Result = absl::StatusOr<ExitCode>;

  bool live() const {
    return session_.surroundings().sink == Sink::kTerminal &&
           !session_.settings().quiet &&
           (session_.settings().output == Output::kTable ||
            session_.settings().output == Output::kWide);
  }

  void Open() {
    stream_ = std::make_unique<WatchStream>(
        session_.channel(), options_.rollout, session_.settings().user);
  }

  // Takes what the stream has, or what the wait for the next one is.
  void Listen() {
    if (stream_ == nullptr) return Wait();
    WatchStream::News news = stream_->Take(kTick);
    for (const v1::WatchRolloutResponse& message : news.messages) {
      OnMessage(message);
      if (end_.has_value()) return;
    }
    if (news.end.has_value()) OnStreamEnd(*news.end);
  }

  void Wait() {
    MutexLock lock(wait_mu_);
    wait_.WaitFor(wait_mu_, kTick);
  }

  void OnMessage(const v1::WatchRolloutResponse& message) {
    OnAnswer();
    const std::vector<WatchChange> changes = model_.Fold(message);
    if (session_.settings().output == Output::kJson) {
      session_.out() << JsonLine(message) << std::endl;
    } else if (session_.settings().output == Output::kYaml) {
      session_.out() << "---\n" << Yaml(message) << std::flush;
    } else if (!live() && !session_.settings().quiet) {
      for (const WatchChange& change : changes) {
        session_.out() << WatchLine(change, clock_.Now()) << std::endl;
      }
    }
    const v1::RolloutState state = model_.rollout().state();
    if (HasEnded(state)) {
      Finish(ExitCodeOf(state));
    } else if (state == v1::ROLLOUT_STATE_HELD &&
               model_.rollout().progress().running() == 0 &&
               options_.on_hold == OnHold::kExit) {
      Finish(ExitCode::kRolloutHeld);
    }
  }

  // The service is there.
  void OnAnswer() {
    backoff_.Reset();
    if (!away_.ok()) Note("the service is back");
    away_ = absl::OkStatus();
    answered_ = true;
    notice_.clear();
  }

  // What stands below the live view.
  std::string Notice() const {
    if (model_.rollout().state() != v1::ROLLOUT_STATE_HELD ||
        !notice_.empty()) {
      return notice_;
    }
    // Without flags, as a line has little room.
    const std::string name = ShortName(options_.rollout);
    return absl::StrCat("next: baton why ", name,
                        ", then baton rollout resume or abort ", name);
  }

  void OnStreamEnd(const grpc::Status& status) {
    stream_ = nullptr;
    const absl::Status why = Understand(status, session_.settings().server);
    if (!IsAway(status) || !answered_) {
      end_ = why.ok() ? StreamEndedError() : why;
      return;
    }
    if (away_.ok()) Note("the service went away; trying again");
    away_ = why.ok() ? StreamEndedError() : why;
    notice_ = "the service is away; what is shown is old";
    open_at_ = clock_.Monotonic() + backoff_.Next();
  }

  absl::Status StreamEndedError() const {
    return ErrorWithReason(absl::StatusCode::kUnavailable, "SERVICE_AWAY",
                           "the service ended the stream");
  }

  // In a live view the notice line says it.
  void Note(const std::string& text) {
    if (!live()) session_.Say(text);
  }

  void Finish(ExitCode code) {
    const bool for_people = session_.settings().output == Output::kTable ||
                            session_.settings().output == Output::kWide;
    last_drawn_ = -absl::InfiniteDuration();
    DrawLive();
    if (for_people && !session_.settings().quiet) {
      session_.out() << WatchSummary(model_.rollout()) << std::endl;
    }
    if (code != ExitCode::kOk) {
      session_.Say(absl::StrCat("hint: ", session_.settings().command, " why ",
                                ShortName(options_.rollout)));
    }
    end_ = code;
  }

  Result Interrupted() {
    const std::string name = ShortName(options_.rollout);
    session_.Say(absl::StrCat(
        "stopped watching; rollout \"", name,
        "\" is left as it is. To look again: ", session_.settings().command,
        " rollout watch ", name));
    return ExitCode::kInterrupted;
  }

  bool IsTooLate() const {
    const std::optional<absl::Duration> timeout = session_.settings().timeout;
    return timeout.has_value() && clock_.Monotonic() - started_ >= *timeout;
  }

  Result TooLate() const {
    if (!away_.ok()) return away_;
    return ErrorWithReason(
        absl::StatusCode::kDeadlineExceeded, "WATCH_TIMED_OUT",
        absl::StrCat("rollout \"", ShortName(options_.rollout), "\" is ",
                     Word(model_.rollout().state()), " after ",
                     absl::FormatDuration(*session_.settings().timeout),
                     ", and is left as it is"));
  }

  void DrawLive() {
    if (!live() || !answered_) return;
    const absl::Duration now = clock_.Monotonic();
    if (now - last_drawn_ < kTick) return;
    last_drawn_ = now;
    Canvas canvas = session_.surroundings().canvas();
    canvas.colour = session_.settings().colour;
    session_.out() << redraw_.Over(
                          LiveFrame(model_, clock_.Now(), Notice(), canvas))
                   << std::flush;
  }

  const WatchOptions& options_;
  Session& session_;
  const Clock& clock_;
  const std::atomic<bool>& interrupted_;
  const absl::Duration started_;
  Backoff backoff_;

  WatchModel model_;
  Redraw redraw_;
  absl::Duration last_drawn_ = -absl::InfiniteDuration();
  bool answered_ = false;
  absl::Status away_;  // why the service cannot be heard; OK: it can
  std::string notice_;
  absl::Duration open_at_ = absl::ZeroDuration();
  Mutex wait_mu_;
  CondVar wait_;
  std::optional<Result> end_;
  std::unique_ptr<WatchStream> stream_;
};

}  // namespace

absl::StatusOr<ExitCode> WatchRollout(const WatchOptions& options,
                                      Session& session) {
  return Watch(options, session).Run();
}

}  // namespace baton::cli
