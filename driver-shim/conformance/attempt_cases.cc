#include <thread>

#include "absl/strings/str_cat.h"
#include "base/reason.h"
#include "driver-shim/conformance/check.h"

// Which update a step belongs to: repeats, stale attempts, lost answers.

namespace baton::conformance {
namespace {

constexpr absl::StatusCode kAborted = absl::StatusCode::kAborted;

constexpr char kStaleFix[] =
    "answer ABORTED with reason STALE_ATTEMPT when another attempt is under "
    "way, or a later one has ended, before looking at anything else";
constexpr char kRepeatFix[] =
    "keep the last attempt's results after it ended, and answer a repeat of "
    "the step that ended it from there";

void TryOthersDuring(Session& session, Check& check) {
  if (!check.Ok(session.Reach(v1::ADAPTER_STATE_PREPARED), "Prepare")) return;
  const uint64_t ours = session.attempt();
  for (const uint64_t other : {ours - 1, ours + 1, ours + 1000}) {
    if (other == 0) continue;
    for (const Verb verb : kVerbs) {
      Call call = session.Draft(verb);
      call.order.set_attempt(other);
      check.Refused(
          session.Make(call), kAborted, "STALE_ATTEMPT",
          absl::StrCat(Name(verb), " of attempt ", other, " during ", ours));
    }
  }
  check.Stands(session, v1::ADAPTER_STATE_PREPARED, ours, "after all of them");
}

void TryAfterCommit(Session& session, Check& check) {
  std::vector<Verb> whole = PathTo(v1::ADAPTER_STATE_CONFIRMED);
  whole.push_back(Verb::kCommit);
  if (!check.Ok(session.Walk(whole), "whole update")) return;
  check.Refused(session.Take(Verb::kPrepare), kAborted, "STALE_ATTEMPT",
                "Prepare of an attempt that was committed");
  if (session.attempt() > 1) {
    for (const Verb verb : kVerbs) {
      Call call = session.Draft(verb);
      call.order.set_attempt(session.attempt() - 1);
      check.Refused(session.Make(call), kAborted, "STALE_ATTEMPT",
                    absl::StrCat(Name(verb), " of an earlier attempt"));
    }
  }
  check.Stands(session, v1::ADAPTER_STATE_RUNNING, 0, "after all of them");
}

void TryRepeatOfTheEnd(Session& session, Check& check,
                       const std::vector<Verb>& steps) {
  if (!check.Ok(session.Walk(steps), "the steps before")) return;
  const Verb last = steps.back();
  const Answer first = session.Recorded(last);
  const Answer again = session.Take(last);
  const std::string step = absl::StrCat("repeat of ", Name(last));
  if (!check.Repeats(again, first, step)) return;
  check.Stands(session, v1::ADAPTER_STATE_RUNNING, 0, step);
}

void TryAgainAfterCancel(Session& session, Check& check) {
  if (!check.Ok(session.Walk({Verb::kPrepare, Verb::kPause, Verb::kCancel}),
                "Prepare, Pause, Cancel")) {
    return;
  }
  check.Ok(session.Walk({Verb::kPrepare, Verb::kPause, Verb::kSave}),
           "the same attempt once more");
}

void TryLostAnswer(Session& session, Check& check) {
  Call call = session.Draft(Verb::kPrepare);
  call.patience = absl::Milliseconds(1);
  session.Make(call);
  // Whether it came, and how far, the caller cannot know: it asks again.
  if (!check.Done(session.Take(Verb::kPrepare), "Prepare, asked again")) return;
  check.Stands(session, v1::ADAPTER_STATE_PREPARED, session.attempt(),
               "Prepare, asked again");
}

void TryTwoAtOnce(Session& session, Check& check) {
  const Call one = session.Draft(Verb::kPrepare);
  Call other = one;
  other.order.set_attempt(one.order.attempt() + 1);
  Answer answers[2];
  std::thread rival([&] { answers[1] = session.Make(other); });
  answers[0] = session.Make(one);
  rival.join();
  const int loser = answers[0].ok() ? 1 : 0;
  const Call& winner = loser == 1 ? one : other;
  check.Done(answers[1 - loser], "the Prepare that came first");
  check.Refused(answers[loser], kAborted, "STALE_ATTEMPT",
                "the Prepare that came second");
  check.Stands(session, v1::ADAPTER_STATE_PREPARED, winner.order.attempt(),
               "after both");
}

}  // namespace

std::vector<Case> AttemptCases() {
  std::vector<Verb> whole = PathTo(v1::ADAPTER_STATE_CONFIRMED);
  whole.push_back(Verb::kCommit);
  return {
      {.name = "attempt/others-during-one",
       .promise = "steps of any other attempt are stale while one is under way",
       .fix = kStaleFix,
       .run = &TryOthersDuring},
      {.name = "attempt/after-commit",
       .promise = "an attempt that was committed, or is older, is stale",
       .fix = kStaleFix,
       .run = &TryAfterCommit},
      {.name = "attempt/repeat-of-commit",
       .promise = "a repeat of Commit returns the recorded result",
       .fix = kRepeatFix,
       .run = [whole](
                  Session& session,
                  Check& check) { TryRepeatOfTheEnd(session, check, whole); }},
      {.name = "attempt/repeat-of-cancel",
       .promise = "a repeat of Cancel returns the recorded result",
       .fix = kRepeatFix,
       .run =
           [](Session& session, Check& check) {
             TryRepeatOfTheEnd(
                 session, check,
                 {Verb::kPrepare, Verb::kPause, Verb::kSave, Verb::kCancel});
           }},
      {.name = "attempt/again-after-cancel",
       .promise = "an attempt that was cancelled can be tried again",
       .fix =
           "let Prepare of the attempt that was cancelled last begin it anew",
       .run = &TryAgainAfterCancel},
      {.name = "attempt/lost-answer",
       .promise = "a step whose answer was lost can be asked for again",
       .fix = "finish a step whose caller went away, and record its result",
       .run = &TryLostAnswer},
      {.name = "attempt/two-at-once",
       .promise = "of two attempts at the same moment one begins and one is "
                  "stale",
       .fix = "carry steps out one after the other",
       .run = &TryTwoAtOnce},
  };
}

}  // namespace baton::conformance
