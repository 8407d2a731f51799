#include "cli/watch.h"

#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/reason.h"
#include "baton/v1/rollout.grpc.pb.h"
#include "cli/follow.h"
#include "cli/names.h"
#include "cli/render/live_view.h"
#include "cli/render/watch_model.h"
#include "cli/render/words.h"

namespace baton::cli {
namespace {

class Watch final : public Follow<v1::WatchRolloutResponse> {
 public:
  Watch(const WatchOptions& options, Session& session)
      : Follow(session),
        options_(options),
        stub_(session.Stub<v1::RolloutService>()) {}

 private:
  bool live() const {
    return session().surroundings().sink == Sink::kTerminal &&
           !session().settings().quiet && session().IsForPeople();
  }

  Reader Call(grpc::ClientContext& context) override {
    v1::WatchRolloutRequest request;
    request.set_name(options_.rollout);
    return stub_->WatchRollout(&context, request);
  }

  void OnMessage(const v1::WatchRolloutResponse& message) override {
    const std::vector<WatchChange> changes = model_.Fold(message);
    session().ShowMessage(message);
    if (session().IsForPeople() && !live() && !session().settings().quiet) {
      for (const WatchChange& change : changes) {
        session().out() << WatchLine(change, clock().Now()) << std::endl;
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

  // What stands below the live view.
  std::string Notice() const {
    if (away()) return "the service is away; what is shown is old";
    if (model_.rollout().state() != v1::ROLLOUT_STATE_HELD) return "";
    // Without flags, as a line has little room.
    const std::string name = ShortName(options_.rollout);
    return absl::StrCat("next: baton why ", name,
                        ", then baton rollout resume or abort ", name);
  }

  // In a live view the notice line says it.
  void Note(const std::string& text) override {
    if (!live()) session().Say(text);
  }

  void Finish(ExitCode code) {
    last_drawn_ = -absl::InfiniteDuration();
    Draw();
    if (session().IsForPeople() && !session().settings().quiet) {
      session().out() << WatchSummary(model_.rollout()) << std::endl;
    }
    if (code != ExitCode::kOk) {
      session().Say(absl::StrCat("hint: ", session().settings().command,
                                 " why ", ShortName(options_.rollout)));
    }
    End(code);
  }

  Result Interrupted() override {
    const std::string name = ShortName(options_.rollout);
    session().Say(absl::StrCat(
        "stopped watching; rollout \"", name,
        "\" is left as it is. To look again: ", session().settings().command,
        " rollout watch ", name));
    return ExitCode::kInterrupted;
  }

  absl::Status TooLate() override {
    return ErrorWithReason(
        absl::StatusCode::kDeadlineExceeded, "WATCH_TIMED_OUT",
        absl::StrCat("rollout \"", ShortName(options_.rollout), "\" is ",
                     Word(model_.rollout().state()), " after ",
                     absl::FormatDuration(*session().settings().timeout),
                     ", and is left as it is"));
  }

  void Draw() override {
    if (!live() || !answered()) return;
    const absl::Duration now = clock().Monotonic();
    if (now - last_drawn_ < kTick) return;
    last_drawn_ = now;
    Canvas canvas = session().surroundings().canvas();
    canvas.colour = session().settings().colour;
    session().out() << redraw_.Over(
                           LiveFrame(model_, clock().Now(), Notice(), canvas))
                    << std::flush;
  }

  const WatchOptions& options_;
  const std::unique_ptr<v1::RolloutService::Stub> stub_;
  WatchModel model_;
  Redraw redraw_;
  absl::Duration last_drawn_ = -absl::InfiniteDuration();
};

}  // namespace

absl::StatusOr<ExitCode> WatchRollout(const WatchOptions& options,
                                      Session& session) {
  return Watch(options, session).Run();
}

}  // namespace baton::cli
