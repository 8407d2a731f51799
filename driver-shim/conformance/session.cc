#include "driver-shim/conformance/session.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "base/status_macros.h"

namespace baton::conformance {
namespace {

// More steps than any way home has: two updates, each cancelled once.
constexpr int kStepsHomeMax = 40;
// Attempts that are tried before giving up; each is twice the one before.
constexpr int kProbesMax = 60;

absl::Status NotReady(absl::string_view message) {
  return ErrorWithReason(absl::StatusCode::kFailedPrecondition,
                         "ADAPTER_NOT_READY", message);
}

absl::Status NotDone(Verb verb, const Answer& answer) {
  return absl::FailedPreconditionError(
      absl::StrCat(Name(verb), " came to ", Describe(answer)));
}

// The step towards RUNNING. Whatever was begun is undone or, once engines ran
// again, brought to its end.
Verb TowardsHome(v1::AdapterState state) {
  switch (static_cast<int>(state)) {
    case v1::ADAPTER_STATE_UNLOADED:
      return Verb::kRestore;
    case v1::ADAPTER_STATE_RESTORED:
      return Verb::kVerify;
    case v1::ADAPTER_STATE_VERIFIED:
      return Verb::kResume;
    case v1::ADAPTER_STATE_RESUMED:
      return Verb::kConfirm;
    case v1::ADAPTER_STATE_CONFIRMED:
      return Verb::kCommit;
    default:
      return Verb::kCancel;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Session>> Session::Begin(ShimClient& client,
                                                        Options options) {
  ASSIGN_OR_RETURN(const v1::InspectResponse seen, client.Inspect());
  if (seen.state() != v1::ADAPTER_STATE_RUNNING || seen.attempt() != 0) {
    return NotReady(absl::StrCat("adapter '", seen.adapter().name(), "' is ",
                                 Name(seen.state()), " in attempt ",
                                 seen.attempt(), ", want RUNNING in none"));
  }
  if (options.found.path().empty()) options.found = seen.image();
  if (options.found.path().empty()) {
    return NotReady(
        "Inspect does not name the image that is loaded: give it "
        "with --old");
  }
  std::unique_ptr<Session> session(new Session(client, std::move(options)));
  RETURN_IF_ERROR(session->FindAttempt());
  return session;
}

// Which attempts were used is no business of a caller's, except here.
absl::Status Session::FindAttempt() {
  attempt_ = 1;
  for (int i = 0; i < kProbesMax; ++i) {
    const Answer answer = Take(Verb::kPrepare);
    if (answer.ok()) return GoHome();
    if (Reason(answer.status) != "STALE_ATTEMPT") {
      return NotDone(Verb::kPrepare, answer);
    }
    attempt_ *= 2;
  }
  return NotReady("every attempt number is stale");
}

Call Session::Draft(Verb verb) const {
  Call call;
  call.verb = verb;
  call.order.set_attempt(attempt_);
  call.order.mutable_deadline()->set_seconds(
      absl::ToInt64Seconds(options_.deadline));
  call.image = options_.next;
  return call;
}

Answer Session::Make(const Call& call) { return client_.Take(call); }

Answer Session::Take(Verb verb, const v1::DriverImage& image) {
  Call call = Draft(verb);
  call.image = image;
  Answer answer = Make(call);
  if (answer.ok()) recorded_[verb] = answer;
  return answer;
}

absl::Status Session::Walk(const std::vector<Verb>& verbs,
                           const v1::DriverImage& image) {
  for (const Verb verb : verbs) {
    const Answer answer = Take(verb, image);
    if (!answer.ok()) return NotDone(verb, answer);
  }
  return absl::OkStatus();
}

absl::Status Session::Reach(v1::AdapterState state) {
  ASSIGN_OR_RETURN(const v1::InspectResponse seen, Inspect());
  const bool underway =
      seen.attempt() == attempt_ ||
      (seen.attempt() == 0 && state == v1::ADAPTER_STATE_RUNNING);
  if (seen.state() == state && underway &&
      (state != v1::ADAPTER_STATE_RUNNING ||
       seen.image().digest() == options_.found.digest())) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(GoHome());
  return Walk(PathTo(state));
}

absl::Status Session::GoHome() {
  for (int i = 0; i < kStepsHomeMax; ++i) {
    ASSIGN_OR_RETURN(const bool home, StepHome());
    if (home) {
      NewAttempt();
      recorded_.clear();
      return absl::OkStatus();
    }
  }
  return NotReady(absl::StrCat("adapter did not come back to RUNNING with '",
                               options_.found.path(), "' in ", kStepsHomeMax,
                               " steps"));
}

// Returns whether it is there.
absl::StatusOr<bool> Session::StepHome() {
  ASSIGN_OR_RETURN(const v1::InspectResponse seen, Inspect());
  if (seen.attempt() != 0) attempt_ = seen.attempt();
  if (seen.state() != v1::ADAPTER_STATE_RUNNING) {
    const Verb verb = TowardsHome(seen.state());
    if (seen.attempt() == 0) NewAttempt();
    const Answer answer = Take(verb, options_.found);
    // The new driver's fault, if it is in already: the old one is let in.
    if (!answer.ok() && (verb == Verb::kVerify || verb == Verb::kResume)) {
      Take(Verb::kUnload);
    }
    return false;
  }
  if (seen.image().digest() == options_.found.digest()) return true;
  NewAttempt();
  std::vector<Verb> whole = PathTo(v1::ADAPTER_STATE_CONFIRMED);
  whole.push_back(Verb::kCommit);
  RETURN_IF_ERROR(Walk(whole, options_.found));
  return false;
}

}  // namespace baton::conformance
